"""What a step costs on n ranks, from what it costs on one and what a message costs.

    step(B, n)      = fixed + tile * ceil(tiles(B) / n) + allreduce(n, bytes),   tiles(B) = ceil(B / 16)
    allreduce(n, m) = the least of
        recursive doubling       log2(n) (alpha + m beta)
        halving and doubling   2 log2(n)  alpha + 2 (n - 1) / n  m beta
        a ring                   2 (n - 1) alpha + 2 (n - 1) / n  m beta

alpha is the latency of a message in seconds, beta the seconds a byte, log2 rounded up. Adding the numbers up
is not counted. Source: R. Thakur, R. Rabenseifner, W. Gropp, "Optimization of collective communication
operations in MPICH", 2005.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TILE = 16
FIGURES = 3  # numbers that travel with the gradient


@dataclass(frozen=True)
class Link:
    """What a message between two ranks costs: its latency, and then by the byte."""

    name: str
    alpha_seconds: float
    beta_seconds: float

    @property
    def megabits_per_second(self) -> float:
        return 8e-6 / self.beta_seconds

    def allreduce(self, ranks: int, size_bytes: float) -> float:
        """Seconds of the best of the three ways."""
        if ranks == 1:
            return 0.0
        rounds, all_bytes = math.ceil(math.log2(ranks)), size_bytes * self.beta_seconds
        most = 2 * (ranks - 1) / ranks * all_bytes
        return min(
            rounds * (self.alpha_seconds + all_bytes),
            2 * rounds * self.alpha_seconds + most,
            2 * (ranks - 1) * self.alpha_seconds + most,
        )


@dataclass(frozen=True)
class Step:
    """What a step of a net costs one rank: what does not depend on the batch, and each tile of 16 images."""

    parameters: int
    fixed_seconds: float
    tile_seconds: float

    @property
    def message_bytes(self) -> int:
        return 4 * (self.parameters + FIGURES)

    def seconds(self, batch: int, ranks: int, link: Link) -> float:
        tiles = math.ceil(math.ceil(batch / TILE) / ranks)
        return self.fixed_seconds + tiles * self.tile_seconds + link.allreduce(ranks, self.message_bytes)

    def speedup(self, batch: int, ranks: int, link: Link) -> float:
        """Strong scaling: of the same batch, over one rank."""
        return self.seconds(batch, 1, link) / self.seconds(batch, ranks, link)

    def efficiency(self, batch: int, ranks: int, link: Link) -> float:
        """Weak scaling: the share of its time that a rank with so many images of its own does not wait."""
        return self.seconds(batch, 1, link) / self.seconds(batch * ranks, ranks, link)

    def smallest_batch(self, ranks: int, link: Link, share: float = 0.5) -> int | None:
        """The smallest batch, a tile a rank times a power of two, with a speedup of `share` times `ranks`.

        None if there is none up to 2^24 images: what is fixed then takes too large a part.
        """
        batch = TILE * ranks
        while batch <= 1 << 24:
            if self.speedup(batch, ranks, link) >= share * ranks:
                return batch
            batch *= 2
        return None


def fit_line(xs: Sequence[float], seconds: Sequence[float]) -> tuple[float, float, float]:
    """`intercept, slope, error` of the line through measured times, none negative, least in relative squares.

    `error` is the largest relative distance of a time from the line.
    """
    x, t = np.asarray(xs, float), np.asarray(seconds, float)
    design = np.stack([np.ones_like(x), x], axis=1) / t[:, None]
    intercept, slope = np.linalg.lstsq(design, np.ones_like(t), rcond=None)[0]
    if slope < 0:  # then the best line without it
        intercept, slope = (1 / t).sum() / (1 / t**2).sum(), 0.0
    elif intercept < 0:
        intercept, slope = 0.0, (x / t).sum() / (x**2 / t**2).sum()
    error = np.abs((intercept + slope * x) / t - 1).max()
    return float(intercept), float(slope), float(error)


def fit_link(name: str, sizes_bytes: Sequence[int], seconds: Sequence[float]) -> tuple[Link, float]:
    """The link between two ranks from the times of their allreduce, alpha + m beta, and how far off it is."""
    alpha, beta, error = fit_line(sizes_bytes, seconds)
    return Link(name, alpha, max(beta, 1e-15)), error


def fit_step(parameters: int, batches: Sequence[int], seconds: Sequence[float]) -> tuple[Step, float]:
    """A step on one rank from its times over the batch, and how far off it is."""
    fixed, tile, error = fit_line([math.ceil(batch / TILE) for batch in batches], seconds)
    return Step(parameters, fixed, tile), error
