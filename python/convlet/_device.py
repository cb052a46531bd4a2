"""Which device a run takes: what the word that a user gave comes to on this machine."""

from __future__ import annotations

from . import _core
from ._arrays import choice

__all__ = ["DEVICES", "resolve_device"]

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(device: str, op: str = "Trainer") -> str:
    """What ``"auto"``, ``"cpu"`` or ``"cuda"`` comes to on this machine: ``"cpu"`` or ``"cuda"``.

    ``"auto"`` is the GPU where one can be used; an emulated one, which is for tests, must be asked for.

    Raises:
        ValueError: another word.
        RuntimeError: ``"cuda"`` where it cannot be used; the message says why.
    """
    word = choice(op, "device", device, DEVICES)
    if word == "cpu":
        return word
    reason = _core.cuda_status()
    if word == "cuda":
        if reason:
            raise RuntimeError(f"{op}: device 'cuda' cannot be used: {reason}")
        return word
    return "cpu" if reason or _core.cuda_info()["emulated"] else "cuda"
