"""The article's LeNet in PyTorch, as fast as its users make it.

The data is one float tensor in memory, a batch is one gather from it, and gradients are set to None
instead of zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measure import UnavailableError


def torch_with(threads: int) -> Any:
    """The module, set to so many threads; `UnavailableError` where it is not installed."""
    try:
        import torch
    except ImportError:
        raise UnavailableError("PyTorch is not installed") from None
    torch.set_num_threads(threads)
    return torch


def lenet(torch: Any, state: Mapping[str, NDArray[np.float32]]) -> Any:
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )
    net.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return net


class Layout:
    """How images lie in memory: as (N, C, H, W), or channels last, for which PyTorch has other kernels."""

    def __init__(self, torch: Any, channels_last: bool) -> None:
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        # One channel lies the same in both, so only the strides tell PyTorch which of them is meant.
        self.strides = (784, 1, 28, 1) if channels_last else (784, 784, 28, 1)

    def images(self, rows: Any) -> Any:
        """A view of (N, 784) as images."""
        return rows.as_strided((len(rows), 1, 28, 28), self.strides)


class TorchTraining:
    """A training loop; with a `compile_mode` its forward and backward passes are compiled."""

    def __init__(
        self,
        torch: Any,
        state: Mapping[str, NDArray[np.float32]],
        data: tuple[NDArray[np.uint8], NDArray[np.int64]],
        lr: float,
        batch_size: int,
        channels_last: bool = False,
        compile_mode: str | None = None,
    ) -> None:
        self.torch, self.batch_size, self.layout = torch, batch_size, Layout(torch, channels_last)
        images, labels = map(torch.tensor, data)
        self.rows, self.labels = images.flatten(1).float() / 255, labels
        net = lenet(torch, state).to(memory_format=self.layout.format)
        self.optimizer = torch.optim.SGD(net.parameters(), lr=lr)

        def forward(x: Any, y: Any) -> tuple[Any, Any]:
            logits = net(x)
            return torch.nn.functional.cross_entropy(logits, y), logits

        self.forward = forward if compile_mode is None else torch.compile(forward, mode=compile_mode)

    def run(self, order: Any) -> tuple[float, float]:
        """One pass over the images of `order`: mean loss and accuracy, each batch before its step."""
        torch, count = self.torch, len(order)
        loss_sum, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for start in range(0, count, self.batch_size):
            batch = order[start : start + self.batch_size]
            x = self.layout.images(self.rows.index_select(0, batch))
            y = self.labels.index_select(0, batch)
            loss, logits = self.forward(x, y)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.detach() * len(batch)
            correct += (logits.detach().argmax(dim=1) == y).sum()
        return loss_sum.item() / count, correct.item() / count

    def shuffled(self, images: int) -> tuple[float, float]:
        """A pass over so many of the images, drawn anew each time."""
        return self.run(self.torch.randperm(len(self.rows))[:images])

    def in_order(self, start: int, stop: int) -> float:
        """The mean loss of a pass over images start..stop-1."""
        return self.run(self.torch.arange(start, stop))[0]
