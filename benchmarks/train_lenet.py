"""The article's LeNet trained by convlet and by others: images/s of the whole loop, in one interleaved run.

    python benchmarks/train_lenet.py [--against torch,torch-compile,numpy] [--threads 2] [--out FILE]

The d2l recipe, batch 256, on images in memory: shuffling, loss and accuracy are part of the loop. Before
anything is timed, every contender makes the same steps from the same weights, and the losses must agree.
These weights come from three epochs of training, because the first steps of fresh ones sit on the plateau of
the sigmoids, where a wrong kernel would not show. (The quick form takes fresh ones.)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

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
LIMIT = 1e-4
"""Relative, of each step's loss."""

State = Mapping[str, NDArray[np.float32]]


class Case(NamedTuple):
    """What all contenders train on, and from which weights."""

    data: datasets.Dataset
    state: State
    options: suite.Options


class Training(NamedTuple):
    """A contender, and the same loop on images start..stop-1 in their order, which returns the mean loss."""

    contender: Contender
    in_order: Callable[[int, int], float]
    batch_size: int


def learning_rate(batch_size: int) -> float:
    """The recipe's, in proportion to the batch: at its own a net that sees single images saturates."""
    return RECIPE.lr * batch_size / RECIPE.batch_size


def convlet_training(case: Case, images: int, batch_size: int = RECIPE.batch_size) -> Training:
    """About so many images a call, as whole epochs."""
    data, net = case.data, nn.LeNet()
    net.load_state_dict(case.state)
    epochs = max(1, round(images / len(data)))
    seeds = iter(range(sys.maxsize))

    def fit(part: datasets.Dataset, epochs: int, shuffle: bool) -> float:
        optimizer = optim.SGD(lr=learning_rate(batch_size))
        trainer = Trainer(net, optimizer, nn.CrossEntropyLoss(), "cpu", case.options.threads)
        history = trainer.fit(part, None, epochs, batch_size, seed=next(seeds), shuffle=shuffle)
        return history[-1].train_loss

    contender = Contender("convlet", lambda: fit(data, epochs, shuffle=True), epochs * len(data))
    return Training(contender, lambda start, stop: fit(data[start:stop], 1, shuffle=False), batch_size)


def torch_training(case: Case, images: int, layout: str, compiled: bool) -> Training:
    """Fewer images a call than convlet: the rate does not depend on their number, the patience does."""
    data, mode = case.data, case.options.compile_mode
    training = TorchTraining(
        torch_with(case.options.threads),
        case.state,
        (data.images, data.labels),
        RECIPE.lr,
        RECIPE.batch_size,
        channels_last=layout == "channels_last",
        compile_mode=mode if compiled else None,
    )
    how = f"torch.compile ({mode})" if compiled else "PyTorch eager"
    contender = Contender(f"{how}, {layout}", lambda: training.shuffled(images), images)
    return Training(contender, training.in_order, RECIPE.batch_size)


def numpy_training(case: Case, name: str, layers: Layers, batch_size: int, steps: int) -> Training:
    data, net, rng = case.data, NumpyLeNet(layers, case.state), np.random.default_rng(0)
    pixels = data.images.astype(np.float32) / np.float32(255)

    def run(order: NDArray[np.int64]) -> float:
        loss = 0.0
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            loss += net.step(pixels[batch], data.labels[batch], learning_rate(batch_size))[0] * len(batch)
        return loss / len(order)

    images = steps * batch_size
    contender = Contender(
        f"NumPy, {name}, batch {batch_size}", lambda: run(rng.permutation(len(data))[:images]), images
    )
    return Training(contender, lambda start, stop: run(np.arange(start, stop)), batch_size)


def rivals(case: Case) -> Iterator[tuple[str, Callable[[], Training]]]:
    """Each with its name in `--against`, not yet made."""
    options = case.options
    images, steps = (256, 1) if options.quick else (10_240, 8)
    for rival, compiled in (("torch", False), ("torch-compile", True)):
        for layout in ("NCHW", "channels_last"):
            yield rival, partial(torch_training, case, images, layout, compiled)
    yield "numpy", partial(numpy_training, case, "im2col with BLAS", IM2COL, RECIPE.batch_size, steps)
    yield "numpy", partial(numpy_training, case, "plain loops", LOOPS, 1, 1)


def settled_weights(data: datasets.Dataset, epochs: int, threads: int) -> State:
    """The weights after so many epochs of the recipe; fresh ones after none."""
    net = nn.LeNet().initialize(RECIPE.scheme, seed=0)
    if epochs:
        trainer = Trainer(net, optim.SGD(lr=RECIPE.lr), nn.CrossEntropyLoss(), "cpu", threads)
        trainer.fit(data, None, epochs, RECIPE.batch_size)
    return net.state_dict()


def prove_equal(rival: Training, convlet: Training, steps: int) -> float:
    """The largest relative difference of their losses, step by step; both must have the same weights."""
    worst = 0.0
    for step in range(steps):
        part = step * rival.batch_size, (step + 1) * rival.batch_size
        what = f"{rival.contender.name}: loss of step {step + 1}"
        worst = max(worst, check_equal(what, rival.in_order(*part), convlet.in_order(*part), LIMIT))
    return worst


def cells(options: suite.Options) -> Iterator[Cell]:
    data = options.data()
    epochs, images, steps = (0, len(data), 2) if options.quick else (3, 60_000, 10)
    case = Case(data, settled_weights(data, epochs, options.threads), options)
    contenders, skipped, worst = [convlet_training(case, images).contender], {}, 0.0
    for name, make in rivals(case):
        if name not in options.against:
            continue
        try:
            rival = make()
        except UnavailableError as error:
            skipped[name] = str(error)
            continue
        convlet = convlet_training(case, images, rival.batch_size)
        worst = max(worst, prove_equal(rival, convlet, steps))
        contenders.append(rival.contender)
    yield Cell(
        f"LeNet, d2l recipe, batch {RECIPE.batch_size}, {data.name}, whole training loop",
        contenders,
        f"from equal weights the losses of {steps} steps agree within {worst:.1e} (allowed {LIMIT:.0e})",
        flop=2.0 * MULTIPLY_ADDS,
        skipped=skipped,
    )


if __name__ == "__main__":
    sys.exit(suite.main("train", cells, __doc__))
