"""Where to compute, as the book asks for it; a device is its name, ``"cpu"`` or ``"cuda:0"``."""

from __future__ import annotations

from .._arrays import integer
from .._device import resolve_device

__all__ = ["cpu", "gpu", "kind_of", "num_gpus", "try_all_gpus", "try_gpu"]


def cpu() -> str:
    """The CPU."""
    return "cpu"


def gpu(i: int = 0) -> str:
    """The GPU with that number, whether it is there or not."""
    return f"cuda:{integer('gpu', 'i', i, low=0)}"


def num_gpus() -> int:
    """How many GPUs can be used: 1 or 0, since a net is trained on one."""
    return int(resolve_device("auto") == "cuda")


def try_gpu(i: int = 0) -> str:
    """The GPU with that number if it can be used, else the CPU."""
    return gpu(i) if integer("try_gpu", "i", i, low=0) < num_gpus() else cpu()


def try_all_gpus() -> list[str]:
    """All GPUs that can be used, or the CPU alone."""
    return [gpu(i) for i in range(num_gpus())] or [cpu()]


def kind_of(device: object) -> str:
    """``"cuda"`` of ``"cuda:0"``, as :class:`convlet.Trainer` takes it; ``"auto"`` of ``None``.

    Raises:
        ValueError: another GPU than the first.
    """
    kind, _, number = str(device).partition(":")
    if number not in ("", "0"):
        raise ValueError(f"train_ch6: expected device 'cpu', 'cuda' or 'cuda:0', got {str(device)!r}")
    return "auto" if device is None else kind
