"""Reports and pictures from small made-up figures: every table says what it must, every picture is drawn."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

MACHINE = {
    "cpu": "a CPU",
    "isa": "avx2",
    "cpus": 2,
    "threads": 2,
    "python": "3.12.0",
    "versions": {"convlet": "1", "jax": "2"},
    "commit": "0123456789" * 4 + "-modified",
    "load_average": (0.5, 0.5, 0.5),
    "date": "2026-01-01T00:00:00+00:00",
}
FLOP = 2e6


def spread(value: float, *, width: float = 0.1) -> dict[str, Any]:
    low, high = value * (1 - width), value * (1 + width)
    return {"median": value, "min": low, "max": high, "all": [low, value, high]}


def row(name: str, rate: float, first: float, images: int = 16) -> dict[str, Any]:
    return {
        "name": name,
        "images_per_call": images,
        "images_per_second": spread(rate),
        "convlet_is_faster_by": spread(first / rate),
        "added_memory_bytes": 3 * 2**20,
        "gflops": spread(rate * FLOP / 1e9),
        "share_of_peak": spread(0.5),
    }


def cell(name: str, kind: str, rates: dict[str, float], **more: Any) -> dict[str, Any]:
    first = next(iter(rates.values()))
    return {
        "cell": name,
        "kind": kind,
        "threads": 2,
        "proof": "all is well",
        "flop_per_image": FLOP,
        "bytes_per_image": 1e5,
        "peak_gflops": spread(200.0),
        "rows": [row(who, rate, first) for who, rate in rates.items()],
        "skipped": {"jax": "it is not installed"},
        **more,
    }


def convolutions() -> list[dict[str, Any]]:
    """Those of three axes of one base; at the largest batch convlet loses."""
    cells = []
    for axis, values in {
        "batch": [16, 17, 4096],
        "image": [14, 28, 32],
        "channels": [[1, 6], [6, 16]],
    }.items():
        for value in values:
            sizes = {"batch": 256, "image": 14, "channels": [6, 16], "kernel": 5, "padding": 0, "stride": 1}
            shape = {**sizes, axis: value}
            if value == 4096:
                shape["batch"] = 2048
            for op in ("forward", "forward+backward"):
                title = "lenet conv2 (base A)" if value == 14 else f"A {axis} {value}"
                rival = 9e4 if value == 4096 else 2e4
                cells.append(
                    cell(
                        f"{title}: 6->16 k5 p0 s1 14x14, batch {shape['batch']}, 2 threads, {op}",
                        "convolution",
                        {"convlet": 5e4, "PyTorch, NCHW": rival, "PyTorch, channels_last": 1e4},
                        title=title,
                        op=op,
                        shape=shape,
                        asked_batch=4096 if value == 4096 else shape["batch"],
                        places={f"A {axis}": value},
                        difference=1e-6,
                    )
                )
    return cells


def costs() -> dict[str, Any]:
    rows = [
        {
            "name": name,
            "time": spread(time),
            "convlet_is_faster_by": spread(time / 20),
            "peak_memory_bytes": spread(memory * 2**20),
        }
        for name, time, memory in (("import convlet", 20, 30), ("import torch", 1500, 200))
    ]
    more = {"unit": "ms", "proof": "", "skipped": {}, "notes": ["The wheel a.whl: 1.5 MiB."]}
    return {"cell": "Import on top of NumPy", "kind": "costs", "rows": rows, **more}


def result(suite: str) -> dict[str, Any]:
    rivals = {"convlet": 5e4, "PyTorch eager, NCHW": 2e4, "JAX, jit": 1e4, "NumPy, plain loops": 10.0}
    sweep = cell("No cliffs", "sweep", {"16": 5e4, "17": 3e4, "32": 4.9e4}, axis="batch")
    of_suite = {
        "ops": [
            *convolutions(),
            cell("dense 84 to 10, forward, batch 256", "rivals", {"convlet": 5e4, "PyTorch": 6e4}),
            {**sweep, "worst_ratio_allowed": 1.5},
        ],
        "train": [cell("LeNet, whole training loop", "rivals", rivals)],
        "infer": [cell(f"LeNet, {n} images", "rivals", rivals) for n in range(8)],
        "scale": [
            cell("LeNet, 1 image, threads", "rivals", {"convlet, 2 threads": 5e4, "convlet, 1 thread": 5e4}),
            sweep,
        ],
        "cold": [costs()],
    }
    return {
        "suite": suite,
        "quick": False,
        "machine": MACHINE,
        "stream_gigabytes_per_second": {"1": spread(10.0), "2": spread(20.0)},
        "cells": of_suite[suite],
        "not_equal": ["a cell: dx differs"],
        "peak_memory_bytes": 100 * 2**20,
    }


PICTURES = {
    "ops": ["-batch", "-image", "-channels", "-ratios", "-layers", "-roofline", "-bars", "-sweep"],
    "train": ["-bars"],
    "infer": ["-bars"],
    "scale": ["-threads", "-sweep"],
    "cold": ["-bars"],
}


@pytest.fixture
def report():
    return importlib.import_module("report")


@pytest.mark.parametrize("suite", PICTURES)
def test_heading_names_machine_code_and_what_was_not_equal(report, suite: str):
    text = report.markdown(result(suite))
    assert f"## Suite {suite}" in text
    assert "a CPU, 2 CPUs, avx2, 2 threads each; load 0.50 at the start; Python 3.12.0" in text
    assert "commit 012345678901-modified; 2026-01-01" in text
    assert "A copy from memory to memory by 2 threads moves 20 [18, 22] GB/s." in text
    assert "This process held at most 100 MiB" in text
    assert "NOT EQUAL, and so not timed: a cell: dx differs." in text
    assert "mean nothing" not in text
    assert "mean nothing" in report.markdown({**result(suite), "quick": True})


def test_convolutions_stand_in_a_table_for_each_op(report):
    text = report.markdown(result("ops"))
    assert text.count("### Convolutions, forward, 2 threads") == 1
    assert text.count("### Convolutions, forward+backward, 2 threads") == 1
    line = next(line for line in text.splitlines() if line.startswith("| lenet conv2 (base A)"))
    assert line == (
        "| lenet conv2 (base A): 6->16 k5 p0 s1 14x14, batch 256 | 20 [18.2, 22.2] | 100 | 50% | 3 | "
        "2.50 [2.25, 2.75] | 5.00 [4.50, 5.50] |"
    )
    assert "batch 2048 (for 4096)" in text
    assert "Not measured: jax, it is not installed." in text


def test_summary_of_ops_counts_the_losses(report):
    text = report.markdown(result("ops"))
    assert "Convolutions, 16 cells: convlet is 2.50 times as fast as PyTorch" in text
    assert "Lost (under 1): 2 cells, of which 2 are under 0.67." in text
    assert "- 0.56 (lost) A batch 4096: 6->16 k5 p0 s1 14x14, batch 2048, 2 threads, forward\n" in text
    assert "- 0.83 (lost) dense 84 to 10, forward, batch 256" in text


def test_cliff_over_the_limit_is_lost(report):
    text = report.markdown(result("ops"))
    assert "The worst time an image is 1.67 of the best, at batch 17; at most 1.5 is allowed (lost)." in text
    assert "| 17 | 33.3 [30.3, 37] | 1.67 |" in text


def test_rows_name_rates_ratios_and_memory(report):
    text = report.markdown(result("train"))
    assert "| convlet | 50,000 [45,000, 55,000] | 20 |  | 100 | 50.0% | 3 |" in text
    assert "| JAX, jit | 10,000 [9,000, 11,000] | 100 | 5.00 [4.50, 5.50] | 20 |" in text
    assert "Equal: all is well." in text
    assert "2.000 MFLOP an image; FMA peak 200 [180, 220] GFLOP/s." in text


def test_costs_are_those_of_processes(report):
    text = report.markdown(result("cold"))
    assert "| import torch | 1,500 [1,350, 1,650] | 75.00 [67.50, 82.50] | 200 |" in text
    assert "The wheel a.whl: 1.5 MiB." in text


@pytest.mark.parametrize("suite", PICTURES)
def test_every_picture_is_drawn(
    suite: str, report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("matplotlib")
    path = tmp_path / "figures.json"
    path.write_text(json.dumps(result(suite)))
    monkeypatch.setattr("sys.argv", ["report.py", str(path), "--plots", str(tmp_path / "plots")])
    assert report.main() == 0
    pictures = sorted((tmp_path / "plots").iterdir())
    assert [picture.stem for picture in pictures] == sorted(suite + name for name in PICTURES[suite])
    printed = capsys.readouterr().out
    for picture in pictures:
        assert picture.read_text().startswith("<?xml")
        assert f"![{picture.stem}]({picture})" in printed


def test_figures_of_the_first_version_can_still_be_read(report):
    """They have no kinds, no bandwidth and no memory."""
    old = result("train")
    for key in ("stream_gigabytes_per_second", "not_equal", "peak_memory_bytes"):
        del old[key]
    for one in old["cells"]:
        del one["kind"], one["threads"]
        for entry in one["rows"]:
            del entry["added_memory_bytes"]
    assert "| convlet | 50,000 [45,000, 55,000] | 20 |  | 100 | 50.0% |" in report.markdown(old)


def test_colours_tell_contenders_apart():
    color = importlib.import_module("plot_style").color
    names = [
        "convlet",
        "PyTorch eager, NCHW",
        "PyTorch eager, channels_last",
        "torch.compile (default), NCHW",
    ]
    names += ["JAX, jit", "ONNX Runtime, batches of 256", "NumPy, plain loops"]
    assert len({color(name) for name in names}) == len(names)
    assert color("import torch") == color("PyTorch, a script") == color("PyTorch, NCHW")
