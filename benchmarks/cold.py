"""Suite cold: what a user waits for besides the training loop, measured in processes of their own, in turn.

The import on top of NumPy's; a process from its start to its first prediction; and the article's whole
training run from the command line, with the reading of the data, a test pass after each epoch and the files
that are left. PyTorch does the same job as a script. Peak memory is that of the whole process.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convlet import datasets, nn
from convlet.datasets.idx import write_idx
from machine import spread
from measure import Effort, NotEqualError, UnavailableError, check_equal
from nets import ARTICLE, LENET
from onnx_lenet import model as onnx_model
from suite import Entry, Options

HERE = Path(__file__).parent
DIGITS = 1024  # to train on and to test with, where there is no Fashion-MNIST
LOGITS_LIMIT = 1e-5
LOSS_LIMIT = 1e-3
"""Of an epoch's losses: over thousands of steps the last digits of two libraries' sums drift apart."""

IMPORT = (
    "import time, numpy; begin = time.perf_counter(); import {module}; "
    "print(1000 * (time.perf_counter() - begin))"
)
TITLES = {"convlet": "convlet", "torch": "PyTorch", "jax": "JAX", "onnxruntime": "ONNX Runtime"}


class Finished(NamedTuple):
    """A process that has ended well."""

    output: str
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Job:
    """A command, and the figure that is taken from it when it has ended."""

    name: str
    command: tuple[str, ...]
    time: Callable[[Finished], float]


@dataclass
class Costs:
    """Commands that do the same; the first is convlet's."""

    name: str
    unit: str
    jobs: list[Job]
    proof: str = ""
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def measure(self, effort: Effort) -> dict[str, Any]:
        """Run the jobs in turn; each has run before, so that its files are in memory."""
        times: list[list[float]] = [[] for _ in self.jobs]
        peaks: list[list[float]] = [[] for _ in self.jobs]
        for _ in range(effort.repetitions):
            for job, own_times, own_peaks in zip(self.jobs, times, peaks, strict=True):
                done = start(job)
                own_times.append(job.time(done))
                own_peaks.append(done.peak_bytes)
        rows = [
            {
                "name": job.name,
                "time": {**spread(own_times), "all": own_times},
                "convlet_is_faster_by": spread([b / a for a, b in zip(times[0], own_times, strict=True)]),
                "peak_memory_bytes": spread(own_peaks),
            }
            for job, own_times, own_peaks in zip(self.jobs, times, peaks, strict=True)
        ]
        return {
            "cell": self.name,
            "kind": "costs",
            "unit": self.unit,
            "proof": self.proof,
            "rows": rows,
            "skipped": self.skipped,
            "notes": self.notes,
        }


def start(job: Job) -> Finished:
    """Run a command to its end; an error with its last words if that is not a good one."""
    with tempfile.NamedTemporaryFile("r") as output:
        command = [sys.executable, "-I", "-S", str(HERE / "launch.py"), output.name, *job.command]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not done.stdout.rstrip().endswith(" 0"):
            raise RuntimeError(f"{job.name}: {' '.join(job.command)}: {done.stderr[-2000:] or done.stdout}")
        seconds, peak_bytes, _ = done.stdout.split()
        return Finished(output.read(), float(seconds), int(peak_bytes))


def seconds(done: Finished) -> float:
    return done.seconds


def milliseconds(done: Finished) -> float:
    return 1000 * done.seconds


def libraries(options: Options) -> tuple[list[str], dict[str, str]]:
    """Convlet and the rivals that are wanted and installed, and the reasons of the others."""
    wanted = [name for name in TITLES if name == "convlet" or name in options.against]
    missing = {name: "it is not installed" for name in wanted if find_spec(name) is None}
    return [name for name in wanted if name not in missing], missing


def imports(name: str, options: Options, effort: Effort) -> dict[str, Any]:
    """Milliseconds that an import takes where NumPy's is done."""
    found, skipped = libraries(options)
    jobs = [
        Job(
            f"import {module}",
            (sys.executable, "-c", IMPORT.format(module=module)),
            lambda done: float(done.output),
        )
        for module in found
    ]
    numpy_alone = start(Job("import numpy", (sys.executable, "-c", "import numpy"), seconds))
    notes = [f"NumPy by itself: {1000 * numpy_alone.seconds:.0f} ms and {_mib(numpy_alone.peak_bytes)} MiB."]
    if options.wheel:
        notes.append(f"The wheel {options.wheel.name}: {_mib(options.wheel.stat().st_size)} MiB.")
    for job in jobs:
        start(job)
    return Costs(name, "ms", jobs, "", skipped, notes).measure(effort)


def first_prediction(name: str, options: Options, effort: Effort) -> dict[str, Any]:
    """From the start of the process to the logits of one image, with weights from a file."""
    net = LENET.build().initialize(LENET.scheme, seed=0)
    image = options.data().images[:1].astype(np.float32) / np.float32(255)
    jobs, skipped, worst = [], {}, 0.0
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "image.npy", image)
        found, missing = libraries(options)
        for library in (one for one in found if one != "jax"):
            try:
                model = save_model(library, net, Path(folder))
            except UnavailableError as error:
                skipped[library] = str(error)
                continue
            arguments = library, str(model), str(Path(folder) / "image.npy"), str(options.threads)
            command = sys.executable, str(HERE / "predict_job.py"), *arguments
            jobs.append(Job(TITLES[library], command, milliseconds))
            logits = ast.literal_eval(start(jobs[-1]).output)
            worst = max(worst, check_equal(f"{TITLES[library]}: logits", logits, net(image)[0], LOGITS_LIMIT))
        proof = f"the logits agree within {worst:.1e} of the largest (allowed {LOGITS_LIMIT:.0e})"
        return Costs(name, "ms", jobs, proof, {**missing, **skipped}).measure(effort)


def save_model(library: str, net: nn.Sequential, folder: Path) -> Path:
    """The net as a file of the kind that each library reads."""
    state = net.state_dict()
    if library == "convlet":
        path = folder / "lenet.safetensors"
        net.save(path)
    elif library == "torch":
        import torch

        path = folder / "lenet.pt"
        torch.save({name: torch.tensor(array) for name, array in state.items()}, path)
    else:
        path = folder / "lenet.onnx"
        try:
            path.write_bytes(onnx_model(state))
        except ImportError:
            raise UnavailableError(
                "its model is written with the package onnx, which is not installed"
            ) from None
    return path


def whole_run(epochs: int, name: str, options: Options, effort: Effort) -> dict[str, Any]:
    """`convlet train` against the same job as a script in PyTorch, from equal weights in equal order."""
    found, skipped = libraries(options)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        data_dir = data_folder(folder, options)
        np.savez(folder / "start.npz", **LENET.build().initialize(LENET.scheme, seed=0).state_dict())
        where, how_long = ("--data-dir", str(data_dir)), ("--epochs", str(epochs))
        common = *where, *how_long, "--seed", "0", "--threads", str(options.threads)
        own = sys.executable, "-m", "convlet", "train", "--data", "fashion-mnist", "--recipe", ARTICLE.name
        jobs = [Job("convlet train", (*own, *common, "--out", str(folder / "convlet")), seconds)]
        start(jobs[0])
        proof = "nothing to compare with"
        if "torch" in found:
            rival = sys.executable, str(HERE / "torch_train_job.py"), "--start", str(folder / "start.npz")
            jobs.append(Job("PyTorch, a script", (*rival, *common, "--out", str(folder / "torch")), seconds))
            start(jobs[1])
            proof = prove_run(folder)
        notes = [
            "Convlet's run also writes a checkpoint after each epoch, and draws the curves at its end where "
            "matplotlib is installed."
        ]
        others = {rival: reason for rival, reason in skipped.items() if rival == "torch"}
        return Costs(name, "s", jobs, proof, others, notes).measure(effort)


def prove_run(folder: Path) -> str:
    """The losses of both jobs' first and last epochs agree."""
    own = json.loads((folder / "convlet/history.json").read_text())["epochs"]
    other = json.loads((folder / "torch/history.json").read_text())
    if len(own) != len(other):
        raise NotEqualError(f"PyTorch, a script: expected {len(own)} epochs, got {len(other)}")
    worst = 0.0
    for epoch in (0, -1):
        for figure in ("train_loss", "test_loss"):
            what = f"PyTorch, a script: {figure} of epoch {epoch % len(own) + 1}"
            worst = max(worst, check_equal(what, other[epoch][figure], own[epoch][figure], LOSS_LIMIT))
    return (
        f"from equal weights, in equal order, the losses of the first and the last epoch agree within "
        f"{worst:.1e} (allowed {LOSS_LIMIT:.0e})"
    )


def data_folder(folder: Path, options: Options) -> Path:
    """Where Fashion-MNIST's four files are, or digits as such files."""
    if found := fashion_mnist_folder(options):
        return found
    for part, train in (("train", True), ("t10k", False)):
        digits = datasets.Digits(train=train, size=DIGITS)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", digits.images[:, 0])
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", digits.labels.astype(np.uint8))
    return folder


def fashion_mnist_folder(options: Options) -> Path | None:
    """None in the quick form, or where it is not found."""
    if options.quick:
        return None
    from convlet._settings import data_dirs

    roots = [options.data_dir] if options.data_dir else []
    places = [place for root in (*roots, *data_dirs()) for place in (root / "fashion-mnist", root)]
    return next((place for place in places if (place / "train-images-idx3-ubyte.gz").exists()), None)


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f}"


def cells(options: Options) -> Iterator[Entry]:
    epochs = 1 if options.quick else ARTICLE.epochs
    data = "Fashion-MNIST" if fashion_mnist_folder(options) else f"{DIGITS:,} digits"
    measures: dict[str, Callable[..., dict[str, Any]]] = {
        "Import on top of NumPy": imports,
        "Process start to first prediction, LeNet, one image": first_prediction,
        f"LeNet on {data} from the command line, {epochs} epoch{'s' if epochs > 1 else ''}": partial(
            whole_run, epochs
        ),
    }
    for name, measure in measures.items():
        yield Entry(name, partial(measure, name, options))
