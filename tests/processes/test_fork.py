"""Processes that begin after the library was used: forked, spawned, and from a fork server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from python_program import run_python

TRAINED = """
import hashlib, multiprocessing, os, sys
import numpy as np
from convlet import Trainer, _core, nn, optim
_core.set_threads(3)
rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (200, 1, 28, 28), np.uint8), rng.integers(0, 10, 200)

def trained(seed):
    net = nn.LeNet().initialize("pytorch", seed)
    Trainer(net, optim.SGD(0.1, momentum=0.9), nn.CrossEntropyLoss()).fit((x, y), epochs=2, batch_size=50)
    return hashlib.sha256(net(x).tobytes()).hexdigest()
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def test_a_forked_child_trains_to_the_bits_of_its_parent() -> None:
    run_python(
        TRAINED
        + """
known = trained(1)
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0 if trained(1) == known else 1)
    assert os.waitpid(child, 0)[1] == 0
assert trained(1) == known
"""
    )


def test_a_net_made_before_a_fork_computes_in_the_child_and_its_child() -> None:
    """Its engine and packed weights come along; the threads do not."""
    run_python(
        TRAINED
        + """
net = nn.LeNet(seed=3)
known = net(x).tobytes(), net(x[:1]).tobytes()
child = os.fork()
if child == 0:
    grandchild = os.fork()
    right = (net(x).tobytes(), net(x[:1]).tobytes()) == known
    if grandchild == 0:
        os._exit(0 if right else 1)
    os._exit(0 if right and os.waitpid(grandchild, 0)[1] == 0 else 1)
assert os.waitpid(child, 0)[1] == 0
assert (net(x).tobytes(), net(x[:1]).tobytes()) == known
"""
    )


def test_a_fork_while_other_threads_compute_leaves_a_child_that_computes() -> None:
    run_python(
        TRAINED
        + """
import threading
known, stop = trained(1), threading.Event()
other = nn.LeNet(seed=5)

def noise():
    while not stop.is_set():
        other(x)

threads = [threading.Thread(target=noise) for _ in range(3)]
for thread in threads: thread.start()
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0 if trained(1) == known else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads: thread.join()
"""
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_worker_processes_train_to_the_bits_of_their_parent(method: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        TRAINED
        + f"""
if __name__ == "__main__":
    known = [trained(seed) for seed in range(4)]
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        assert pool.map(trained, range(4)) == known
    assert [trained(seed) for seed in range(4)] == known
"""
    )
    run_python(program, "-W", "ignore::DeprecationWarning")


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux tells them")
def test_a_forked_child_that_only_looks_starts_no_thread() -> None:
    run_python(
        TRAINED
        + """
known = trained(1)
child = os.fork()
if child == 0:
    nn.LeNet(seed=3)(x[:1])
    os._exit(len(os.listdir("/proc/self/task")) - 1)
assert os.waitpid(child, 0)[1] == 0
"""
    )
