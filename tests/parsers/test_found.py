"""Inputs that once crashed, hung, or were refused with the wrong error, each under what it was."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from convlet import _settings, checkpoint, cli, functional, optim, sweeps
from convlet.cli.settings import resolve_again
from convlet.history import History
from convlet.models import load_model
from convlet.sweeps.job import Job
from convlet.sweeps.run import read_result, read_settings

ROW = {
    "epoch": 1,
    "train_loss": 0.5,
    "train_accuracy": 0.75,
    "test_loss": None,
    "test_accuracy": None,
    "seconds": 1.0,
    "images_per_second": 2.0,
}
DEEP = ("[" * 100_000, '{"a":' * 100_000)
JOB = Job("digits", None, None, None, "d2l", 1, 256, 0.9, 0)


def refused(path: Path, message: str = "") -> object:
    return pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .*{message}")


@pytest.mark.parametrize("text", DEEP)
def test_json_nested_without_end_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    for read in (History.load, read_settings, lambda path: read_result(path, JOB)):
        with refused(path, "expected"):
            read(path)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "1"},
        {"epoch": True},
        {"epoch": 1.5},
        {"train_loss": [0.5]},
        {"train_loss": None},
        {"test_accuracy": "high"},
        {"seconds": 10**400},
    ],
    ids=str,
)
def test_figure_that_is_no_number_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text(json.dumps({"config": {}, "epochs": [{**ROW, **change}], "total_seconds": 1.0}))
    with refused(path, "a row with"):
        History.load(path)


def test_time_that_no_float_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text(json.dumps({"config": {}, "epochs": [ROW], "total_seconds": 10**400}))
    with refused(path, "too large"):
        History.load(path)


@pytest.mark.parametrize(
    "change",
    [{"epochs": [1]}, {"epochs": [ROW]}, {"epochs": []}, {"error": {"a": 1}}, {"seconds": 10**400}],
    ids=str,
)
def test_result_of_a_sweep_that_is_none_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path, job = (
        tmp_path / "result.json",
        {name: value for name, value in vars(JOB).items() if name != "data_dir"},
    )
    path.write_text(json.dumps({"job": job, "epochs": [], "seconds": 1.0, "error": None, **change}))
    with refused(path, "expected the result"):
        read_result(path, JOB)


def test_settings_of_a_sweep_that_are_no_object_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sweep.json"
    path.write_text('[["data", "digits"]]')
    with refused(path, "expected the settings"):
        read_settings(path)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        "a = " + "{a = " * 5000,
        "a = " + "9" * 5000,
        "[a" + ".a" * 5000 + "]",
        "a" + ' . "a"' * 5000,
    ],
    ids=["lists", "tables", "digits", "parts of a key", "quoted parts"],
)
def test_toml_without_end_is_refused_at_once(text: str, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(text)
    with refused(path, "expected"):
        load_model(path)


@pytest.mark.parametrize(
    "state", [None, 3, "sgd", [1], {"settings": 3}, {"kind": "sgd", "settings": None}], ids=str
)
def test_state_that_is_no_mapping_is_refused(state: object) -> None:
    whole = {**optim.SGD(0.1).state_dict(), **state} if isinstance(state, dict) else state
    with pytest.raises(TypeError, match=r"^SGD.load_state_dict: expected (state|settings) to be a dict"):
        optim.SGD(0.1).load_state_dict(whole)  # type: ignore[arg-type]


def test_npz_that_is_encrypted_or_packed_otherwise_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.lib.format.write_array(content, np.zeros(3, np.float32))
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
            archive.writestr("0.weight.npy", content.getvalue())
        data = bytearray((tmp_path / "a.npz").read_bytes())
        for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            data[data.index(magic) + place] |= method == zipfile.ZIP_STORED  # the flag of encryption
        (tmp_path / "a.npz").write_bytes(data)
        with refused(tmp_path / "a.npz", "not a valid .npz file"):
            checkpoint.load_weights(tmp_path / "a.npz")


@pytest.mark.parametrize("header", ["{'descr': '<f4', 'shape': ((((", "((" * 50, "{'descr': '<f4'", "[1, 2]"])
def test_npy_header_that_is_no_header_is_refused(header: str, tmp_path: Path) -> None:
    text = header.encode() + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("0.npy", b"\x93NUMPY\x01\x00" + bytes([len(text), 0]) + text)
    with refused(tmp_path / "a.npz", "not a valid .npz file"):
        checkpoint.load_weights(tmp_path / "a.npz")


def test_numbers_of_very_many_digits_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONVLET_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "9" * 5000)
    assert _settings.named_threads() is None
    monkeypatch.setenv("CONVLET_THREADS", "9" * 5000)
    with pytest.raises(
        ValueError, match=r"^CONVLET_THREADS: expected a number of threads in 1\.\.1024, got '99"
    ):
        _settings.named_threads()


def test_instruction_set_whose_name_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVLET_ISA", "ba\udce8line")
    with pytest.raises(ValueError, match="expected"):
        _settings.apply()


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--image-size", "9" * 5000],
        ["sweep", "--seeds", "0-99999999"],
        ["sweep", "--seeds", ",".join(["0-99999"] * 500)],
    ],
    ids=["digits", "range", "ranges"],
)
def test_numbers_without_end_are_bad_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    assert "expected" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[1]", "3", "null", "[" * 100_000], ids=["list", "number", "null", "deep"])
def test_settings_of_a_run_that_are_none_are_refused(text: str) -> None:
    run = checkpoint.Checkpoint({}, {}, 0, np.zeros(4), 0.0, History(), {"settings": text})
    with refused(Path("checkpoint"), "expected a checkpoint by convlet train"):
        resolve_again({}, run, Path("checkpoint"))


def test_folder_of_a_user_that_there_is_not_is_only_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVLET_DATA", "~nobody-at-all/data")
    assert _settings.data_dirs()[0] == Path("~nobody-at-all/data")


def test_sweep_of_more_nets_than_files_can_be_is_refused() -> None:
    with pytest.raises(
        ValueError, match="sweep: expected at most 100,000 nets, got 1000 seeds x 1 learning rates x 200"
    ):
        sweeps.sweep("digits", range(1000), 0.5, range(1, 201))


def test_array_of_a_size_that_no_array_has_is_refused() -> None:
    class Lender:
        def __init__(self) -> None:
            header = {"shape": (2**100,), "typestr": "<f4", "version": 3}
            self.__array_interface__ = {**header, "data": bytearray(8)}

    with pytest.raises(ValueError, match="relu: expected an array for x, got Lender"):
        functional.relu(Lender())
