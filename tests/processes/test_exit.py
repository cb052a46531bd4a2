"""The interpreter ends while a net is trained, and in other ways that are not the usual one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from python_program import run_python

TRAINING = """
import sys, threading, time
import numpy as np
from convlet import Trainer, _core, nn, optim
_core.set_threads(3)
rng = np.random.default_rng(0)
# Epochs that last long enough to be told of.
data = rng.integers(0, 256, (20_000, 1, 28, 28), np.uint8), rng.integers(0, 10, 20_000)
begun = threading.Event()

def train(epochs, **options):
    trainer = Trainer(nn.LeNet(seed=0), optim.SGD(0.1), nn.CrossEntropyLoss())
    trainer.fit(data, None, epochs, 50, on_progress=lambda _: begun.set(), **options)
"""


@pytest.mark.parametrize("status", [0, 3])
def test_the_interpreter_ends_while_a_daemon_thread_trains(status: int) -> None:
    run_python(
        TRAINING
        + f"""
threading.Thread(target=train, args=(10**6,), daemon=True).start()
assert begun.wait(30)
sys.exit({status})
""",
        status=status,
    )


def test_the_interpreter_ends_while_many_daemon_threads_compute() -> None:
    """Where each of them is when it happens is left to chance, so there are many."""
    run_python(
        TRAINING
        + """
net = nn.LeNet(seed=1)

def infer():
    while True:
        net(data[0][:17])
        net(data[0][:1])

for _ in range(6): threading.Thread(target=infer, daemon=True).start()
for _ in range(2): threading.Thread(target=train, args=(10**6,), daemon=True).start()
assert begun.wait(30)
"""
    )


def test_the_interpreter_waits_for_a_thread_that_trains() -> None:
    printed = run_python(
        TRAINING
        + """
def finish():
    train(3)
    print("trained")
threading.Thread(target=finish).start()
assert begun.wait(30)
"""
    )
    assert printed == "trained\n"


@pytest.mark.parametrize("place", ["on_progress", "on_epoch"])
def test_sys_exit_in_the_middle_of_training_ends_the_program(place: str) -> None:
    run_python(
        TRAINING.replace("on_progress=lambda _: begun.set(), ", "")
        + f"train(10**6, {place}=lambda _: sys.exit(5))",
        status=5,
    )


def test_training_in_an_exit_handler_works() -> None:
    """Threads are started, or taken from the pool, as late as that."""
    printed = run_python(
        TRAINING
        + """
import atexit
def last():
    train(2)
    print("trained")
atexit.register(last)
train(1)
"""
    )
    assert printed == "trained\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_a_signal_that_ends_programs_ends_one_that_trains(number: signal.Signals) -> None:
    # Those that the parent ignores, as under nohup, a child would ignore too.
    heed = "import signal; [signal.signal(n, signal.SIG_DFL) for n in (signal.SIGTERM, signal.SIGHUP)]"
    program = [
        sys.executable,
        "-c",
        f"{heed}{TRAINING}print(flush=True); train(10**6)",
    ]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, number)
        try:
            assert process.wait(10) == -number
        finally:
            process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_subinterpreter_is_refused_or_computes() -> None:
    """NumPy says what it thinks of it too."""
    printed = run_python(
        """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import numpy
import convlet
code = '''
import warnings
warnings.simplefilter("ignore")
try:
    import numpy as np
    from convlet import functional
except ImportError as error:
    print("refused:", error)
else:
    y = functional.conv2d(np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 2, 2), np.float32))
    print("computed:", y.sum())
'''
child = interpreters.create()
failure = interpreters.run_string(child, code)
if failure is not None:
    print("refused:", failure)
interpreters.destroy(child)
x = numpy.ones((1, 1, 3, 3), numpy.float32)
assert convlet.functional.conv2d(x, numpy.ones((1, 1, 2, 2), numpy.float32)).sum() == 16
"""
    )
    assert printed == "computed: 16.0\n" or printed.startswith("refused: "), printed
