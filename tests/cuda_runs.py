"""The same net on the CPU's engine and on the device's, and how far they may part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import _core, nn
from engine_run import CROSS_ENTROPY, SGD, EngineRun
from networks import Network

GRADIENT = 1e-4
"""Of a gradient, as a share of the largest value of its tensor."""
LOSS = 1e-4
"""Of the loss of a step, relative."""

Tensors = dict[str, NDArray[np.float32]]


def cuda_run(net: nn.Sequential, shape: tuple[int, ...], fused: bool = True, **options: Any) -> EngineRun:
    """As EngineRun, on the device."""
    run = EngineRun(net, shape, **options)
    run.engine = _core.CudaEngine(net.plan(shape), fused)
    return run


def gradients(run: EngineRun, images: NDArray[Any], labels: NDArray[np.int64]) -> tuple[float, int, Tensors]:
    """The loss, the right answers, and the gradients by name."""
    flat = np.full_like(run.parameters, np.nan)
    loss, correct = run.engine.loss_and_gradients(run.parameters, images, labels, run.loss, flat)
    named, start = {}, 0
    for name, shape in run.names.items():
        size = int(np.prod(shape))
        named[name] = flat[start : start + size].reshape(shape)
        start += size
    return loss, correct, named


def assert_gradients_agree(actual: Tensors, expected: Tensors) -> None:
    """Each tensor within GRADIENT of its own largest value."""
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        largest = float(np.abs(array).max(initial=0.0))
        distance = float(np.abs(actual[name] - array).max(initial=0.0))
        assert distance <= GRADIENT * largest, f"{name}: off by {distance} of {largest}"


def losses(run: EngineRun, network: Network, steps: int, batch: int, lr: float, seed: int = 3) -> list[float]:
    """The mean loss of every step of a run over batches drawn anew."""
    images, labels = network.data(steps * batch, seed=seed)
    found, before = [], 0.0
    for step in range(steps):
        rows = slice(step * batch, (step + 1) * batch)
        run.train(images[rows], labels[rows], batch, lr)
        found.append((run.totals[2] - before) / batch)
        before = run.totals[2]
    return found


__all__ = ["CROSS_ENTROPY", "SGD", "assert_gradients_agree", "cuda_run", "gradients", "losses"]
