"""Train, infer, call every op and be refused, over and over, and look for memory that is lost or that grows.

    python scripts/check_leaks.py --rounds 200      (scripts/check_sanitizers.sh runs it as it must be run)

Needs a module that is built with the address sanitizer, whose allocator answers both questions exactly: how
many bytes are allocated now, and which blocks does nobody point to. A lost block counts if a frame of `_core`
is on the stack that allocated it: what other libraries lose is not ours. In a build with the emulated device
the rounds hold device arrays, DLPack and the device's engine too. `--plant` loses an array in every round, to
show that both checks notice.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from convlet import Augment, Trainer, _core, cuda, datasets, nn, optim
from convlet import functional as f
from engine_run import ADAM, EngineRun
from networks import ALL_OPTIONS, EXTRAS, LENET
from op_calls import CALLS

WARM_ROUNDS = 20  # until caches, pools and free lists have their size
BYTES_A_ROUND = 16  # allowed growth: less than the smallest block of anything, each round
BATCH = 40  # two tiles and some lanes
AUGMENT = Augment(shift=2, flip=True, rotation=10, erase=3).spec()
LOSS = nn.CrossEntropyLoss(label_smoothing=0.1)


def sanitizer() -> ctypes.CDLL:
    """The address sanitizer in this process."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "__sanitizer_get_current_allocated_bytes"):
        raise SystemExit("check_leaks: no address sanitizer here; run scripts/check_sanitizers.sh leaks")
    library.__sanitizer_get_current_allocated_bytes.restype = ctypes.c_size_t
    return library


def refused(call: Callable[[], object]) -> None:
    """A call that must raise: exceptions cross the border too."""
    try:
        call()
    except (TypeError, ValueError):
        return
    raise AssertionError("a wrong call was not refused")


def call_every_op() -> None:
    rng = np.random.default_rng(0)
    for call in CALLS:
        arrays = call.arrays(rng, BATCH)
        call(**arrays)
        call(**call.arrays(rng, 1))
        name = next(iter(arrays))
        for bad in (arrays[name].astype(complex), "text"):
            refused(partial(call, **{**arrays, name: bad}))


def run_engines(kept: EngineRun) -> None:
    """One step of an engine that stays, and a few of engines that come and go."""
    for network in (ALL_OPTIONS, *EXTRAS):
        images, labels = network.data(BATCH)
        run = EngineRun(network.make(), network.input_shape, ADAM, threads=2)
        run.train(images, labels, 16, 0.01, seed=1)
        run.engine.forward(run.parameters, images[:3])
        run.engine.evaluate(run.parameters, images, labels, run.loss)
    images, labels = LENET.data(BATCH)
    kept.train(images, labels, BATCH, 0.01, progress=lambda: None, augment=AUGMENT)
    for wrong in (labels[:3], labels + 10):
        refused(partial(kept.train, images, wrong, BATCH, 0.01, np.arange(BATCH)))


def loop_by_hand(net: nn.Sequential, optimizer: optim.Adam) -> None:
    images, labels = LENET.data(BATCH, "float32")
    _, gradients = net.loss_and_gradients(images, labels, LOSS)
    optimizer.step(net.parameters(), gradients)
    net(images[:1])
    refused(lambda: net(images[:, :, :5, :5]))


def use_device() -> None:
    """Arrays on the device, lent and borrowed, ops on them, and the device's engine."""
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 2, 6, 6), (4, 2, 3, 3)))
    on_device = cuda.array(x)
    f.conv2d(on_device, cuda.array(weight)).to_numpy()
    refused(lambda: f.conv2d(on_device, weight))
    np.from_dlpack(cuda.from_dlpack(np.from_dlpack(on_device)))
    on_device.__dlpack__()  # a capsule that nobody uses
    refused(lambda: cuda.from_dlpack(x.astype(np.float64)))
    images, labels = LENET.data(16)
    run = EngineRun(LENET.make(), LENET.input_shape)
    run.engine = _core.CudaEngine(LENET.make().plan(LENET.input_shape), True)
    run.train(images, labels, 16, 0.01)


def fit_and_predict() -> None:
    data, net = datasets.Digits(size=64), nn.LeNet(seed=0)
    trainer = Trainer(net, optim.SGD(0.1, momentum=0.9), LOSS, device="cpu", threads=2)
    trainer.fit(data, data, epochs=1, batch_size=32)
    net.predict_proba(data.images)


def plan_rounds() -> Callable[[int], None]:
    """A function that works through one round."""
    kept = EngineRun(LENET.make(), LENET.input_shape, ADAM, threads=3)
    net, optimizer = LENET.make(), optim.Adam(0.001)

    def one(number: int) -> None:
        call_every_op()
        run_engines(kept)
        loop_by_hand(net, optimizer)
        if cuda.is_available() and number % 10 == 0:
            use_device()
        if number % 10 == 0:
            fit_and_predict()

    return one


def own_losses(report: str) -> list[str]:
    """The lost blocks in LeakSanitizer's report that were allocated below a frame of `_core`."""
    blocks = re.findall(
        r"^(?:Direct|Indirect) leak of .*?(?:\n\n|\Z)", report, flags=re.DOTALL | re.MULTILINE
    )
    return [block for block in blocks if re.search(r"\b_core\.[^/\s]*so\b", block)]


def lost_blocks(library: ctypes.CDLL) -> tuple[int, list[str]]:
    """How many kinds of blocks are lost in this process, and the reports of our own."""
    with tempfile.TemporaryFile("w+") as log:
        before = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            library.__lsan_do_recoverable_leak_check()
        finally:
            os.dup2(before, 2)
            os.close(before)
        log.seek(0)
        report = log.read()
    if "LeakSanitizer has encountered a fatal error" in report:
        raise SystemExit(f"check_leaks: the search for lost blocks failed\n{report}")
    return len(re.findall(r"^Direct leak of", report, flags=re.MULTILINE)), own_losses(report)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--plant", action="store_true", help="lose an array in every round")
    arguments = parser.parse_args()
    library, run_round = sanitizer(), plan_rounds()

    def allocated() -> int:
        gc.collect()
        return int(library.__sanitizer_get_current_allocated_bytes())

    def work(numbers: range) -> None:
        for number in numbers:
            run_round(number)
            if arguments.plant:
                lose(f.relu(np.ones(5, np.float32)))

    work(range(WARM_ROUNDS))
    before = allocated()
    work(range(arguments.rounds))
    growth = allocated() - before
    kinds, own = lost_blocks(library)
    print(f"{arguments.rounds} rounds: {before:,} bytes before, {growth:+,} after; "
          f"{kinds} kinds of lost blocks, {len(own)} with a frame of _core")  # fmt: skip
    print(*own, sep="\n")
    return 1 if own or growth > BYTES_A_ROUND * arguments.rounds else 0


def lose(thing: Any) -> None:
    """Nobody will ever give this back."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


if __name__ == "__main__":
    sys.exit(main())
