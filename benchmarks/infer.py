"""The article's LeNet run on 10,000 images and on a single one, called from Python.

    python benchmarks/infer.py [--against torch,torch-compile,onnxruntime] [--threads 2] [--out FILE]

Every contender gets the same float32 array (N, 1, 28, 28) in memory and returns logits, which must be those
of convlet. Rivals run all images in one call, and in batches of 256, whose activations stay in the cache.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import suite
from convlet import nn
from measure import Cell, Contender, UnavailableError, check_equal
from onnx_lenet import session
from torch_lenet import Layout, lenet, torch_with

MULTIPLY_ADDS = 416_520  # of an image
LIMIT = 1e-5
"""Of the logits, relative to the largest."""
BATCH = 256

Array = NDArray[np.float32]
State = Mapping[str, Array]
Net = Callable[[Any], Any]


def in_batches(run: Net, batches: list[Any]) -> Callable[[], list[Any]]:
    return lambda: [run(batch) for batch in batches]


def torch_runs(
    state: State, images: Array, options: suite.Options, compiled: bool
) -> Iterator[tuple[str, Net, list[Any]]]:
    """Name, net and batches of each way to run it."""
    torch = torch_with(options.threads)
    how = f"torch.compile ({options.compile_mode})" if compiled else "PyTorch eager"
    for name, channels_last in (("NCHW", False), ("channels_last", True)):
        layout = Layout(torch, channels_last)
        net = lenet(torch, state).to(memory_format=layout.format).eval()
        inference = torch.inference_mode()(net)
        run = torch.compile(inference, mode=options.compile_mode, dynamic=False) if compiled else inference
        rows = torch.tensor(images).flatten(1)
        for size in batch_sizes(len(images)):
            batches = [layout.images(part) for part in rows.split(size)]
            yield f"{how}, {name}{suffix(size, len(images))}", run, batches


def onnx_runs(state: State, images: Array, options: suite.Options) -> Iterator[tuple[str, Net, list[Any]]]:
    run = session(state, options.threads)
    for size in batch_sizes(len(images)):
        batches = [images[start : start + size] for start in range(0, len(images), size)]
        yield f"ONNX Runtime{suffix(size, len(images))}", run, batches


def batch_sizes(images: int) -> list[int]:
    return [images, BATCH] if images > BATCH else [images]


def suffix(size: int, images: int) -> str:
    return "" if size == images else f", batches of {size}"


def cell(state: State, images: Array, options: suite.Options) -> Cell:
    net = nn.LeNet()
    net.load_state_dict(state)
    expected, worst = net(images), 0.0
    count = len(images)
    contenders = [Contender("convlet", lambda: net(images), count)]
    skipped = {}
    runs: dict[str, Callable[[], Iterator[tuple[str, Net, list[Any]]]]] = {
        "torch": lambda: torch_runs(state, images, options, compiled=False),
        "torch-compile": lambda: torch_runs(state, images, options, compiled=True),
        "onnxruntime": lambda: onnx_runs(state, images, options),
    }
    for rival in (name for name in runs if name in options.against):
        try:
            for name, run, batches in runs[rival]():
                logits = np.concatenate([np.asarray(run(batch)) for batch in batches])
                worst = max(worst, check_equal(f"{name}: logits", logits, expected, LIMIT))
                contenders.append(Contender(name, in_batches(run, batches), count))
        except UnavailableError as error:
            skipped[rival] = str(error)
    return Cell(
        f"LeNet, inference, {count:,} image{'s' if count > 1 else ''}",
        contenders,
        f"the logits agree within {worst:.1e} of the largest (allowed {LIMIT:.0e})",
        flop=2.0 * MULTIPLY_ADDS,
        skipped=skipped,
    )


def cells(options: suite.Options) -> Iterator[Cell]:
    state = nn.LeNet().initialize("d2l", seed=0).state_dict()
    pixels = options.data().images[: 500 if options.quick else 10_000]
    images = pixels.astype(np.float32) / np.float32(255)
    yield cell(state, images, options)
    yield cell(state, images[:1], options)


if __name__ == "__main__":
    sys.exit(suite.main("infer", cells, __doc__))
