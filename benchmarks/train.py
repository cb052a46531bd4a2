"""Suites train and bf16: networks trained by convlet and by others, images/s of whole loops that take turns.

Plain SGD, batch 256, on images in memory: shuffling, loss and accuracy are part of the loop. Before anything
is timed, every contender makes the same steps from the same weights, and the losses must agree. The weights
are those of a net that has begun to learn, because the first steps of a fresh one sit on a plateau, where a
wrong kernel would not show.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convlet import Trainer, _core, datasets, nn, optim
from jax_lenet import JaxTraining, jax_with
from jax_lenet import Layout as JaxLayout
from measure import Cell, Contender, UnavailableError, check_equal
from nets import ARTICLE, LENET, NETS, SETTLING_IMAGES, Net, State, random_images, settled_weights
from numpy_layers import IM2COL, LOOPS, Layers
from numpy_lenet import NumpyLeNet
from suite import Entry, Options, described, entry
from torch_net import TorchTraining, torch_net, torch_with

BATCH = ARTICLE.batch_size
LAYOUTS = ("NCHW", "channels_last")
PROOF_STEPS, LIMIT = {"float32": 10, "bf16": 2}, {"float32": 1e-4, "bf16": 2e-2}
"""How many steps are compared with convlet in float32, and how closely the loss of each.

At the article's learning rate a difference grows hundredfold in a few steps, be it a rounding or a bug.
"""


class Case(NamedTuple):
    """What all contenders train, on what, and from which weights."""

    net: Net
    data: datasets.Dataset
    state: State
    loss: float
    """Of the epoch that led to these weights."""
    options: Options

    def learning_rate(self, batch_size: int) -> float:
        """In proportion to the batch: at its own a net that sees single images saturates."""
        return self.net.lr * batch_size / BATCH

    def images(self, number: int) -> int:
        """As many as take about the time that so many do with LeNet."""
        return min(at_same_cost(self.net, number), len(self.data))


class Training(NamedTuple):
    """A contender, and the same loop on images start..stop-1 in their order, which returns the mean loss."""

    contender: Contender
    in_order: Callable[[int, int], float]
    batch_size: int


def convlet_training(case: Case, batch_size: int = BATCH, precision: str = "float32") -> Training:
    """Whole epochs."""
    net = case.net.build()
    net.load_state_dict(case.state)
    seeds = iter(range(sys.maxsize))

    def fit(part: datasets.Dataset, shuffle: bool) -> float:
        optimizer = optim.SGD(lr=case.learning_rate(batch_size))
        threads = case.options.threads
        trainer = Trainer(net, optimizer, nn.CrossEntropyLoss(), "cpu", threads, precision=precision)
        return trainer.fit(part, None, 1, batch_size, seed=next(seeds), shuffle=shuffle)[-1].train_loss

    name = "convlet" if precision == "float32" else f"convlet, {precision}"
    contender = Contender(name, lambda: fit(case.data, shuffle=True), len(case.data))
    return Training(contender, lambda start, stop: fit(case.data[start:stop], shuffle=False), batch_size)


def torch_training(case: Case, images: int, layout: str, compiled: bool, bf16: bool = False) -> Training:
    """Fewer images a call than convlet: the rate does not depend on their number, the patience does."""
    data, mode = case.data, case.options.compile_mode
    torch = torch_with(case.options.threads)
    if compiled and layout == LAYOUTS[0]:
        torch.compiler.reset()  # it compiles one function a few times only, and then runs it eagerly
    training = TorchTraining(
        torch,
        torch_net(torch, case.net.build(), case.state),
        (data.images, data.labels),
        case.net.lr,
        BATCH,
        channels_last=layout == "channels_last",
        compile_mode=mode if compiled else None,
        bf16=bf16,
    )
    how = f"torch.compile ({mode})" if compiled else "PyTorch eager"
    how += ", bf16 (autocast)" if bf16 else ""
    contender = Contender(f"{how}, {layout}", lambda: training.shuffled(images), images)
    return Training(contender, training.in_order, BATCH)


def jax_training(case: Case, images: int, layout: str) -> Training:
    jax = jax_with(case.options.threads)
    order = JaxLayout(layout == "channels_last")
    data = case.data.images, case.data.labels
    training = JaxTraining(jax, case.state, data, case.net.lr, BATCH, order)
    contender = Contender(f"JAX, jit, {layout}", lambda: training.shuffled(images), images)
    return Training(contender, training.in_order, BATCH)


def numpy_training(case: Case, name: str, layers: Layers, batch_size: int, steps: int) -> Training:
    data, net, rng = case.data, NumpyLeNet(layers, case.state), np.random.default_rng(0)
    pixels = data.images.astype(np.float32) / np.float32(255)
    rate = case.learning_rate(batch_size)

    def run(order: NDArray[np.int64]) -> float:
        loss = 0.0
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            loss += net.step(pixels[batch], data.labels[batch], rate)[0] * len(batch)
        return loss / len(order)

    images = steps * batch_size
    contender = Contender(
        f"NumPy, {name}, batch {batch_size}", lambda: run(rng.permutation(len(data))[:images]), images
    )
    return Training(contender, lambda start, stop: run(np.arange(start, stop)), batch_size)


def rivals(case: Case) -> Iterator[tuple[str, Callable[[], Training]]]:
    """Each with its name in `--against`, not yet made. Only PyTorch has more than LeNet."""
    quick = case.options.quick
    images = case.images(BATCH if quick else 10_240)
    for rival, compiled in (("torch", False), ("torch-compile", True)):
        for layout in LAYOUTS:
            yield rival, partial(torch_training, case, images, layout, compiled)
    if case.net is LENET:
        for layout in LAYOUTS:
            yield "jax", partial(jax_training, case, BATCH if quick else 20 * BATCH, layout)
        yield "numpy", partial(numpy_training, case, "im2col with BLAS", IM2COL, BATCH, 1 if quick else 8)
        yield "numpy", partial(numpy_training, case, "plain loops", LOOPS, 1, 1)


def rivals_in_bf16(case: Case) -> Iterator[tuple[str, Callable[[], Training]]]:
    """PyTorch's autocast."""
    images = case.images(BATCH if case.options.quick else 10_240)
    for rival, compiled in (("torch", False), ("torch-compile", True)):
        for layout in LAYOUTS:
            yield rival, partial(torch_training, case, images, layout, compiled, bf16=True)


def prove_equal(rival: Training, convlet: Training, steps: int, limit: float) -> float:
    """The largest relative difference of their losses, step by step; both must have the same weights."""
    worst = 0.0
    for step in range(steps):
        part = step * rival.batch_size, (step + 1) * rival.batch_size
        what = f"{rival.contender.name}: loss of step {step + 1}"
        worst = max(worst, check_equal(what, rival.in_order(*part), convlet.in_order(*part), limit))
    return worst


def at_same_cost(net: Net, images: int) -> int:
    """Whole batches of images, fewer where one costs more than with LeNet."""
    return max(1, round(images / net.cost / BATCH)) * BATCH


def case_of(net: Net, options: Options) -> Case:
    """Costly nets train on fewer of the images, all contenders on the same."""
    data = random_images(4096) if net.colour else options.data()
    state, loss = settled_weights(net, data[:SETTLING_IMAGES], options.threads)
    if net.cost > 1:
        data = data[: max(at_same_cost(net, len(data)), PROOF_STEPS["float32"] * BATCH)]
    return Case(net, data, state, loss, options)


def build(net: Net, options: Options, precision: str = "float32") -> Cell:
    case = case_of(net, options)
    steps, limit = 2 if options.quick else PROOF_STEPS[precision], LIMIT[precision]
    own = convlet_training(case, precision=precision)
    contenders, skipped, worst = [own.contender], {}, 0.0
    if precision == "bf16":
        float32 = convlet_training(case)
        worst = prove_equal(own, convlet_training(case), steps, limit)
        contenders.append(float32.contender)
    for name, make in rivals(case) if precision == "float32" else rivals_in_bf16(case):
        if name not in options.against:
            continue
        try:
            rival = make()
        except UnavailableError as error:
            skipped[name] = str(error)
            continue
        worst = max(worst, prove_equal(rival, convlet_training(case, rival.batch_size), steps, limit))
        contenders.append(rival.contender)
    return Cell(
        title(net, precision),
        contenders,
        f"from equal weights, of a net at a loss of {case.loss:.2f}, the losses of {steps} steps agree "
        f"within {worst:.1e} (allowed {limit:.0e})"
        if len(contenders) > 1
        else "nothing to compare with",
        flop=2.0 * net.multiply_adds[1],
        skipped=skipped,
        details=described(case.data),
    )


def title(net: Net, precision: str = "float32") -> str:
    in_bf16 = ", bf16" if precision == "bf16" else ""
    return f"{net.name}, batch {BATCH}, whole training loop{in_bf16}"


def cells(options: Options, precision: str = "float32") -> Iterator[Entry]:
    for net in NETS:
        yield entry(title(net, precision), partial(build, net, options, precision))


def cells_in_bf16(options: Options) -> Iterator[Entry]:
    """The same nets, where the CPU has bf16."""
    return cells(options, "bf16") if _core.has_bf16() else iter(())
