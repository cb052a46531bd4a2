"""Step by step the same as PyTorch: the same weights, the same batches, the same losses and gradients.

    python tests/torch_steps.py [--steps 200] [--data-dir DIR]

Three runs of plain SGD, batch 256: the article's LeNet from fresh weights (its first steps sit on the plateau
of the sigmoids and would forgive a wrong kernel), the same net from weights after three epochs, and a net of
ReLU and max pooling. Each loss of each run must agree within 1e-4 of itself, and each gradient tensor of the
first step within 1e-4 of its own largest value. The data is Fashion-MNIST where it is found, else the
built-in digits. Prints a table; the exit status is 1 where a row fails. Needs PyTorch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from convlet import Trainer, datasets, nn, optim
from tolerances import relative_to_largest

LIMIT = 1e-4
BATCH = 256


class Result(NamedTuple):
    """One run: the worst relative difference of a loss, and of each gradient tensor of the first step."""

    name: str
    losses: NDArray[np.float64]
    torch_losses: NDArray[np.float64]
    gradients: dict[str, float]

    @property
    def worst_loss(self) -> float:
        return float(np.max(np.abs(self.losses - self.torch_losses) / np.abs(self.torch_losses)))

    @property
    def worst_gradient(self) -> float:
        return max(self.gradients.values())

    @property
    def passes(self) -> bool:
        return self.worst_loss <= LIMIT and self.worst_gradient <= LIMIT


def relu_net() -> nn.Sequential:
    """A net whose gradients are large from the first step on."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 7 * 7, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def in_torch(net: nn.Sequential) -> torch.nn.Sequential:
    """The same layers in PyTorch, with the weights of `net` loaded by name."""
    make: dict[str, Callable[[nn.Module], torch.nn.Module]] = {
        "Conv2d": lambda m: torch.nn.Conv2d(m.in_channels, m.out_channels, m.kernel_size, padding=m.padding),
        "Linear": lambda m: torch.nn.Linear(m.in_features, m.out_features),
        "AvgPool2d": lambda m: torch.nn.AvgPool2d(m.kernel_size, m.stride),
        "MaxPool2d": lambda m: torch.nn.MaxPool2d(m.kernel_size, m.stride),
        "Flatten": lambda m: torch.nn.Flatten(),
        "Sigmoid": lambda m: torch.nn.Sigmoid(),
        "ReLU": lambda m: torch.nn.ReLU(),
    }
    model = torch.nn.Sequential(*(make[type(layer).__name__](layer) for layer in net))
    model.load_state_dict({name: torch.tensor(array) for name, array in net.state_dict().items()})
    return model


def compare(
    name: str, net: nn.Sequential, images: NDArray[np.uint8], labels: NDArray[np.int64], steps: int, lr: float
) -> Result:
    """Train both from the weights of `net` on batches in one drawn order."""
    model, loss = in_torch(net), nn.CrossEntropyLoss()
    mine, theirs = optim.SGD(lr), torch.optim.SGD(model.parameters(), lr)
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(len(labels)) for _ in range(steps * BATCH // len(labels) + 1)])
    losses, torch_losses, gradients = [], [], {}
    for step in range(steps):
        batch = order[step * BATCH : (step + 1) * BATCH]
        value, slopes = net.loss_and_gradients(images[batch], labels[batch], loss)
        x = torch.tensor(images[batch].astype(np.float32) / 255)
        torch_value = torch.nn.functional.cross_entropy(model(x), torch.tensor(labels[batch]))
        theirs.zero_grad()
        torch_value.backward()
        if step == 0:
            for key, parameter in model.named_parameters():
                gradients[key] = relative_to_largest(slopes[key], parameter.grad.numpy())
        losses.append(float(value))
        torch_losses.append(torch_value.item())
        mine.step(net.parameters(), slopes)
        theirs.step()
    return Result(name, np.array(losses), np.array(torch_losses), gradients)


def fresh_lenet() -> nn.Sequential:
    """The article's start: Xavier-uniform weights, PyTorch's biases."""
    net = nn.LeNet()
    net.initialize("d2l", 0)
    return net


def trained_lenet(images: NDArray[np.uint8], labels: NDArray[np.int64], epochs: int) -> nn.Sequential:
    """The article's net after some epochs of the article's training."""
    net = fresh_lenet()
    trainer = Trainer(net, optim.SGD(0.9), nn.CrossEntropyLoss(), device="cpu")
    trainer.fit((images, labels), epochs=epochs, batch_size=BATCH, seed=0)
    return net


def all_runs(
    images: NDArray[np.uint8], labels: NDArray[np.int64], steps: int, epochs: int = 3
) -> list[Result]:
    """The three runs, each over the same images."""
    relu = relu_net()
    relu.initialize("pytorch", 0)
    return [
        compare("LeNet, fresh weights", fresh_lenet(), images, labels, steps, 0.9),
        compare(
            f"LeNet, after {epochs} epochs", trained_lenet(images, labels, epochs), images, labels, steps, 0.9
        ),
        compare("ReLU and max pooling", relu, images, labels, steps, 0.1),
    ]


def training_data(data_dir: str | None) -> datasets.Dataset:
    """Fashion-MNIST from the usual places, without a download; else the digits."""
    try:
        return datasets.FashionMNIST(data_dir, train=True, download=False)
    except FileNotFoundError:
        return datasets.Digits(train=True)


def table(results: list[Result]) -> str:
    """One line a run."""
    lines = [f"{'run':<24} {'first loss':>10} {'last loss':>10} {'worst loss':>11} {'worst gradient':>15}"]
    for r in results:
        worst = max(r.gradients, key=r.gradients.__getitem__)
        verdict = "ok" if r.passes else f"FAILED, more than {LIMIT:g}"
        lines.append(
            f"{r.name:<24} {r.losses[0]:10.4f} {r.losses[-1]:10.4f} {r.worst_loss:11.1e} "
            f"{r.worst_gradient:15.1e} ({worst})  {verdict}"
        )
    return "\n".join(lines)


def main() -> int:
    """Run the comparison and tell how it went by the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=200, help="steps of each run (default 200)")
    parser.add_argument("--data-dir", help="folder that holds fashion-mnist/")
    arguments = parser.parse_args()
    data = training_data(arguments.data_dir)
    print(f"{len(data.images):,} images of {data.name}, batch {BATCH}, {arguments.steps} steps a run")
    results = all_runs(data.images, data.labels, arguments.steps)
    print(table(results))
    return 0 if all(result.passes for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
