"""The article's LeNet trained by convlet and by others: images/s of the whole loop, in one interleaved run.

    python benchmarks/train_lenet.py [--against torch,torch-compile,numpy] [--threads 2] [--out FILE]

The d2l recipe, batch 256, on images in memory: shuffling, loss and accuracy are part of the loop. Before anything is
timed, every contender makes the same ten steps from the same weights, taken after some training (the first steps sit on
the plateau of the sigmoids, where a wrong kernel would not show), and their losses must agree.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

import suite
from convlet import Trainer, datasets, nn, optim, recipes
from measure import Cell, Contender, UnavailableError, check_equal
from numpy_layers import IM2COL, LOOPS, Layers
from numpy_lenet import NumpyLeNet
from torch_lenet import TorchTraining, torch_with

MULTIPLY_ADDS = 1_131_960  # of a training step, an image: 416,520 forward, 416,520 for dw, 298,920 for dx
RECIPE = recipes.get("d2l")
STEPS = 10
LIMIT = 1e-4
"""Relative, of each step's loss."""

State = Mapping[str, NDArray[np.float32]]
InOrder = Callable[[int, int], float]
"""Trains on images start..stop-1 in their order; the mean loss."""
Candidate = tuple[Contender, InOrder, int]
"""A contender, its loop on given images, and how many steps of how many images its speed allows to prove."""


def convlet_net(state: State) -> nn.LeNet:
    net = nn.LeNet()
    net.load_state_dict(state)
    return net


def convlet_training(data: datasets.Dataset, state: State, threads: int, images: int) -> Candidate:
    net = convlet_net(state)
    seeds = iter(range(sys.maxsize))

    def fit(images: object, labels: object, epochs: int, shuffle: bool) -> float:
        trainer = Trainer(net, optim.SGD(lr=RECIPE.lr), nn.CrossEntropyLoss(), "cpu", threads)
        history = trainer.fit(
            (images, labels), None, epochs, RECIPE.batch_size, seed=next(seeds), shuffle=shuffle
        )
        return history[-1].train_loss

    epochs = max(1, round(images / len(data)))
    whole = Contender(
        "convlet", lambda: fit(data.images, data.labels, epochs, shuffle=True), epochs * len(data)
    )
    return (
        whole,
        lambda start, stop: fit(data.images[start:stop], data.labels[start:stop], 1, shuffle=False),
        RECIPE.batch_size,
    )


def torch_training(
    data: datasets.Dataset, state: State, options: suite.Options, images: int, layout: str, compiled: bool
) -> Candidate:
    torch = torch_with(options.threads)
    training = TorchTraining(
        torch,
        state,
        data.images,
        data.labels,
        RECIPE.lr,
        RECIPE.batch_size,
        channels_last=layout == "channels_last",
        compile_mode=options.compile_mode if compiled else None,
    )
    how = f"torch.compile ({options.compile_mode})" if compiled else "PyTorch eager"
    contender = Contender(f"{how}, {layout}", lambda: training.shuffled(images), images)
    return contender, training.in_order, RECIPE.batch_size


def numpy_training(
    data: datasets.Dataset, state: State, name: str, layers: Layers, batch_size: int, steps: int
) -> Candidate:
    net, rng = NumpyLeNet(layers, state), np.random.default_rng(0)
    pixels = data.images.astype(np.float32) / np.float32(255)

    def run(order: NDArray[np.int64]) -> float:
        loss = 0.0
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            loss += net.step(pixels[batch], data.labels[batch], RECIPE.lr)[0] * len(batch)
        return loss / len(order)

    images = steps * batch_size
    contender = Contender(
        f"NumPy, {name}, batch {batch_size}", lambda: run(rng.permutation(len(pixels))[:images]), images
    )
    return contender, lambda start, stop: run(np.arange(start, stop)), batch_size


def settled_weights(data: datasets.Dataset, epochs: int, threads: int) -> State:
    """The weights after so many epochs of the recipe."""
    net = nn.LeNet().initialize(RECIPE.scheme, seed=0)
    if epochs:
        trainer = Trainer(net, optim.SGD(lr=RECIPE.lr), nn.CrossEntropyLoss(), "cpu", threads)
        trainer.fit(data, None, epochs, RECIPE.batch_size)
    return net.state_dict()


def prove_equal(expected: Sequence[float], name: str, in_order: InOrder, batch_size: int) -> float:
    """The largest difference between the losses of the first steps and those of convlet, step by step."""
    losses = [
        in_order(step * batch_size, (step + 1) * batch_size) for step in range(len(expected))
    ]
    return max(
        check_equal(f"{name}: loss of step {step + 1}", loss, wanted, LIMIT)
        for step, (loss, wanted) in enumerate(zip(losses, expected, strict=True))
    )


def cells(options: suite.Options) -> Iterator[Cell]:
    data = options.data()
    state = settled_weights(data, 0 if options.quick else 3, options.threads)
    images, rival_images = (len(data), 256) if options.quick else (60_000, 10_240)
    builders: list[Callable[[], Candidate]] = []
    for rival, compiled in (("torch", False), ("torch-compile", True)):
        if rival in options.against:
            builders += [
                lambda layout=layout, compiled=compiled: torch_training(
                    data, state, options, rival_images, layout, compiled
                )
                for layout in ("NCHW", "channels_last")
            ]
    if "numpy" in options.against:
        builders += [
            lambda: numpy_training(data, state, "im2col with BLAS", IM2COL, 256, 1 if options.quick else 8),
            lambda: numpy_training(data, state, "plain loops", LOOPS, 1, 1),
        ]
    first, in_order, _ = convlet_training(data, state, options.threads, images)
    contenders, skipped, worst = [first], {}, 0.0
    expected: dict[int, list[float]] = {}
    for build in builders:
        try:
            contender, rival_in_order, batch_size = build()
        except UnavailableError as error:
            skipped["PyTorch"] = str(error)
            continue
        if batch_size not in expected:
            _, fresh, _ = convlet_training(data, state, options.threads, images)
            steps = range(2 if options.quick else STEPS)
            expected[batch_size] = [fresh(i * batch_size, (i + 1) * batch_size) for i in steps]
        worst = max(worst, prove_equal(expected[batch_size], contender.name, rival_in_order, batch_size))
        contenders.append(contender)
    yield Cell(
        f"LeNet, d2l recipe, batch {RECIPE.batch_size}, {data.name}, whole training loop",
        contenders,
        f"from equal weights the losses of {2 if options.quick else STEPS} steps agree within {worst:.1e} "
        f"(allowed {LIMIT:.0e})",
        flop=2.0 * MULTIPLY_ADDS,
        skipped=skipped,
    )


if __name__ == "__main__":
    sys.exit(suite.main("train", cells, __doc__))
