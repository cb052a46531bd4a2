"""LeNet's pooling and dense layers one by one, forward and backward, at the article's batch of 256.

A backward pass gives dx, dw and db together, as convlet's functions do. NumPy stands there twice: in plain
loops, on one image because they take so long, and at its best, on the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import suite
from convlet import functional
from measure import Cell, Contender, UnavailableError, check_all_equal
from numpy_layers import IM2COL, LOOPS, Layers
from torch_net import torch_with

LIMIT = 1e-5
"""Of each result, relative to its largest value."""
NUMPY_FORMS = {"avg_pool2d": "sums of slices", "linear": "BLAS"}

Array = NDArray[np.float32]
Pass = Literal["forward", "backward"]
Run = Callable[[], Sequence[Any]]


@dataclass(frozen=True)
class Layer:
    """A layer and its sizes without the batch; pooling has no weight."""

    name: str
    kind: Literal["avg_pool2d", "linear"]
    x: tuple[int, ...]
    y: tuple[int, ...]
    weight: tuple[int, ...] = ()

    @property
    def flop(self) -> float | None:
        """Of the forward pass of one image."""
        return 2.0 * math.prod(self.weight) if self.weight else None


LAYERS = (
    Layer("average pool 2x2, 6 x 28x28", "avg_pool2d", (6, 28, 28), (6, 14, 14)),
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


def convlet_run(layer: Layer, way: Pass, o: Operands) -> Run:
    f = functional
    runs: dict[tuple[str, Pass], Run] = {
        ("avg_pool2d", "forward"): lambda: (f.avg_pool2d(o.x, 2),),
        ("avg_pool2d", "backward"): lambda: (f.avg_pool2d_backward(o.dy, o.x, 2),),
        ("linear", "forward"): lambda: (f.linear(o.x, o.w, o.b),),
        ("linear", "backward"): lambda: f.linear_backward(o.dy, o.x, o.w),
    }
    return runs[layer.kind, way]


def numpy_run(layers: Layers, layer: Layer, way: Pass, o: Operands) -> Run:
    runs: dict[tuple[str, Pass], Run] = {
        ("avg_pool2d", "forward"): lambda: (layers.avg_pool2d(o.x),),
        ("avg_pool2d", "backward"): lambda: (layers.avg_pool2d_backward(o.dy),),
        ("linear", "forward"): lambda: (layers.linear(o.x, o.w, o.b),),
        ("linear", "backward"): lambda: layers.linear_backward(o.dy, o.x, o.w),
    }
    return runs[layer.kind, way]


def torch_run(torch: Any, layer: Layer, way: Pass, o: Operands, channels_last: bool) -> Run:
    """The functions that PyTorch's own layers call; no graph is recorded."""

    def tensor(array: Array) -> Any:
        order = torch.channels_last if channels_last and array.ndim == 4 else torch.contiguous_format
        return torch.tensor(array).to(memory_format=order)

    x, dy, w, b = tensor(o.x), tensor(o.dy), torch.tensor(o.w), torch.tensor(o.b)
    pool = [2, 2], [2, 2], [0, 0], False, True, None
    runs: dict[tuple[str, Pass], Run] = {
        ("avg_pool2d", "forward"): lambda: (torch.nn.functional.avg_pool2d(x, 2),),
        ("avg_pool2d", "backward"): lambda: (torch.ops.aten.avg_pool2d_backward(dy, x, *pool),),
        ("linear", "forward"): lambda: (torch.nn.functional.linear(x, w, b),),
        ("linear", "backward"): lambda: (dy @ w, dy.t() @ x, dy.sum(0)),
    }
    return torch.inference_mode()(runs[layer.kind, way])


def rival_runs(
    rival: str, layer: Layer, way: Pass, o: Operands, threads: int
) -> Iterator[tuple[str, Run, int]]:
    """Name, run and images a call."""
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


def build(layer: Layer, way: Pass, name: str, options: suite.Options) -> Cell:
    operands = draw(layer, 8 if options.quick else 256)
    count = len(operands.x)
    contenders, skipped, worst = [Contender("convlet", convlet_run(layer, way, operands), count)], {}, 0.0
    for rival in options.against:
        try:
            for title, run, images in rival_runs(rival, layer, way, operands, options.threads):
                expected = convlet_run(layer, way, operands.first(images))()
                worst = max(worst, check_all_equal(title, run(), expected, [LIMIT] * len(expected)))
                contenders.append(Contender(title, run, images))
        except UnavailableError as error:
            skipped[rival] = str(error)
    x, y = math.prod(layer.x), math.prod(layer.y)
    passes = 1 if way == "forward" else 2
    return Cell(
        name,
        contenders,
        f"results agree within {worst:.1e} of their largest value (allowed {LIMIT:.0e})",
        flop=None if layer.flop is None else passes * layer.flop,
        traffic_bytes=4.0 * (x + y if way == "forward" or layer.flop is None else 2 * x + y),
        skipped=skipped,
    )
