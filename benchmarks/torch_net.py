"""Any of convlet's networks in PyTorch, trained as fast as PyTorch's users make it.

The data is one float tensor in memory, a batch is one gather from it, and gradients are set to None
instead of zero.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import nn
from measure import UnavailableError


def torch_with(threads: int) -> Any:
    """The module, set to so many threads; `UnavailableError` where it is not installed."""
    try:
        import torch
    except ImportError:
        raise UnavailableError("PyTorch is not installed") from None
    torch.set_num_threads(threads)
    return torch


def torch_net(torch: Any, net: nn.Sequential, state: Mapping[str, NDArray[np.float32]]) -> Any:
    """The same layers under the same names, with the weights of `state`."""
    layers = OrderedDict((name, torch_layer(torch, op.spec())) for name, op in net.ops().items())
    made = torch.nn.Sequential(layers)
    made.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return made


def torch_layer(torch: Any, spec: Mapping[str, Any]) -> Any:
    """One layer from its description as plain data."""
    kind, modules = spec["kind"], torch.nn
    simple = {
        "sigmoid": modules.Sigmoid,
        "tanh": modules.Tanh,
        "relu": modules.ReLU,
        "flatten": modules.Flatten,
    }
    if kind in simple:
        return simple[kind]()
    if kind == "linear":
        return modules.Linear(spec["in_features"], spec["out_features"], spec["bias"])
    top, bottom, left, right = spec["padding"]
    if (top, left) != (bottom, right):
        raise UnavailableError(f"PyTorch's layers pad both sides alike, not {spec['padding']}")
    window = {"kernel_size": spec["kernel"], "stride": spec["stride"], "padding": (top, left)}
    if kind == "avg_pool2d":
        return modules.AvgPool2d(**window, ceil_mode=spec["ceil_mode"])
    if kind == "max_pool2d":
        return modules.MaxPool2d(**window, dilation=spec["dilation"], ceil_mode=spec["ceil_mode"])
    if kind == "conv2d":
        more = {name: spec[name] for name in ("dilation", "groups", "bias")}
        return modules.Conv2d(spec["in_channels"], spec["out_channels"], **window, **more)
    raise UnavailableError(f"there is no rival for the layer {kind}")


class Layout:
    """How images lie in memory: as (N, C, H, W), or channels last, for which PyTorch has other kernels."""

    def __init__(self, torch: Any, channels_last: bool) -> None:
        self.channels_last = channels_last
        self.format = torch.channels_last if channels_last else torch.contiguous_format

    def store(self, images: Any) -> Any:
        """A tensor (N, C, H, W) so that a gather along its first axis gives images that lie as they must."""
        return images.permute(0, 2, 3, 1).contiguous() if self.channels_last else images.contiguous()

    def images(self, stored: Any) -> Any:
        """A view of stored images as (N, C, H, W).

        One channel lies the same in both layouts, and only the strides tell PyTorch which of them is meant.
        """
        return stored.permute(0, 3, 1, 2) if self.channels_last else stored


class TorchTraining:
    """A training loop; with a `compile_mode` its forward and backward passes are compiled.

    With `bf16` PyTorch casts what it thinks fit (autocast); parameters and updates stay float32.
    """

    def __init__(
        self,
        torch: Any,
        net: Any,
        data: tuple[NDArray[np.uint8], NDArray[np.int64]],
        lr: float,
        batch_size: int,
        channels_last: bool = False,
        compile_mode: str | None = None,
        bf16: bool = False,
    ) -> None:
        self.torch, self.batch_size, self.layout = torch, batch_size, Layout(torch, channels_last)
        images, labels = map(torch.tensor, data)
        self.stored, self.labels = self.layout.store(images.float() / 255), labels
        net = net.to(memory_format=self.layout.format)
        self.optimizer = torch.optim.SGD(net.parameters(), lr=lr)

        def forward(x: Any, y: Any) -> tuple[Any, Any]:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = net(x)
            return torch.nn.functional.cross_entropy(logits.float(), y), logits

        self.forward = forward if compile_mode is None else torch.compile(forward, mode=compile_mode)

    def run(self, order: Any) -> tuple[float, float]:
        """One pass over the images of `order`: mean loss and accuracy, each batch before its step."""
        torch, count = self.torch, len(order)
        loss_sum, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for start in range(0, count, self.batch_size):
            batch = order[start : start + self.batch_size]
            x = self.layout.images(self.stored.index_select(0, batch))
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
        return self.run(self.torch.randperm(len(self.stored))[:images])

    def in_order(self, start: int, stop: int) -> float:
        """The mean loss of a pass over images start..stop-1."""
        return self.run(self.torch.arange(start, stop))[0]
