"""What runs and sweeps leave behind: figures, settings, results, an optimizer's state."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from convlet import optim
from convlet.history import History
from convlet.sweeps import Table
from convlet.sweeps.job import Job, Result
from convlet.sweeps.run import SETTINGS, read_result, read_settings

from ..mutators.json_text import mutate_json
from ..target import Target

__all__ = ["TARGETS"]

_ROW = {
    "epoch": 1,
    "train_loss": 0.5,
    "train_accuracy": 0.75,
    "test_loss": 0.6,
    "test_accuracy": 0.5,
    "seconds": 1.25,
    "images_per_second": 8000.0,
}
_JOB = Job("digits", None, None, None, "d2l", 1, 256, 0.9, 0)


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


def _histories() -> list[bytes]:
    alone = {**_ROW, "test_loss": None, "test_accuracy": None}
    return [
        _text({"config": {"lr": 0.9}, "epochs": rows, "total_seconds": 2.5}) for rows in ([_ROW], [alone] * 2)
    ]


def _load_history(data: bytes, folder: Path) -> object:
    (folder / "history.json").write_bytes(data)
    history = History.load(folder / "history.json")
    return [row.line(10) for row in history], json.dumps(history.to_dict())


def _sweeps() -> list[bytes]:
    return [
        _text({"data": "digits", "recipe": "d2l", "epochs": 1, "net": None, "seeds": [0, 1], "lr": [0.9]})
    ]


def _read_settings(data: bytes, folder: Path) -> object:
    (folder / SETTINGS).write_bytes(data)
    return read_settings(folder / SETTINGS)


def _results() -> list[bytes]:
    job = asdict(_JOB)
    del job["data_dir"]
    return [
        _text({"job": job, "epochs": [_ROW], "seconds": 1.5, "error": error}) for error in (None, "failed")
    ]


def _read_result(data: bytes, folder: Path) -> object:
    (folder / "result.json").write_bytes(data)
    return Table([read_result(folder / "result.json", _JOB), Result(_JOB)]).to_dict()


def _states() -> list[bytes]:
    sgd, adam = optim.SGD(0.1, momentum=0.9), optim.Adam(0.01)
    parameters, gradients = {"w": np.ones(3, np.float32)}, {"w": np.ones(3, np.float32)}
    for optimizer in (sgd, adam):
        optimizer.step(parameters, gradients)
    states = [optimizer.state_dict() for optimizer in (sgd, adam)]
    return [_text({**state, "state": state["state"].tolist()}) for state in states]


def _load_state(data: bytes, folder: Path) -> object:
    """A refusal leaves the optimizer as it was."""
    state = json.loads(data)
    optimizer = optim.Adam(0.01) if b"betas" in data else optim.SGD(0.1, momentum=0.9)
    before = optimizer.state_dict()
    try:
        optimizer.load_state_dict(state)
    except (TypeError, ValueError):
        after = optimizer.state_dict()
        assert before.pop("state").tobytes() == after.pop("state").tobytes()
        assert before == after
        raise
    return None


TARGETS = (
    Target("history", _histories, _load_history, mutators=(mutate_json,), share=3, file="history.json"),
    Target("sweep-settings", _sweeps, _read_settings, mutators=(mutate_json,), share=3, file=SETTINGS),
    Target("sweep-result", _results, _read_result, mutators=(mutate_json,), share=3, file="result.json"),
    Target(
        "optimizer-state",
        _states,
        _load_state,
        (TypeError, ValueError, RecursionError),  # the last is json's own, of a text that the test reads
        (mutate_json,),
        share=3,
        by_bytes=False,
    ),
)
