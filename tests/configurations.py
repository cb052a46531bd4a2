"""The shapes and options that the op tests walk through: hand-picked corners, and seeded random ones.

Nothing is square and no two options are equal where they may differ, so that a swapped pair cannot hide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.windows import Pair, Sides, output_shape

BATCHES = (0, 1, 2, 15, 16, 17, 33)
"""Around the tile of 16 images: nothing, less than one, exactly one, one and a bit, two and a bit."""


@dataclass(frozen=True)
class Conv2d:
    """One convolution, without its batch."""

    name: str
    channels: int
    image: Pair
    outputs: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True

    @property
    def options(self) -> dict[str, Any]:
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        return (self.outputs, self.channels // self.groups, *self.kernel)

    @property
    def output(self) -> tuple[int, int, int]:
        plane = output_shape(*self.image, self.kernel, self.stride, self.padding, self.dilation)
        return (self.outputs, *plane)


@dataclass(frozen=True)
class Pool2d:
    """One pooling; the last two options are of averages only."""

    name: str
    channels: int
    image: Pair
    kernel: Pair
    stride: Pair | None = None
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None

    @property
    def max_options(self) -> dict[str, Any]:
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "ceil_mode": self.ceil_mode,
        }

    @property
    def avg_options(self) -> dict[str, Any]:
        return {
            **self.max_options,
            "count_include_pad": self.count_include_pad,
            "divisor_override": self.divisor_override,
        }

    @property
    def output(self) -> tuple[int, int, int]:
        stride = self.stride or self.kernel
        plane = output_shape(*self.image, self.kernel, stride, self.padding, self.dilation, self.ceil_mode)
        return (self.channels, *plane)


CONV2D = (
    Conv2d("plain", 2, (7, 5), 3, (3, 2)),
    Conv2d("one pixel", 1, (1, 1), 1, (1, 1)),
    Conv2d("kernel as large as the image", 2, (4, 6), 3, (4, 6)),
    Conv2d("no bias", 3, (5, 6), 4, (2, 3), bias=False),
    Conv2d("stride", 2, (9, 11), 3, (3, 2), stride=(2, 3)),
    Conv2d("stride larger than the kernel", 2, (8, 11), 3, (2, 1), stride=(3, 4)),
    Conv2d("four different paddings", 2, (5, 4), 3, (3, 2), padding=(1, 2, 0, 3)),
    Conv2d("padding wider than the kernel", 1, (3, 2), 2, (2, 3), padding=(4, 3, 5, 4)),
    Conv2d("dilation", 2, (9, 8), 3, (3, 2), dilation=(2, 3)),
    Conv2d("groups", 6, (5, 4), 4, (2, 3), groups=2),
    Conv2d("depthwise", 5, (6, 7), 5, (3, 2), padding=(1, 1, 1, 0), groups=5),
    Conv2d("depthwise with a multiplier", 3, (6, 5), 6, (2, 3), stride=(1, 2), groups=3),
    Conv2d("everything", 4, (9, 8), 6, (3, 2), (2, 3), (2, 1, 3, 0), (2, 4), 2),
    Conv2d("one by one kernel", 7, (3, 5), 19, (1, 1)),
    Conv2d("one by one kernel, pixels of three rows and more", 5, (6, 7), 9, (1, 1)),
    Conv2d("one by one kernel in groups", 6, (4, 12), 4, (1, 1), groups=2),
    Conv2d("one by one kernel with stride", 3, (5, 6), 4, (1, 1), stride=(2, 3)),
    Conv2d("wide image", 1, (2, 37), 2, (2, 5), padding=(0, 1, 2, 2)),
    Conv2d("tall image", 2, (41, 1), 3, (5, 1), padding=(2, 2, 0, 0)),
    Conv2d("many channels", 35, (3, 2), 33, (2, 2), padding=(1, 0, 0, 1)),
    Conv2d("large kernel", 1, (9, 8), 2, (7, 7), padding=(3, 3, 2, 2)),
)

LARGE_CONV2D = (
    Conv2d("first of LeNet", 1, (28, 28), 6, (5, 5), padding=(2, 2, 2, 2)),
    Conv2d("second of LeNet", 6, (14, 14), 16, (5, 5)),
    Conv2d("64 to 130 channels", 64, (9, 7), 130, (3, 3), padding=(1, 1, 1, 1)),
    Conv2d("one by one kernel, 600 channels", 600, (13, 15), 20, (1, 1)),
    Conv2d("large image", 3, (41, 53), 5, (5, 3), padding=(0, 1, 1, 0)),
)

POOL2D = (
    Pool2d("plain", 2, (6, 8), (2, 4)),
    Pool2d("one pixel", 1, (1, 1), (1, 1)),
    Pool2d("whole image", 3, (5, 4), (5, 4)),
    Pool2d("LeNet's", 6, (10, 10), (2, 2), stride=(2, 2)),
    Pool2d("overlapping windows", 2, (7, 9), (3, 4), stride=(1, 2)),
    Pool2d("gaps between windows", 2, (8, 11), (2, 3), stride=(3, 5)),
    Pool2d("rows and columns left over", 2, (7, 8), (2, 3)),
    Pool2d("padding", 2, (5, 6), (4, 2), stride=(2, 1), padding=(2, 1, 1, 0)),
    Pool2d(
        "padding not counted", 2, (5, 6), (4, 2), stride=(2, 1), padding=(2, 1, 0, 1), count_include_pad=False
    ),
    Pool2d("padding of more than half the kernel", 1, (3, 4), (3, 3), stride=(2, 2), padding=(2, 2, 2, 2)),
    Pool2d("ceil", 2, (6, 9), (3, 2), stride=(2, 3), ceil_mode=True),
    Pool2d("ceil drops a window in the padding", 1, (4, 3), (2, 2), (3, 2), (1, 1, 1, 1), ceil_mode=True),
    Pool2d("ceil and padding", 1, (4, 4), (3, 3), (2, 2), (1, 1, 1, 1), ceil_mode=True),
    Pool2d(
        "ceil, padding not counted",
        2,
        (4, 6),
        (3, 3),
        (2, 2),
        (1, 0, 0, 1),
        ceil_mode=True,
        count_include_pad=False,
    ),
    Pool2d("divisor", 2, (6, 7), (3, 2), stride=(2, 2), padding=(1, 1, 0, 1), divisor_override=8),
    Pool2d("dilation", 2, (9, 8), (3, 2), stride=(2, 1), padding=(1, 0, 2, 1), dilation=(2, 3)),
    Pool2d("wide image", 1, (2, 67), (2, 3), stride=(1, 2)),
    Pool2d("many channels", 37, (4, 5), (2, 2)),
)


def small_integers(rng: np.random.Generator, shape: tuple[int, ...], bound: int = 5) -> NDArray[np.float32]:
    """Integers of at most `bound`: sums of fewer than 2 ** 24 / bound ** 2 products are exact in float32."""
    return rng.integers(-bound, bound + 1, size=shape).astype(np.float32)


def reals(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Normal deviates."""
    return rng.standard_normal(shape).astype(np.float32)


def random_conv2d(seed: int) -> Conv2d:
    """Any valid convolution of a few hundred operations an image; equal seeds give equal ones."""
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 3]))
    kernel, stride, dilation = _pair(rng, 1, 4), _pair(rng, 1, 3), _pair(rng, 1, 3)
    padding = _sides(rng, 3)
    image = _image(rng, kernel, dilation, padding)
    return Conv2d(
        f"seed {seed}",
        groups * int(rng.integers(1, 4)),
        image,
        groups * int(rng.integers(1, 5)),
        kernel,
        stride,
        padding,
        dilation,
        groups,
        bool(rng.integers(2)),
    )


def random_pool2d(seed: int) -> Pool2d:
    """Any pooling that PyTorch takes too: padding of at most half the kernel, and a pixel in each window."""
    rng = np.random.default_rng(seed)
    kernel, stride, dilation = _pair(rng, 1, 4), _pair(rng, 1, 3), _pair(rng, 1, 3)
    rows, columns = int(rng.integers(kernel[0] // 2 + 1)), int(rng.integers(kernel[1] // 2 + 1))
    padding = (rows, rows, columns, columns)
    return Pool2d(
        f"seed {seed}",
        int(rng.integers(1, 5)),
        _image(rng, kernel, dilation, (0, 0, 0, 0)),
        kernel,
        None if rng.integers(3) == 0 else stride,
        padding,
        dilation,
        bool(rng.integers(2)),
        bool(rng.integers(2)),
        None if rng.integers(2) else int(rng.integers(1, 8)),
    )


def _pair(rng: np.random.Generator, low: int, high: int) -> Pair:
    return int(rng.integers(low, high + 1)), int(rng.integers(low, high + 1))


def _sides(rng: np.random.Generator, high: int) -> Sides:
    top, bottom, left, right = (int(side) for side in rng.integers(0, high + 1, size=4))
    return top, bottom, left, right


def _image(rng: np.random.Generator, kernel: Pair, dilation: Pair, padding: Sides) -> Pair:
    """An image that the window fits on once it is padded, and of at least one pixel."""
    need = [dilation[a] * (kernel[a] - 1) + 1 - padding[2 * a] - padding[2 * a + 1] for a in (0, 1)]
    return max(1, need[0]) + int(rng.integers(0, 9)), max(1, need[1]) + int(rng.integers(0, 9))
