"""LeNet's layers one by one, forward and backward: convlet's functions against NumPy and PyTorch.

    python benchmarks/ops.py [--against numpy,torch] [--threads 2] [--out FILE]

Batch 256. A backward pass gives dx, dw and db together, as the functions do. NumPy stands there twice: in
plain loops, on one image because they take so long, and at its best, on the whole batch.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import suite
from convlet import functional
from measure import Cell, Contender, UnavailableError, check_equal
from numpy_layers import IM2COL, LOOPS, Layers
from torch_lenet import torch_with

LIMIT = 1e-5
"""Of each result, relative to its largest value."""

NUMPY_FORMS = {"conv2d": "im2col with BLAS", "avg_pool2d": "sums of slices", "linear": "BLAS"}

Array = NDArray[np.float32]
Pass = Literal["forward", "backward"]
Result = Sequence[Any]
Runs = Iterator[tuple[str, Callable[[], Result], int]]
"""Name, a function that returns all results of the pass, and how many of the images it handles."""


@dataclass(frozen=True)
class Layer:
    """A layer and its sizes without the batch; pooling has no weight."""

    name: str
    kind: Literal["conv2d", "avg_pool2d", "linear"]
    x: tuple[int, ...]
    y: tuple[int, ...]
    weight: tuple[int, ...] = ()
    padding: int = 0

    @property
    def flop(self) -> float | None:
        """Of the forward pass of one image; padded taps are counted like all others, as is usual."""
        if self.kind == "avg_pool2d":
            return None
        return 2.0 * math.prod(self.weight[1:]) * math.prod(self.y)


LAYERS = (
    Layer("conv 1 to 6, 5x5, padding 2, 28x28", "conv2d", (1, 28, 28), (6, 28, 28), (6, 1, 5, 5), padding=2),
    Layer("average pool 2x2, 6 x 28x28", "avg_pool2d", (6, 28, 28), (6, 14, 14)),
    Layer("conv 6 to 16, 5x5, 14x14", "conv2d", (6, 14, 14), (16, 10, 10), (16, 6, 5, 5)),
    Layer("average pool 2x2, 16 x 10x10", "avg_pool2d", (16, 10, 10), (16, 5, 5)),
    Layer("dense 400 to 120", "linear", (400,), (120,), (120, 400)),
    Layer("dense 120 to 84", "linear", (120,), (84,), (84, 120)),
    Layer("dense 84 to 10", "linear", (84,), (10,), (10, 84)),
)


@dataclass(frozen=True)
class Operands:
    """The same for every contender; w and b mean nothing to pooling."""

    x: Array
    dy: Array
    w: Array
    b: Array

    def first(self, images: int) -> Operands:
        return replace(self, x=self.x[:images], dy=self.dy[:images])


def draw(layer: Layer, images: int) -> Operands:
    """Normally distributed numbers of a layer's shapes."""
    rng = np.random.default_rng(0)
    shapes = (images, *layer.x), (images, *layer.y), layer.weight, layer.weight[:1]
    return Operands(*(np.asarray(rng.standard_normal(shape, dtype=np.float32)) for shape in shapes))


def convlet_run(layer: Layer, way: Pass, o: Operands) -> Callable[[], Result]:
    f = functional
    runs: dict[tuple[str, Pass], Callable[[], Result]] = {
        ("conv2d", "forward"): lambda: (f.conv2d(o.x, o.w, o.b, padding=layer.padding),),
        ("conv2d", "backward"): lambda: f.conv2d_backward(o.dy, o.x, o.w, padding=layer.padding),
        ("avg_pool2d", "forward"): lambda: (f.avg_pool2d(o.x, 2),),
        ("avg_pool2d", "backward"): lambda: (f.avg_pool2d_backward(o.dy, o.x, 2),),
        ("linear", "forward"): lambda: (f.linear(o.x, o.w, o.b),),
        ("linear", "backward"): lambda: f.linear_backward(o.dy, o.x, o.w),
    }
    return runs[layer.kind, way]


def numpy_run(layers: Layers, layer: Layer, way: Pass, o: Operands) -> Callable[[], Result]:
    runs: dict[tuple[str, Pass], Callable[[], Result]] = {
        ("conv2d", "forward"): lambda: (layers.conv2d(o.x, o.w, o.b, layer.padding),),
        ("conv2d", "backward"): lambda: layers.conv2d_backward(o.dy, o.x, o.w, layer.padding),
        ("avg_pool2d", "forward"): lambda: (layers.avg_pool2d(o.x),),
        ("avg_pool2d", "backward"): lambda: (layers.avg_pool2d_backward(o.dy),),
        ("linear", "forward"): lambda: (layers.linear(o.x, o.w, o.b),),
        ("linear", "backward"): lambda: layers.linear_backward(o.dy, o.x, o.w),
    }
    return runs[layer.kind, way]


def torch_run(torch: Any, layer: Layer, way: Pass, o: Operands, channels_last: bool) -> Callable[[], Result]:
    """The functions that PyTorch's own layers call; no graph is recorded."""

    def tensor(array: Array) -> Any:
        images = torch.tensor(array)
        if not channels_last or array.ndim != 4:
            return images
        # A copy, because `to` leaves a single channel, which lies the same in both, its old strides.
        return torch.empty(array.shape, memory_format=torch.channels_last).copy_(images)

    x, dy, w, b = tensor(o.x), tensor(o.dy), tensor(o.w), torch.tensor(o.b)
    pad, aten, f = [layer.padding] * 2, torch.ops.aten, torch.nn.functional
    conv = list(layer.weight[:1]), [1, 1], pad, [1, 1], False, [0, 0], 1, [True, True, True]
    pool = [2, 2], [2, 2], [0, 0], False, True, None
    runs: dict[tuple[str, Pass], Callable[[], Result]] = {
        ("conv2d", "forward"): lambda: (f.conv2d(x, w, b, padding=layer.padding),),
        ("conv2d", "backward"): lambda: aten.convolution_backward(dy, x, w, *conv),
        ("avg_pool2d", "forward"): lambda: (f.avg_pool2d(x, 2),),
        ("avg_pool2d", "backward"): lambda: (aten.avg_pool2d_backward(dy, x, *pool),),
        ("linear", "forward"): lambda: (f.linear(x, w, b),),
        ("linear", "backward"): lambda: (dy @ w, dy.t() @ x, dy.sum(0)),
    }
    return torch.inference_mode()(runs[layer.kind, way])


def rival_runs(rival: str, layer: Layer, way: Pass, o: Operands, threads: int) -> Runs:
    count = len(o.x)
    if rival == "numpy":
        yield f"NumPy, {NUMPY_FORMS[layer.kind]}", numpy_run(IM2COL, layer, way, o), count
        yield "NumPy, plain loops, 1 image", numpy_run(LOOPS, layer, way, o.first(1)), 1
    elif rival == "torch":
        torch = torch_with(threads)
        if layer.kind == "linear":
            yield "PyTorch", torch_run(torch, layer, way, o, channels_last=False), count
        else:
            yield "PyTorch, NCHW", torch_run(torch, layer, way, o, channels_last=False), count
            yield "PyTorch, channels_last", torch_run(torch, layer, way, o, channels_last=True), count


def prove_equal(name: str, got: Result, expected: Result) -> float:
    """The largest relative difference among the results of a pass."""
    return max(
        check_equal(f"{name}: result {i}", np.asarray(one), other, LIMIT)
        for i, (one, other) in enumerate(zip(got, expected, strict=True))
    )


def cell(layer: Layer, way: Pass, options: suite.Options) -> Cell:
    count = 8 if options.quick else 256
    operands = draw(layer, count)
    run = convlet_run(layer, way, operands)
    contenders, skipped, worst = [Contender("convlet", run, count)], {}, 0.0
    for rival in options.against:
        try:
            for name, rival_run, images in rival_runs(rival, layer, way, operands, options.threads):
                expected = convlet_run(layer, way, operands.first(images))()
                title = f"{layer.name}, {way}: {name}"
                worst = max(worst, prove_equal(title, rival_run(), expected))
                contenders.append(Contender(name, rival_run, images))
        except UnavailableError as error:
            skipped[rival] = str(error)
    x, y = math.prod(layer.x), math.prod(layer.y)
    passes = 1 if way == "forward" else 2
    return Cell(
        f"{layer.name}, {way}, batch {count}",
        contenders,
        f"results agree within {worst:.1e} of their largest value (allowed {LIMIT:.0e})",
        flop=None if layer.flop is None else passes * layer.flop,
        traffic_bytes=4.0 * (x + y if way == "forward" or layer.flop is None else 2 * x + y),
        skipped=skipped,
    )


def cells(options: suite.Options) -> Iterator[Cell]:
    for layer in LAYERS:
        for way in ("forward", "backward"):
            yield cell(layer, way, options)


if __name__ == "__main__":
    sys.exit(suite.main("ops", cells, __doc__))
