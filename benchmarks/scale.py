"""Suite scale: convlet alone, on one thread and on more, and over batch sizes.

The bits of a result do not depend on the number of threads, and that is proved before anything is timed.
Small work must not be slower on more threads than on one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from convlet import Trainer, _core, datasets, nn, optim
from measure import Cell, Contender, check_equal
from nets import ARTICLE, LENET
from suite import Entry, Options, described, entry

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SMALL_BATCHES = (1, 2, 4, 8, 16, 32, 64)
SMALL_IMAGES = (1, 2, 16, 17, 32, 256)
SMALL_STEPS = 256
PROOF = "the same bits on every number of threads"
MULTIPLY_ADDS, TRAINING_MULTIPLY_ADDS = LENET.multiply_adds


def fitting(data: datasets.Dataset, batch: int, threads: int) -> tuple[nn.Sequential, Callable[[], object]]:
    """A fresh net, and an epoch of the whole training loop with it."""
    net = LENET.build().initialize(LENET.scheme, seed=0)

    def epoch() -> object:
        made = Trainer(net, optim.SGD(lr=ARTICLE.lr), nn.CrossEntropyLoss(), "cpu", threads)
        return made.fit(data, None, 1, batch)

    return net, epoch


def prove_training(most: int, data: datasets.Dataset, batch: int) -> None:
    """An epoch from the same weights ends at the same bits."""
    ends = []
    for threads in (1, most):
        net, epoch = fitting(data, batch, threads)
        epoch()
        ends.append(net.state_dict())
    for name, expected in ends[0].items():
        check_equal(f"{name} after training on {most} threads", ends[1][name], expected, tolerance=0.0)


def training(name: str, data: datasets.Dataset, batch: int, threads: int) -> Contender:
    _, epoch = fitting(data, batch, threads)
    return Contender(name, epoch, len(data))


def training_cell(name: str, images: int, batch: int, options: Options) -> Cell:
    """On all threads and on one."""
    most, data = threads_of(options), options.data()[:images]
    prove_training(most, data[: 4 * batch], batch)
    contenders = [training(label(n), data, batch, n) for n in (most, 1)]
    flop = 2.0 * TRAINING_MULTIPLY_ADDS
    return Cell(name, contenders, PROOF, flop, threads=most, details=described(data))


def inference_cell(name: str, images: int, options: Options) -> Cell:
    """On all threads and on one."""
    most, net, data = threads_of(options), nn.LeNet(seed=0), options.data()[:images]
    x = data.images.astype(np.float32) / np.float32(255)

    def contender(threads: int) -> Contender:
        return Contender(label(threads), lambda: net(x), len(x), partial(_core.set_threads, threads))

    logits = []
    for threads in (most, 1):
        _core.set_threads(threads)
        logits.append(net(x))
    check_equal(f"logits on {most} threads", logits[0], logits[1], tolerance=0.0)
    contenders = [contender(threads) for threads in (most, 1)]
    return Cell(name, contenders, PROOF, 2.0 * MULTIPLY_ADDS, threads=most, details=described(data))


def batches_cell(name: str, options: Options) -> Cell:
    """Training in batches of many sizes, on all threads. Small batches see fewer images in a call."""
    most, data = threads_of(options), options.data()
    contenders = []
    for batch in BATCHES[::5] if options.quick else BATCHES:
        part = data[: min(len(data), 2048 * batch, 20_480)]
        prove_training(most, part[: 2 * batch], batch)
        contenders.append(training(str(batch), part, batch, most))
    return Cell(
        name,
        contenders,
        PROOF,
        flop=2.0 * TRAINING_MULTIPLY_ADDS,
        kind="sweep",
        threads=most,
        details={"axis": "batch", **described(data)},
    )


def threads_of(options: Options) -> int:
    """Those asked for, but always more than one."""
    return max(2, options.threads)


def label(threads: int) -> str:
    return f"convlet, {threads} thread{'s' if threads > 1 else ''}"


def cells(options: Options) -> Iterator[Entry]:
    def made(name: str, build: Callable[..., Cell], *sizes: int) -> Entry:
        return entry(name, partial(build, name, *sizes, options))

    many = 1024 if options.quick else 60_000
    yield made("LeNet, training, batch 256, threads", training_cell, many, ARTICLE.batch_size)
    yield made("LeNet, inference, 10,000 images, threads", inference_cell, min(many, 10_000))
    for images in SMALL_IMAGES:
        yield made(
            f"LeNet, inference, {images} image{'s' if images > 1 else ''}, threads", inference_cell, images
        )
    for batch in SMALL_BATCHES:
        yield made(f"LeNet, training, batch {batch}, threads", training_cell, SMALL_STEPS * batch, batch)
    yield made("LeNet, training, over the batch", batches_cell)
