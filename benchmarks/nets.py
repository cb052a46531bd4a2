"""The networks that are trained: the article's LeNet, wider ones, and two of ReLU and max pooling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convlet import Trainer, datasets, nn, optim, recipes

State = Mapping[str, NDArray[np.float32]]
ARTICLE = recipes.get("d2l")
SETTLED_LOSS = 1.5  # nats; the plateau lies at ln 10 = 2.3
SETTLING_LR, SETTLING_IMAGES, MOST_EPOCHS = 2e-3, 10_240, 60


@dataclass(frozen=True)
class Net:
    """A network, and a recipe that trains it with plain SGD in batches of 256."""

    name: str
    build: Callable[[], nn.Sequential]
    lr: float
    scheme: str = "pytorch"
    colour: bool = False
    """Trained on random images of 3x32x32 instead of Fashion-MNIST's."""
    cost: float = 1.0
    """Of an image, roughly, as a multiple of the article's LeNet's."""

    @property
    def image(self) -> tuple[int, int, int]:
        return (3, 32, 32) if self.colour else (1, 28, 28)

    @property
    def multiply_adds(self) -> tuple[int, int]:
        """Of an image forward, and in a training step: dw of all layers, dx of all but the first."""
        layers = [row.multiply_adds for row in self.build().summary(self.image).rows if row.multiply_adds]
        return sum(layers), 3 * sum(layers) - layers[0]


def lenet(width: int = 1) -> nn.Sequential:
    """The article's, or all channels and features but the ten classes as many times over."""
    return nn.Sequential(
        nn.Conv2d(1, 6 * width, kernel_size=5, padding=2),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6 * width, 16 * width, kernel_size=5),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(400 * width, 120 * width),
        nn.Sigmoid(),
        nn.Linear(120 * width, 84 * width),
        nn.Sigmoid(),
        nn.Linear(84 * width, 10),
    )


def relu_lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def cifar_net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2, stride=2),
        nn.Conv2d(32, 64, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(64 * 8 * 8, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


LENET = Net("LeNet", lenet, ARTICLE.lr, ARTICLE.scheme)
NETS = (
    LENET,
    Net("LeNet, twice as wide", lambda: lenet(2), 0.3, ARTICLE.scheme, cost=3),
    Net("LeNet, four times as wide", lambda: lenet(4), 0.1, ARTICLE.scheme, cost=12),
    Net("LeNet of ReLU and max pooling", relu_lenet, 0.03),
    # At 0.03 PyTorch's two layouts part from each other by 1e-4 in ten steps: roundings decide maxima.
    Net("CIFAR-sized net of ReLU and max pooling", cifar_net, 0.01, colour=True, cost=15),
)


def settled_weights(net: Net, data: datasets.Dataset, threads: int) -> tuple[State, float]:
    """Weights with which the net has begun to tell the classes apart, and its mean loss over that last epoch.

    The first steps of fresh sigmoids sit on a plateau, where a wrong kernel would not show in the loss.
    """
    made = net.build().initialize(net.scheme, seed=0)
    trainer = Trainer(made, optim.Adam(lr=SETTLING_LR), nn.CrossEntropyLoss(), "cpu", threads)
    history = trainer.fit(data, None, 1, ARTICLE.batch_size)
    while history[-1].train_loss > SETTLED_LOSS and len(history) < MOST_EPOCHS:
        checkpoint = trainer.checkpoint()
        history = trainer.fit(data, None, len(history) + 1, ARTICLE.batch_size, resume=checkpoint)
    return made.state_dict(), history[-1].train_loss


def random_images(count: int) -> datasets.Dataset:
    """Colour images of ten classes: a random pattern for each class, half hidden in noise."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 128, (10, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 10, count)
    noise = rng.integers(0, 128, (count, 3, 32, 32), dtype=np.uint8)
    return datasets.Dataset(patterns[labels] + noise, labels, tuple("0123456789"), "random colour images")
