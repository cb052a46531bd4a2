"""Convolutions by themselves: convlet's functions against PyTorch in both of its layouts, and NumPy.

Each result of each contender is compared with NumPy in float64 before anything is timed: the output, and in
forward+backward the gradients of images, weight and bias too. PyTorch runs eagerly, forward without a graph
and backward by autograd. NumPy joins in for LeNet's layers, in plain loops (on one image, because they take
so long) and at its best, as matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import suite
from convlet import functional
from measure import Cell, Contender, UnavailableError, check_all_equal
from numpy_layers import IM2COL, LOOPS, Layers
from shapes import ConvCell, Shape
from torch_net import torch_with

LIMIT, ROUNDING = 1e-5, 2.0**-23
"""Of each result, relative to its largest value; of a sum of n products, if that is more, the second times
the square root of n. A plain chain of float32 additions is off by about half as much."""
FORWARD = "forward"
QUICK_BATCH, QUICK_FLOP = 3, 1e8

Array = NDArray[np.float32]
Run = Callable[[], Sequence[Any]]
"""All results: y, and in forward+backward dx, dw and db."""


@dataclass(frozen=True)
class Operands:
    """The same numbers for every contender."""

    x: Array
    w: Array
    b: Array
    dy: Array

    def first(self, images: int) -> Operands:
        return replace(self, x=self.x[:images], dy=self.dy[:images])


def draw(shape: Shape) -> Operands:
    rng = np.random.default_rng(0)
    sizes = shape.x, shape.w, shape.channels[1:], shape.y
    return Operands(*(rng.standard_normal(size, dtype=np.float32) for size in sizes))


def in_float64(o: Operands, padding: int, stride: int) -> tuple[NDArray[np.float64], ...]:
    """y, dx, dw and db, one matrix product for each tap of the kernel, over all positions of all images."""
    (N, O, OH, OW), (_, C, KH, KW) = o.dy.shape, o.w.shape  # noqa: E741  (the glossary's letter)
    sides = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    x = np.pad(o.x.swapaxes(0, 1), sides).astype(np.float64)  # (C, N, H, W)
    w, dy = o.w.astype(np.float64), o.dy.swapaxes(0, 1).reshape(O, -1).astype(np.float64)
    y = np.repeat(o.b.astype(np.float64)[:, None], N * OH * OW, axis=1)
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for kh, kw in np.ndindex(KH, KW):
        rows, columns = slice(kh, kh + stride * OH, stride), slice(kw, kw + stride * OW, stride)
        seen = x[:, :, rows, columns].reshape(C, -1)
        y += w[:, :, kh, kw] @ seen
        dw[:, :, kh, kw] = dy @ seen.T
        dx[:, :, rows, columns] += (w[:, :, kh, kw].T @ dy).reshape(C, N, OH, OW)
    H, W = o.x.shape[2:]
    dx = dx[:, :, padding : padding + H, padding : padding + W].swapaxes(0, 1)
    return y.reshape(O, N, OH, OW).swapaxes(0, 1), dx, dw, dy.sum(axis=1)


def limits(shape: Shape, op: str) -> list[float]:
    """How far y, and in forward+backward dx, dw and db, may be from the true result."""
    taps, places = shape.kernel**2, shape.batch * shape.side**2
    terms = [shape.channels[0] * taps, shape.channels[1] * taps, places, places]
    return [max(LIMIT, ROUNDING * math.sqrt(n)) for n in (terms[:1] if op == FORWARD else terms)]


@lru_cache(maxsize=1)
def case(shape: Shape) -> tuple[Operands, tuple[NDArray[np.float64], ...]]:
    """Operands and expected results, kept for the cells of one shape, which follow each other."""
    operands = draw(shape)
    return operands, in_float64(operands, shape.padding, shape.stride)


def convlet_run(shape: Shape, op: str, o: Operands) -> Run:
    sizes = {"stride": shape.stride, "padding": shape.padding}

    def forward() -> Sequence[Array]:
        return (functional.conv2d(o.x, o.w, o.b, **sizes),)

    def both() -> Sequence[Array]:
        return functional.conv2d(o.x, o.w, o.b, **sizes), *functional.conv2d_backward(o.dy, o.x, o.w, **sizes)

    return forward if op == FORWARD else both


def numpy_run(layers: Layers, shape: Shape, op: str, o: Operands) -> Run:
    def forward() -> Sequence[Array]:
        return (layers.conv2d(o.x, o.w, o.b, shape.padding),)

    return (
        forward
        if op == FORWARD
        else lambda: (*forward(), *layers.conv2d_backward(o.dy, o.x, o.w, shape.padding))
    )


def torch_run(torch: Any, shape: Shape, op: str, o: Operands, channels_last: bool) -> Run:
    def tensor(array: Array) -> Any:
        if channels_last and array.ndim == 4:
            # A copy, because `to` leaves a single channel, which lies the same in both, its old strides.
            return torch.empty(array.shape, memory_format=torch.channels_last).copy_(torch.tensor(array))
        return torch.tensor(array)

    x, w, b, dy = (tensor(array) for array in (o.x, o.w, o.b, o.dy))

    def forward() -> Sequence[Any]:
        return (torch.nn.functional.conv2d(x, w, b, shape.stride, shape.padding),)

    def both() -> Sequence[Any]:
        (y,) = forward()
        return y.detach(), *torch.autograd.grad(y, (x, w, b), dy)

    if op == FORWARD:
        return torch.inference_mode()(forward)
    for operand in (x, w, b):
        operand.requires_grad_()
    return both


def rival_runs(rival: str, cell: ConvCell, shape: Shape, o: Operands) -> Iterator[tuple[str, Run, int]]:
    """Name, run and images a call."""
    if rival == "torch":
        torch = torch_with(cell.threads)
        yield "PyTorch, NCHW", torch_run(torch, shape, cell.op, o, channels_last=False), len(o.x)
        yield "PyTorch, channels_last", torch_run(torch, shape, cell.op, o, channels_last=True), len(o.x)
    elif rival == "numpy" and cell.title.startswith("lenet"):
        yield "NumPy, im2col with BLAS", numpy_run(IM2COL, shape, cell.op, o), len(o.x)
        yield "NumPy, plain loops, 1 image", numpy_run(LOOPS, shape, cell.op, o.first(1)), 1


def quick_shape(shape: Shape) -> Shape:
    """A few images, or one where that is work enough."""
    return replace(shape, batch=min(shape.batch, QUICK_BATCH if shape.flop < QUICK_FLOP else 1))


def build(cell: ConvCell, options: suite.Options) -> Cell:
    """The cell with all contenders, whose results are proved."""
    suite.set_threads(cell.threads)
    shape = quick_shape(cell.shape) if options.quick else cell.shape
    o, expected = case(shape)
    run = convlet_run(shape, cell.op, o)
    contenders, skipped = [Contender("convlet", run, shape.batch)], {}
    allowed = limits(shape, cell.op)
    worst = check_all_equal("convlet", run(), expected[: len(allowed)], allowed)
    for rival in options.against:
        try:
            for name, rival_run, images in rival_runs(rival, cell, shape, o):
                wanted = expected
                if images != shape.batch:
                    wanted = in_float64(o.first(images), shape.padding, shape.stride)
                worst = max(worst, check_all_equal(name, rival_run(), wanted[: len(allowed)], allowed))
                contenders.append(Contender(name, rival_run, images))
        except UnavailableError as error:
            skipped[rival] = str(error)
    passes = 1 if cell.op == FORWARD else 3
    return Cell(
        cell.name,
        contenders,
        f"all results agree with NumPy in float64 within {worst:.1e} of their largest value "
        f"(allowed {min(allowed):.0e}, and of the sums with the most terms {max(allowed):.0e})",
        flop=float(passes * shape.flop),
        traffic_bytes=shape.forward_bytes * (1 if cell.op == FORWARD else 2) / shape.batch,
        skipped=skipped,
        kind="convolution",
        threads=cell.threads,
        details={
            "title": cell.title,
            "op": cell.op,
            "shape": asdict(cell.shape),
            "asked_batch": cell.asked_batch,
            "places": cell.places,
            "difference": worst,
        },
    )


def cliff_cell(base: str, shape: Shape, batches: Sequence[int], worst_ratio: float, quick: bool) -> Cell:
    """One base forward on one thread, in batches of all these sizes: the time an image must not jump."""
    suite.set_threads(1)
    batches = batches[:QUICK_BATCH] if quick else batches
    o, expected = case(replace(shape, batch=max(batches)))
    contenders, worst = [], 0.0
    for batch in batches:
        run = convlet_run(shape, FORWARD, o.first(batch))
        worst = max(worst, check_all_equal(f"batch {batch}", run(), [expected[0][:batch]], [LIMIT]))
        contenders.append(Contender(str(batch), run, batch))
    return Cell(
        f"No cliffs, base {base}: {shape}, 1 thread, forward",
        contenders,
        f"the results agree with NumPy in float64 within {worst:.1e} of the largest (allowed {LIMIT:.0e})",
        flop=float(shape.flop),
        kind="sweep",
        threads=1,
        details={"axis": "batch", "worst_ratio_allowed": worst_ratio},
    )
