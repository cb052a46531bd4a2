"""The networks that the engine is tested with: every layer, every option, every way to begin and to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import nn
from oracle.windows import output_shape


@dataclass(frozen=True)
class Network:
    """A net by name, the shape of its images and the number of its classes."""

    name: str
    input_shape: tuple[int, ...]
    classes: int
    build: Callable[[], nn.Sequential]

    def make(self, seed: int = 0) -> nn.Sequential:
        """The net with PyTorch's initial weights."""
        return self.build().initialize("pytorch", seed)

    def data(self, images: int, kind: str = "uint8", seed: int = 0) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Random images, bytes or floats in 0..1, with random labels."""
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 256, (images, *self.input_shape), np.uint8)
        labels = rng.integers(0, self.classes, images)
        return (x if kind == "uint8" else (x / 255).astype(np.float32)), labels


LENET = Network("LeNet", (1, 28, 28), 10, nn.LeNet)

RELU_MAX_POOL = Network(
    "ReLU and max pooling",
    (1, 12, 14),
    10,
    lambda: nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3),
        nn.ReLU(),
        nn.MaxPool2d(2, stride=1),
        nn.Flatten(),
        nn.Linear(12 * 3 * 4, 20),
        nn.ReLU(),
        nn.Linear(20, 10),
    ),
)

ALL_OPTIONS = Network(
    "all options",
    (3, 15, 13),
    7,
    lambda: nn.Sequential(
        nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(1, 0, 2, 1), dilation=(1, 2), groups=3),
        nn.Tanh(),
        nn.Conv2d(6, 9, 3, padding="same", groups=3, bias=False),
        nn.MaxPool2d((2, 3), stride=(1, 2), padding=(1, 0), dilation=(2, 1), ceil_mode=True),
        nn.ReLU(),
        nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        nn.Sequential(nn.Conv2d(9, 5, 1), nn.Sigmoid(), nn.Sequential()),
        nn.AvgPool2d(2, stride=1, divisor_override=3),
        nn.Flatten(),
        nn.Linear(45, 11, bias=False),
        nn.Tanh(),
        nn.Linear(11, 7),
    ),
)

DENSE_ONLY = Network(
    "dense only",
    (63,),
    10,
    lambda: nn.Sequential(nn.Linear(63, 33), nn.Sigmoid(), nn.Linear(33, 17), nn.ReLU(), nn.Linear(17, 10)),
)

SOFTMAX_REGRESSION = Network(
    "softmax regression", (1, 9, 7), 10, lambda: nn.Sequential(nn.Flatten(), nn.Linear(63, 10))
)

CONVOLUTIONAL_HEAD = Network(
    "ends in a convolution",
    (2, 8, 9),
    5,
    lambda: nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, (6, 7)), nn.Flatten()),
)

POOLED_HEAD = Network(
    "ends in an average",
    (3, 8, 8),
    6,
    lambda: nn.Sequential(
        nn.MaxPool2d(2), nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.AvgPool2d(4), nn.Flatten()
    ),
)

LOG_SOFTMAX_HEAD = Network(
    "ends in a logarithm of softmax",
    (1, 6, 5),
    4,
    lambda: nn.Sequential(nn.AvgPool2d(2), nn.Sigmoid(), nn.Flatten(), nn.Linear(6, 4), nn.LogSoftmax(dim=1)),
)

SOFTMAX_INSIDE = Network(
    "softmax inside",
    (12,),
    3,
    lambda: nn.Sequential(nn.Linear(12, 8), nn.Softmax(dim=1), nn.Linear(8, 3)),
)

MANY_CHANNELS = Network(
    "many channels",
    (5, 9, 10),
    35,
    lambda: nn.Sequential(
        nn.Conv2d(5, 37, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(37, 66, 3, stride=2),
        nn.Sigmoid(),
        nn.AvgPool2d((1, 2)),
        nn.Flatten(),
        nn.Linear(66 * 4 * 2, 35),
    ),
)

ONE_PIXEL = Network(
    "one pixel",
    (1, 1, 1),
    2,
    lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.Tanh(), nn.MaxPool2d(1), nn.Flatten(), nn.Linear(2, 2)),
)

NETWORKS = (
    LENET,
    RELU_MAX_POOL,
    ALL_OPTIONS,
    DENSE_ONLY,
    SOFTMAX_REGRESSION,
    CONVOLUTIONAL_HEAD,
    POOLED_HEAD,
    LOG_SOFTMAX_HEAD,
    SOFTMAX_INSIDE,
    MANY_CHANNELS,
    ONE_PIXEL,
)


DROPOUT = Network(
    "dropout",
    (2, 9, 8),
    6,
    lambda: nn.Sequential(
        nn.Dropout(0.1),
        nn.Conv2d(2, 5, 3),
        nn.Dropout(0.3),
        nn.Tanh(),
        nn.Identity(),
        nn.Dropout(0.5),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 7, 2),
        nn.Sigmoid(),
        nn.AvgPool2d((1, 2)),
        nn.Dropout(0.25),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(14, 13),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(13, 6),
        nn.Identity(),
    ),
)

NORMALIZED = Network(
    "normalized, with global pooling",
    (3, 7, 9),
    5,
    lambda: nn.Sequential(
        nn.Normalize((0.1, 0.5, 0.3), (0.25, 0.125, 0.3)),
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.Normalize(np.linspace(0, 1, 8), np.linspace(0.5, 2, 8)),
        nn.AdaptiveMaxPool2d(1),
        nn.Conv2d(8, 5, 1),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(5, 5),
    ),
)

EXTRAS = (DROPOUT, NORMALIZED)
"""What small nets use besides, and where training is not inference."""


def random_network(seed: int) -> Network:
    """A few random convolutions, poolings and activations, then dense layers; equal seeds give equal nets."""
    rng = np.random.default_rng(seed)
    input_shape = (int(rng.integers(1, 5)), int(rng.integers(1, 18)), int(rng.integers(1, 18)))
    classes = int(rng.integers(2, 20))

    def build() -> nn.Sequential:
        draw = np.random.default_rng(seed + 10**6)
        layers: list[Any] = []
        channels, *image = input_shape
        for _ in range(int(draw.integers(0, 5))):
            layer, channels, image = _random_layer(draw, channels, tuple(image))
            layers.append(layer)
        layers.append(nn.Flatten())
        features = channels * image[0] * image[1]
        if draw.integers(2):
            hidden = int(draw.integers(1, 40))
            layers += [nn.Linear(features, hidden, bias=bool(draw.integers(2))), _random_activation(draw)]
            features = hidden
        return nn.Sequential(*layers, nn.Linear(features, classes))

    return Network(f"seed {seed}", input_shape, classes, build)


def _random_layer(draw: np.random.Generator, channels: int, image: tuple[int, ...]) -> tuple[Any, int, Any]:
    """A layer that fits, with the shape that it gives."""
    kind = draw.choice(["conv", "conv", "conv", "max", "avg", "activation"])
    if kind == "activation":
        return _random_activation(draw), channels, image
    kernel = tuple(int(draw.integers(1, min(4, side) + 1)) for side in image)
    stride = tuple(int(s) for s in draw.integers(1, 4, 2))
    if kind == "conv":
        groups = channels if draw.integers(4) == 0 else 1
        outputs = groups * int(draw.integers(1, 7))
        sides = tuple(int(s) for s in draw.integers(0, 3, 4))
        dilation = tuple(
            int(draw.integers(1, 3)) if 2 * (k - 1) < side else 1
            for k, side in zip(kernel, image, strict=True)
        )
        layer = nn.Conv2d(
            channels, outputs, kernel, stride, sides, dilation, groups, bias=bool(draw.integers(2))
        )
        return layer, outputs, output_shape(*image, kernel, stride, sides, dilation)
    rows, columns = (int(draw.integers(0, k // 2 + 1)) for k in kernel)
    ceil_mode = bool(draw.integers(2))
    if kind == "max":
        pool: Any = nn.MaxPool2d(kernel, stride, (rows, columns), ceil_mode=ceil_mode)
    else:
        pool = nn.AvgPool2d(kernel, stride, (rows, columns), ceil_mode, bool(draw.integers(2)))
    sides = (rows, rows, columns, columns)
    return pool, channels, output_shape(*image, kernel, stride, sides, (1, 1), ceil_mode)


def _random_activation(draw: np.random.Generator) -> Any:
    return (nn.ReLU, nn.Sigmoid, nn.Tanh)[int(draw.integers(3))]()
