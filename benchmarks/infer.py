"""Suite infer: the article's LeNet run on 10,000 images and on a single one, called from Python.

Every contender gets the same float32 array (N, 1, 28, 28) in memory and returns logits, which must be those
of convlet. Rivals run all images in one call, and in batches of 256, whose activations stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import nn
from jax_lenet import Layout as JaxLayout
from jax_lenet import inference, jax_with
from measure import Cell, Contender, UnavailableError, check_equal
from nets import LENET, State
from onnx_lenet import session
from suite import Entry, Options, described, entry
from torch_net import Layout, torch_net, torch_with

LIMIT = 1e-5
"""Of the logits, relative to the largest."""
BATCH = 256
LAYOUTS = {"NCHW": False, "channels_last": True}

Array = NDArray[np.float32]
Net = Callable[[Any], Any]
Runs = Iterator[tuple[str, Net, list[Any]]]
"""Name, net and batches of each way to run it."""


def in_batches(run: Net, batches: list[Any]) -> Callable[[], list[Any]]:
    return lambda: [run(batch) for batch in batches]


def torch_runs(state: State, images: Array, options: Options, compiled: bool) -> Runs:
    torch = torch_with(options.threads)
    if compiled:
        torch.compiler.reset()  # it compiles one function a few times only, and then runs it eagerly
    how = f"torch.compile ({options.compile_mode})" if compiled else "PyTorch eager"
    for name, channels_last in LAYOUTS.items():
        layout = Layout(torch, channels_last)
        net = torch_net(torch, LENET.build(), state).to(memory_format=layout.format).eval()
        run = torch.inference_mode()(net)
        if compiled:
            run = torch.compile(run, mode=options.compile_mode, dynamic=False)
        stored = layout.store(torch.tensor(images))
        for size in batch_sizes(len(images)):
            batches = [layout.images(part) for part in stored.split(size)]
            yield f"{how}, {name}{suffix(size, len(images))}", run, batches


def onnx_runs(state: State, images: Array, options: Options) -> Runs:
    run = session(state, options.threads)
    for size in batch_sizes(len(images)):
        yield f"ONNX Runtime{suffix(size, len(images))}", run, split(images, size)


def jax_runs(state: State, images: Array, options: Options) -> Runs:
    jax = jax_with(options.threads)
    for name, channels_last in LAYOUTS.items():
        layout = JaxLayout(channels_last)
        run = inference(jax, state, layout)
        for size in batch_sizes(len(images)):
            batches = split(layout.images(images), size)
            yield f"JAX, jit, {name}{suffix(size, len(images))}", run, batches


def split(images: Array, size: int) -> list[Array]:
    return [images[start : start + size] for start in range(0, len(images), size)]


def batch_sizes(images: int) -> list[int]:
    return [images, BATCH] if images > BATCH else [images]


def suffix(size: int, images: int) -> str:
    return "" if size == images else f", batches of {size}"


def build(name: str, count: int, options: Options) -> Cell:
    state = LENET.build().initialize(LENET.scheme, seed=0).state_dict()
    data = options.data()[:count]
    images = data.images.astype(np.float32) / np.float32(255)
    net = nn.LeNet()
    net.load_state_dict(state)
    expected, worst = net(images), 0.0
    contenders, skipped = [Contender("convlet", lambda: net(images), len(images))], {}
    runs: dict[str, Callable[[], Runs]] = {
        "torch": lambda: torch_runs(state, images, options, compiled=False),
        "torch-compile": lambda: torch_runs(state, images, options, compiled=True),
        "jax": lambda: jax_runs(state, images, options),
        "onnxruntime": lambda: onnx_runs(state, images, options),
    }
    for rival in (name for name in runs if name in options.against):
        try:
            for title, run, batches in runs[rival]():
                logits = np.concatenate([np.asarray(run(batch)) for batch in batches])
                worst = max(worst, check_equal(f"{title}: logits", logits, expected, LIMIT))
                contenders.append(Contender(title, in_batches(run, batches), len(images)))
        except UnavailableError as error:
            skipped[rival] = str(error)
    return Cell(
        name,
        contenders,
        f"the logits agree within {worst:.1e} of the largest (allowed {LIMIT:.0e})"
        if len(contenders) > 1
        else "nothing to compare with",
        flop=2.0 * LENET.multiply_adds[0],
        skipped=skipped,
        details=described(data),
    )


def cells(options: Options) -> Iterator[Entry]:
    for count in (10_000, 1):
        name = f"LeNet, inference, {count:,} image{'s' if count > 1 else ''}"
        small = min(count, 500) if options.quick else count
        yield entry(name, partial(build, name, small, options))
