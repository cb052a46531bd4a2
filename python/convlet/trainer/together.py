"""What the processes of a team make sure of before and while they train one net."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from .. import _core
from .._arrays import Array
from ..checkpoint import Checkpoint, checkpoint_from_bytes, checkpoint_to_bytes, net_to_json
from ..distributed import Team
from ..distributed.team import digest
from ..nn import Sequential
from .case import Case

__all__ = ["check_equal_runs", "check_equal_weights", "follow_first"]


def check_equal_runs(
    team: Team, net: Sequential, case: Case, test: Case | None, settings: Mapping[str, Any]
) -> None:
    """All processes are about to do the same with the same data, and each has something to do; collective.

    Raises:
        ValueError: on every rank, with what is not the same, or with how many ranks there are.
    """
    if team.size == 1:
        return
    with team.agreeing():
        most = min(settings["batch_size"], len(case.labels))
        if team.size > most:
            raise ValueError(f"fit: expected at most {most} ranks, one an image of a batch, got {team.size}")
        sets = {"training data": case, "validation data": test}
        facts = {
            "version of convlet": version("convlet"),
            # Fused multiply-adds, or not: kernels of all other instruction sets give the same bits.
            "arithmetic": "baseline" if _core.isa() == "baseline" else "fused",
            "reduction": "exact" if team.exact else "of sums",
            "net": net_to_json(net),
            **settings,
            **{name: what and digest(what.images, what.labels) for name, what in sets.items()},
        }
    team.check_same("fit", facts)


def follow_first(team: Team, checkpoint: Callable[[], Checkpoint]) -> Checkpoint | None:
    """Where rank 0 stands, for the others to go on from there; collective."""
    if team.size == 1:
        return None
    data = team.from_first(lambda: checkpoint_to_bytes(checkpoint()))
    return None if team.rank == 0 else checkpoint_from_bytes(data)


def check_equal_weights(team: Team, parameters: Array, epoch: int) -> None:
    """All processes have come to the same weights in that epoch, counted from 1; collective.

    They do unless memory, a message or the arithmetic of a processor is at fault.
    """
    team.check_same("fit", {f"weights after epoch {epoch}": zlib.crc32(parameters.data)})
