"""More than the system has: memory for a result, and threads."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet import functional, nn
from python_program import run_python
from slower import SANITIZED

ONE = np.ones((1, 1, 1, 1), np.float32)
FLAT = np.broadcast_to(np.float32(1), (1 << 20, 1)).copy()


def always_overcommits() -> bool:
    """Whether the system promises any amount of memory and ends whoever takes it at its word."""
    setting = Path("/proc/sys/vm/overcommit_memory")
    return setting.exists() and setting.read_text().strip() == "1"


@pytest.mark.skipif(always_overcommits(), reason="the system promises memory that it does not have")
@pytest.mark.parametrize(
    "call",
    [
        lambda: functional.conv2d(ONE, ONE, padding=1 << 21),  # 64 TiB
        lambda: functional.conv2d(ONE, ONE, padding=(1 << 30) - 1),  # 2^62 numbers
        lambda: functional.conv2d(ONE, ONE, padding=(1 << 31) - 1),
        lambda: functional.conv2d(np.ones((1, 1, 4096, 4096), np.float32), np.ones((1 << 18, 1, 1, 1))),
        lambda: functional.linear(FLAT, np.ones((1 << 23, 1), np.float32)),  # 32 TiB
        lambda: nn.Linear(1 << 22, 1 << 22)(np.ones((1, 1 << 22), np.float32)),  # 64 TiB of weights
        lambda: nn.Sequential(nn.Conv2d(1, 1, 1, padding=1 << 20))(ONE),
        lambda: nn.LeNet().loss_and_gradients(
            np.broadcast_to(np.uint8(0), (1 << 36, 1, 28, 28)), np.broadcast_to(0, 1 << 36)
        ),
    ],
)
def test_a_result_beyond_all_memory_is_an_error_at_once(call: Callable[[], Any]) -> None:
    started = time.monotonic()
    with pytest.raises((MemoryError, ValueError)):
        call()
    assert time.monotonic() - started < 10
    assert functional.conv2d(ONE, ONE).item() == 1


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's addresses leave no limit that means something")
@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_a_limit_of_memory_gives_memory_error_and_a_process_that_goes_on() -> None:
    printed = run_python(
        """
import resource
import numpy as np
from convlet import functional, nn
net, x = nn.LeNet(seed=1), np.ones((30_000, 1, 28, 28), np.uint8)
small = net(x[:100]).tobytes()
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (64 << 20), resource.RLIM_INFINITY))
errors = 0
for big in (lambda: functional.conv2d(x.astype(np.float32)[:, :, :9], np.ones((9, 1, 2, 2), np.float32)),
            lambda: net.loss_and_gradients(x, np.zeros(len(x), int)),
            lambda: functional.relu(np.ones((1, 1 << 25), np.float32))):
    try:
        big()
    except MemoryError:
        errors += 1
    assert net(x[:100]).tobytes() == small
print(errors)
"""
    )
    assert printed == "3\n"


@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_a_thread_that_the_system_refuses_is_named_and_fewer_threads_work(
    failing_malloc: Path,
) -> None:
    run_python(
        """
import ctypes
import numpy as np
from convlet import Trainer, _core, functional, nn, optim
limit = ctypes.CDLL(None).limit_threads
limit.argtypes = [ctypes.c_long]
rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (200, 1, 28, 28), np.uint8), rng.integers(0, 10, 200)
images, weight = rng.random((64, 3, 32, 32), np.float32), rng.random((8, 3, 5, 5), np.float32)

def trained():
    net = nn.LeNet().initialize("pytorch", 1)
    Trainer(net, optim.SGD(0.1), nn.CrossEntropyLoss()).fit((x, y), epochs=1, batch_size=64)
    return functional.conv2d(images, weight).tobytes() + net(x).tobytes()

_core.set_threads(1)
known = trained()
_core.set_threads(5)
limit(2)
for _ in range(3):
    try:
        trained()
    except RuntimeError as error:
        assert str(error).startswith("threads: expected 4 threads, got no more than 3 from the"), error
    else:
        raise AssertionError
_core.set_threads(3)
assert trained() == known
limit(-1)
_core.set_threads(5)
assert trained() == known
""",
        environment={"LD_PRELOAD": str(failing_malloc)},
    )
