"""What importing, training and drawing leave as it was in the process: all that is not convlet's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compiler import compiler
from slower import SLOWER

FLOATING_POINT = r"""
#include <xmmintrin.h>
// rounding, masks, flush to zero, denormals are zero
unsigned control(void) { return _mm_getcsr() & 0xffc0u; }
"""

STATE = """
import ctypes, locale, logging, os, random, signal, sys, threading, warnings
import numpy as np

CONTROL = ctypes.CDLL(sys.argv[1]).control if len(sys.argv) > 1 else lambda: None

def denormal():
    return float(np.float32(1e-38) * np.float32(1e-3)), float(np.float64(1e-308) * np.float64(1e-10))

def state():
    return {
        "floating-point control word": CONTROL(),
        "rounding": ctypes.CDLL(None).fegetround(),
        "denormal numbers": denormal(),
        "signal handlers": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "signal mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "alarm": signal.getitimer(signal.ITIMER_REAL),
        "random": random.getstate(),
        "numpy.random": str(np.random.get_state()),
        "NumPy's errors": np.geterr(),
        "NumPy's printing": str(np.get_printoptions()),
        "warnings": list(warnings.filters),
        "path": list(sys.path),
        "environment": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "log handlers": (list(logging.getLogger().handlers), logging.getLogger().level),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook, sys.gettrace(), sys.getprofile()),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "folder": os.getcwd(),
        "mask of new files": (os.umask(0o22), os.umask(0o22))[1],
        "recursion": sys.getrecursionlimit(),
        "switches": sys.getswitchinterval(),
        "affinity": sorted(os.sched_getaffinity(0)),
    }

def files():
    return sorted(os.listdir("/proc/self/fd"))

def threads():
    return len(os.listdir("/proc/self/task")), threading.active_count()

def same(before, after, where):
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, f"{where} has changed {changed}"
"""

IMPORT = """
before, open_before, threads_before = state(), files(), threads()
import convlet
assert files() == open_before and threads() == threads_before
from convlet import (callbacks, datasets, detect, distributed, functional, nn, optim, pictures, plots, sweeps)
from convlet import Augment, History, LeNetClassifier, Trainer, cuda, d2l, find_learning_rate
same(before, state(), "the import")
assert files() == open_before and threads() == threads_before
"""

TRAIN = """
import convlet
from convlet import Trainer, nn, optim
convlet._core.set_threads(3)
random.seed(7); np.random.seed(7); warnings.simplefilter("error")
before = state()
seen = []
images = np.zeros((40_000, 1, 28, 28), np.uint8)  # an epoch that lasts long enough to be told of
trainer = Trainer(nn.LeNet(seed=0), optim.SGD(0.1), nn.CrossEntropyLoss(), device="cpu", threads=3)
data = images, np.arange(len(images)) % 10
trainer.fit(data, 0.1, epochs=1, batch_size=64, on_progress=lambda progress: seen.append(state()))
trainer.net(images)
same(before, state(), "a training")
assert seen
for during in seen:
    same(before, during, "a callback's training")
worker = []
thread = threading.Thread(target=lambda: (trainer.net(images), worker.append((CONTROL(), denormal()))))
thread.start(); thread.join()
assert worker == [(CONTROL(), denormal())]
"""

INTERRUPT = """
from convlet import Trainer, nn, optim
before = state()
images = np.zeros((40_000, 1, 28, 28), np.uint8)  # an epoch that lasts long enough to be told of
data = images, np.arange(len(images)) % 10
trainer = Trainer(nn.LeNet(seed=0), optim.SGD(0.1), nn.CrossEntropyLoss(), device="cpu", threads=2)
told = []
def once(progress):
    if not told:
        told.append(progress)
        os.kill(os.getpid(), signal.SIGINT)
try:
    trainer.fit(data, epochs=10_000, batch_size=64, on_progress=once)
except KeyboardInterrupt:
    pass
else:
    raise AssertionError("the interrupt was lost")
same(before, state(), "Ctrl-C")
"""

PLOTS = """
import matplotlib
def settings():  # as they are: to ask for the backend in the usual way chooses one
    return {name: dict.__getitem__(matplotlib.rcParams, name) for name in matplotlib.rcParams}

given = settings()
before = state()
from convlet import nn, plots
plots.kernels(nn.LeNet(seed=0))
assert settings() == given
assert "matplotlib.pyplot" not in sys.modules
same(before, state(), "a picture")
"""

DENORMALS = """
from convlet import _core, functional
x = np.full((64, 4096), 1e-40, np.float32)
x[::2] = 3e-42
results = []
for threads in (1, 2, 3, 7):
    _core.set_threads(threads)
    results.append([functional.relu(x), functional.linear(x, np.eye(4096, 8, dtype=np.float32).T.copy()),
                    functional.avg_pool2d(x.reshape(64, 1, 64, 64), 2)])
for result in results:
    for array, first in zip(result, results[0]):
        assert array.tobytes() == first.tobytes(), "another number of threads, other denormal numbers"
assert (results[0][0] == x).all(), "denormal numbers were flushed to zero"
assert (results[0][1][:, :8] == x[:, :8]).all()
assert (results[0][2] > 0).all()
"""

PROGRAMS = {
    "import": IMPORT,
    "training": TRAIN,
    "interrupt": INTERRUPT,
    "pictures": PLOTS,
    "denormals": DENORMALS,
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The floating-point control word as a function, where there is a compiler for it."""
    if sys.platform != "linux":
        pytest.skip("looks into /proc")
    folder = tmp_path_factory.mktemp("control")
    (folder / "control.c").write_text(FLOATING_POINT)
    source, built = str(folder / "control.c"), str(folder / "control.so")
    command = [compiler(), "-x", "c", "-shared", "-fPIC", "-o", built, source]
    outcome = subprocess.run(command, capture_output=True, check=False)
    return [built] if outcome.returncode == 0 else []


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_process_stays_as_it_was(name: str, library: list[str], tmp_path: Path):
    if name == "pictures":
        pytest.importorskip("matplotlib")
    program = [sys.executable, "-c", STATE + PROGRAMS[name], *library]
    outcome = subprocess.run(program, capture_output=True, text=True, timeout=120 * SLOWER, cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert not list(tmp_path.iterdir())
