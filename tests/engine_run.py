"""One net inside the engine, driven as the trainer drives it, with every argument in the open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import _core, nn

CROSS_ENTROPY = {
    "kind": "cross_entropy",
    "weight": None,
    "ignore_index": -100,
    "label_smoothing": 0.0,
    "reduction": "mean",
}
SGD = {"kind": "sgd", "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "step": 0}
ADAM = {
    "kind": "adam",
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "weight_decay": 0.0,
    "decoupled": False,
    "step": 0,
}


def state_rows(optimizer: dict[str, Any]) -> int:
    """How many arrays of the size of the parameters an optimizer carries along."""
    if optimizer["kind"] == "adam":
        return 2
    return 1 if optimizer["momentum"] else 0


class EngineRun:
    """A copy of the net's parameters, an optimizer's state and the running totals."""

    def __init__(
        self,
        net: nn.Sequential,
        input_shape: tuple[int, ...],
        optimizer: dict[str, Any] = SGD,
        loss: dict[str, Any] = CROSS_ENTROPY,
        threads: int = 1,
        precision: str = "float32",
    ) -> None:
        self.names = {name: array.shape for name, array in net.parameters().items()}
        self.parameters = np.concatenate([array.ravel() for array in net.parameters().values()])
        self.engine = _core.Engine(net.plan(input_shape), threads, precision)
        self.optimizer, self.loss = dict(optimizer), loss
        self.state = np.zeros((state_rows(optimizer), self.parameters.size), np.float32)
        self.totals = np.zeros(4)

    def train(
        self,
        images: NDArray[Any],
        labels: NDArray[np.int64],
        batch_size: int,
        lr: float | Sequence[float] = 0.1,
        order: NDArray[np.int64] | None = None,
        progress: Callable[[], object] | None = None,
        seed: int = 0,
        augment: dict[str, Any] | None = None,
        team: Any = None,
    ) -> None:
        """One pass over `order`, by default all images as they come."""
        if order is None:
            order = np.arange(len(labels))
        steps = -(-len(order) // batch_size)
        rates = np.full(steps, lr, np.float64) if isinstance(lr, float) else np.array(lr, np.float64)
        self.engine.train(
            self.parameters, self.state, images, labels, order, batch_size, rates, self.optimizer, self.loss,
            self.totals, progress, seed, augment, team,
        )  # fmt: skip
        self.optimizer["step"] += steps

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Views of the parameters by name."""
        views, start = {}, 0
        for name, shape in self.names.items():
            size = int(np.prod(shape))
            views[name] = self.parameters[start : start + size].reshape(shape)
            start += size
        return views
