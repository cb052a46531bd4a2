"""Max and average pooling, forward and backward, with every option."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from configurations import Pool2d
from convlet import functional
from fuzz import float64
from fuzz.problem import Arrays, Expected, Kind, Problem
from fuzz.values import batch_of, choice, numbers, pair


def draw_max(rng: np.random.Generator, kind: Kind) -> Problem:
    p, inputs = _drawn(rng, kind)
    return max_problem(p, inputs, kind)


def draw_average(rng: np.random.Generator, kind: Kind) -> Problem:
    p, inputs = _drawn(rng, kind)
    return average_problem(p, inputs, kind)


def max_problem(p: Pool2d, inputs: Arrays, kind: Kind) -> Problem:
    window = (p.kernel, p.stride or p.kernel, p.padding, p.dilation)

    def run(a: Arrays) -> Arrays:
        y, indices = functional.max_pool2d(a["x"], p.kernel, **p.max_options, return_indices=True)
        alone = functional.max_pool2d(a["x"], p.kernel, **p.max_options)
        dx = functional.max_pool2d_backward(a["dy"], a["x"], p.kernel, **p.max_options)
        return {"y": y, "y without indices": alone, "indices": indices, "dx": dx}

    def expected() -> dict[str, Expected]:
        y, where = float64.max_pool2d(inputs["x"], *window, p.output[1:])
        dx, magnitude = (
            float64.max_pool2d_backward(dy, where, p.image, *window)
            for dy in (inputs["dy"], np.abs(inputs["dy"]))
        )
        pixels = Expected(y, exact=True)
        terms = p.kernel[0] * p.kernel[1]
        return {
            "y": pixels,
            "y without indices": pixels,
            "indices": Expected(where, exact=True),
            "dx": Expected(dx, magnitude, terms, exact=kind is Kind.INTEGERS),
        }

    return Problem(
        "max_pool2d",
        kind,
        {"kernel_size": p.kernel, **p.max_options},
        inputs,
        run,
        expected,
        images=("x", "dy"),
        by_image=("y", "indices", "dx"),
    )


def average_problem(p: Pool2d, inputs: Arrays, kind: Kind) -> Problem:
    window = (p.kernel, p.stride or p.kernel, p.padding, p.dilation)

    def run(a: Arrays) -> Arrays:
        y = functional.avg_pool2d(a["x"], p.kernel, **p.avg_options)
        return {
            "y": y,
            "dx": functional.avg_pool2d_backward(a["dy"], a["x"], p.kernel, **p.avg_options),
        }

    def expected() -> dict[str, Expected]:
        divisor, terms = divisors(p), p.kernel[0] * p.kernel[1] + 1
        whole, all_pixels = (
            float64.window_sums(x, *window, p.output[1:]) for x in (inputs["x"], np.abs(inputs["x"]))
        )
        dy = np.asarray(inputs["dy"], np.float64) / divisor
        dx, slopes = (float64.spread(s, p.image, *window) for s in (dy, np.abs(dy)))
        return {
            "y": Expected(whole / divisor, all_pixels / divisor, terms, reach=all_pixels),
            "dx": Expected(dx, slopes, terms),
        }

    return Problem(
        "avg_pool2d",
        kind,
        {"kernel_size": p.kernel, **p.avg_options},
        inputs,
        run,
        expected,
        images=("x", "dy"),
        by_image=("y", "dx"),
    )


def divisors(p: Pool2d) -> NDArray[Any]:
    """What the sum of every window is divided by."""
    if p.divisor_override is not None:
        return np.full(p.output[1:], float(p.divisor_override))
    counts = []
    for a in (0, 1):
        stride, before, after = (p.stride or p.kernel)[a], p.padding[2 * a], p.padding[2 * a + 1]
        low, high = (-before, p.image[a] + after) if p.count_include_pad else (0, p.image[a])
        at = np.arange(p.output[1 + a])[:, None] * stride - before + np.arange(p.kernel[a]) * p.dilation[a]
        counts.append(((at >= low) & (at < high)).sum(1))
    return np.outer(*counts).astype(np.float64)


def _drawn(rng: np.random.Generator, kind: Kind) -> tuple[Pool2d, Arrays]:
    while True:
        p = _configuration(rng)
        if _every_window_has_a_pixel(p):
            break
    batch = batch_of(rng)
    if p.image[0] * p.image[1] > 500:
        batch = min(batch, 3)
    x, dy = numbers(rng, kind, (batch, p.channels, *p.image)), numbers(rng, kind, (batch, *p.output))
    return p, {"x": x, "dy": dy}


def _configuration(rng: np.random.Generator) -> Pool2d:
    kernel = choice(rng, [(2, 2), (3, 3), *[pair(rng, 1, 5) for _ in range(4)]])
    stride: Any = choice(rng, [None, kernel, pair(rng, 1, 4), (2, 2)])
    dilation = pair(rng, 1, 3) if rng.integers(3) == 0 else (1, 1)
    padding: Any = (0, 0, 0, 0)
    if rng.integers(3):
        padding = tuple(int(rng.integers(0, kernel[a // 2] * dilation[a // 2])) for a in range(4))
    if rng.integers(5) == 0:  # windows side by side, which have kernels of their own
        kernel = choice(rng, [(2, 2), (2, 2), (3, 3)])
        stride, dilation, padding = kernel, (1, 1), (0, 0, 0, 0)
    more = pair(rng, 0, 9) if rng.integers(4) else (int(rng.integers(0, 9)), int(rng.integers(9, 40)))
    need = [dilation[a] * (kernel[a] - 1) + 1 - padding[2 * a] - padding[2 * a + 1] for a in (0, 1)]
    return Pool2d(
        "drawn",
        int(rng.integers(1, 6)),
        (max(1, need[0]) + more[0], max(1, need[1]) + more[1]),
        kernel,
        stride,
        padding,
        dilation,
        bool(rng.integers(2)),
        bool(rng.integers(2)),
        int(rng.integers(1, 9)) if rng.integers(4) == 0 else None,
    )


def _every_window_has_a_pixel(p: Pool2d) -> bool:
    """The library refuses a window that lies in the padding alone."""
    for a in (0, 1):
        stride, before = (p.stride or p.kernel)[a], p.padding[2 * a]
        at = np.arange(p.output[1 + a])[:, None] * stride - before + np.arange(p.kernel[a]) * p.dilation[a]
        if at.size == 0 or not ((at >= 0) & (at < p.image[a])).any(1).all():
            return False
    return True
