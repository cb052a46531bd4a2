"""Memory and threads after many runs are those after a few."""

from __future__ import annotations

import platform
import statistics
import sys
from itertools import pairwise

import pytest

from python_program import run_python
from slower import SANITIZED

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps what is given back"),
]

RESIDENT_KB, USED_KB = 2048, 128
BEGINNING = """
import ctypes, gc, os
import numpy as np
from convlet import Trainer, _core, functional, nn, optim
_core.set_threads(3)
rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (64, 1, 12, 12), np.uint8), rng.integers(0, 10, 64)
def resident_kb():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "a b c d mapped f g used i j".split()]
mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Info
def in_use_kb():
    gc.collect()
    info = mallinfo()
    return (info.used + info.mapped) // 1024
def threads():
    return len(os.listdir("/proc/self/task"))
def net(seed=None):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, seed=seed), nn.Tanh(), nn.MaxPool2d(2), nn.Dropout(),
        nn.Flatten(), nn.Linear(100, 10),
    )
"""
ENDING = """
before, used = threads(), []
for count in range(1, 1001):
    work(count)
    if count == 100:
        resident = resident_kb()
    if count % 90 == 10 and count >= 100:
        used.append(in_use_kb())
print(resident, resident_kb(), threads() - before, *used)
"""
WORK = {
    "fits of one net": """
one = net(1)
def work(count):
    Trainer(one, optim.Adam(), nn.CrossEntropyLoss()).fit((x, y), (x, y), 1, 16)
""",
    "fits of new nets": """
def work(count):
    Trainer(net(count), optim.SGD(0.1, momentum=0.9), nn.CrossEntropyLoss(), threads=2).fit((x, y), None, 1)
""",
    "nets made, used and dropped": """
def work(count):
    made = nn.LeNet(seed=count)
    image = rng.integers(0, 256, (18, 1, 28, 28), np.uint8)
    made(image); made(image[:1])
    made.loss_and_gradients(image, y[:18])
""",
    "inferences of other sizes": """
one = nn.Sequential(nn.Conv2d(1, 4, 3, seed=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
def work(count):
    one(rng.integers(0, 256, (20, 1, 5 + count % 45, 30), np.uint8))
""",
    "ops": """
weight = rng.standard_normal((8, 3, 5, 5), np.float32)
def work(count):
    images = rng.standard_normal((1 + count % 45, 3, 20, 20), np.float32)
    out = functional.conv2d(images, weight)
    functional.conv2d_backward(out, images, weight)
    functional.max_pool2d(out, 2, return_indices=True)
    rows = out.reshape(len(out), -1)[:, :10].copy()
    functional.cross_entropy_backward(rows, np.zeros(len(rows), int))
    functional.linear_backward(rows, rows, np.ones((10, 10), np.float32))
""",
    "saving and loading": """
import tempfile
folder = tempfile.TemporaryDirectory()
one = net(1)
def work(count):
    one.save(folder.name + "/w.safetensors")
    one.load(folder.name + "/w.safetensors")
    one.load_state_dict(one.state_dict())
""",
    "what is refused": """
one = net(1)
def work(count):
    for wrong in (lambda: one(np.ones((2, 3, 4, 5, 6), np.float32)),
                  lambda: functional.conv2d(x, y),
                  lambda: one.loss_and_gradients(x, y + 100),
                  lambda: nn.Conv2d(0, 1, 1)):
        try:
            wrong()
        except (TypeError, ValueError):
            pass
        else:
            raise AssertionError
""",
}


LONG = {"fits of new nets", "nets made, used and dropped", "saving and loading"}


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=[pytest.mark.slow] if what in LONG else []) for what in WORK]
)
def test_memory_after_a_thousand_is_that_after_a_hundred(what: str) -> None:
    """Python's objects are asked of malloc too, so that what is in use is known to the byte.

    What is resident also depends on the holes that the allocator finds, and settles later where sizes vary.
    A table of Python's that doubles once is no leak, so what is in use may not grow from look to look in the
    median. Sizes come in rounds of 45, so that all looks, 90 runs apart, fall on the same one.
    """
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("asks the GNU C library")
    printed = run_python(BEGINNING + WORK[what] + ENDING, environment={"PYTHONMALLOC": "malloc"})
    resident, resident_last, threads, *used = map(int, printed.split())
    print(f"{what}: resident {resident} kB and {resident_last} kB, in use {used} kB")
    assert (len(used) - 1) * statistics.median(later - earlier for earlier, later in pairwise(used)) < USED_KB
    assert threads <= 2
    if what.startswith("fits"):
        assert resident_last - resident < RESIDENT_KB
