"""What data-parallel training gains and costs: measured on 1 and 2 ranks, modelled for up to 1,024.

    python benchmarks/scaling.py [--out FILE.json] [--quick]
    python benchmarks/scaling.py --report FILE.json [--write docs/scaling.md]

Strong and weak scaling on this machine's own cores; the model's numbers are fitted to the steps of one rank
and to the allreduce of two, and the model is then asked for the steps of two, which are measured too. The
same over two network namespaces joined by a cable of limited rate, and by one with a delay (root on Linux;
else left out, and said so). About five minutes; nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import scaling_report
from machine import machine
from measure import UnavailableError, write_json
from nets import NETS
from network import Network
from scaling_model import Link, Step, fit_link, fit_step

JOB = Path(__file__).with_name("scaling_job.py")
MEASURED = ("LeNet", "LeNet, four times as wide", "CIFAR-sized net of ReLU and max pooling")
BATCHES = (64, 256, 512, 1024)
SIZES = (4, 1 << 10, 1 << 14, 1 << 16, 1 << 18, 1 << 20)
CABLES = (("1 Gbit/s", 1000.0, 0.0), ("100 Mbit/s and 1 ms", 100.0, 1e-3))
DATASHEET = (Link("10 Gbit/s and 20 us", 20e-6, 8 / 10e9), Link("100 Gbit/s and 2 us", 2e-6, 8 / 100e9))
ON_ONE_MACHINE = 16
"""Ranks that a link of memory is taken to join."""
RANKS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
TIMEOUT_SECONDS = 240


def mpiexec_path() -> str:
    """Of this environment."""
    path = Path(sys.executable).with_name("mpiexec")
    if not path.exists():
        raise UnavailableError('no mpiexec beside python: pip install "convlet[mpi]"')
    return str(path)


def run(command: Sequence[str]) -> dict[str, Any]:
    """What rank 0 printed."""
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(
        command, env={**os.environ, **root}, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} ... failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def program(quick: bool, nets: Sequence[str], sizes: Sequence[int], threads: int = 1) -> list[str]:
    asked = {
        "threads": threads,
        "nets": nets,
        "batches": BATCHES[:2] if quick else BATCHES,
        "sizes": sizes,
        "repetitions": 3 if quick else 7,
        "seconds": 0.02 if quick else 0.3,
    }
    return [sys.executable, str(JOB), json.dumps(asked)]


def steps_of(found: dict[str, Any], net: str) -> list[dict[str, Any]]:
    return [step for step in found["steps"] if step["net"] == net]


def fitted_steps(alone: dict[str, Any]) -> dict[str, tuple[Step, float]]:
    """The model of each net's step, from one rank."""
    models = {}
    for net in NETS:
        rows = steps_of(alone, net.name)
        if rows:
            batches, times = [row["batch"] for row in rows], [row["seconds"]["median"] for row in rows]
            models[net.name] = fit_step(net.build().parameter_count, batches, times)
    return models


def link_entry(name: str, found: dict[str, Any], models: dict[str, tuple[Step, float]]) -> dict[str, Any]:
    """A link fitted to the allreduce of two ranks, and the steps of two ranks beside what the model says."""
    rows = found["allreduce"]
    link, error = fit_link(name, [r["bytes"] for r in rows], [r["seconds"]["median"] for r in rows])
    checks = [
        {**row, "model_seconds": models[row["net"]][0].seconds(row["batch"], 2, link)}
        for row in found["steps"]
    ]
    return {
        "name": name,
        "alpha_seconds": link.alpha_seconds,
        "beta_seconds": link.beta_seconds,
        "fit_error": error,
        "allreduce": rows,
        "steps": checks,
    }


def measure(quick: bool) -> dict[str, Any]:
    """Everything that the report needs."""
    mpiexec = mpiexec_path()
    nets = MEASURED[:1] if quick else MEASURED
    alone = run([mpiexec, "-n", "1", *program(quick, nets, [])])
    threads = run([mpiexec, "-n", "1", "--bind-to", "none", *program(quick, nets, [], threads=2)])
    models = fitted_steps(alone)
    two = run([mpiexec, "-n", "2", *program(quick, nets, SIZES)])
    links = [{**link_entry("this machine's memory", two, models), "reach": ON_ONE_MACHINE}]
    for name, rate, delay in CABLES:
        try:
            with Network(rate, delay) as network:
                found = run(network.mpiexec(mpiexec, program(quick, nets[:1], SIZES)))
            links.append(link_entry(name, found, models))
        except UnavailableError as error:
            links.append({"name": name, "skipped": str(error)})
    return {
        "suite": "scaling",
        "machine": machine(1),
        "alone": alone["steps"],
        "two_threads": threads["steps"],
        "nets": [
            {
                "name": name,
                "parameters": step.parameters,
                "fixed_seconds": step.fixed_seconds,
                "tile_seconds": step.tile_seconds,
                "fit_error": error,
            }
            for name, (step, error) in models.items()
        ],
        "links": links,
        "assumed_links": [
            {"name": link.name, "alpha_seconds": link.alpha_seconds, "beta_seconds": link.beta_seconds}
            for link in DATASHEET
        ],
        "ranks": list(RANKS),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    parser.add_argument("--quick", action="store_true", help="a second for each figure, for a test")
    parser.add_argument("--report", type=Path, metavar="FILE", help="measure nothing: report on this file")
    parser.add_argument(
        "--write", type=Path, metavar="PAGE", help="put the report into a page, between its marks"
    )
    arguments = parser.parse_args()
    try:
        result = json.loads(arguments.report.read_text()) if arguments.report else measure(arguments.quick)
    except (UnavailableError, subprocess.TimeoutExpired) as error:
        print(f"scaling: {error}", file=sys.stderr)
        return 1
    if arguments.out:
        write_json(arguments.out, result)
    text = scaling_report.markdown(result)
    if arguments.write:
        scaling_report.insert(arguments.write, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
