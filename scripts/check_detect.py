"""How fast nets slide over a picture, once the scores are proved equal to those of every window by itself.

    python scripts/check_detect.py --side 2000

Times are the least of several; `loop` cuts out one window after the other and runs the net on it, `batches`
cuts out all windows of a smaller picture and runs the net on them at once.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from convlet import _core, nn
from convlet.detect import natural_stride, score_map

WINDOW = 28
SMALL = 28 + 4 * 63  # side of the picture whose windows are all cut out


def without_padding() -> nn.Sequential:
    """A LeNet of today, whose layers never see a window's border."""
    body = nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
    head = nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
    return nn.Sequential(*body, *head).initialize("pytorch", 0)


def cut(image: np.ndarray, stride: int) -> np.ndarray:
    """Every window, (rows, columns, 1, WINDOW, WINDOW)."""
    return sliding_window_view(image, (1, WINDOW, WINDOW))[0, ::stride, ::stride]


def seconds(work: Callable[[], object], times: int) -> float:
    work()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2000, help="of the large picture, in pixels")
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    large = rng.random((1, options.side, options.side), np.float32)
    small = large[:, :SMALL, :SMALL]
    print(f"{_core.cpu_name()}, {_core.isa()}, {_core.get_threads()} threads, load {os.getloadavg()[0]:.1f}")
    for name, net in (("LeNet, padded", nn.LeNet(seed=0)), ("without padding", without_padding())):
        stride = natural_stride(net, (1, WINDOW, WINDOW))[0]
        windows = cut(small, stride)
        flat = np.ascontiguousarray(windows).reshape(-1, 1, WINDOW, WINDOW)
        alone = net(flat).reshape(*windows.shape[:2], -1).transpose(2, 0, 1)
        error = np.abs(score_map(net, small) - alone).max()
        assert error <= 1e-5, error

        def loop(net: nn.Sequential = net, windows: np.ndarray = windows) -> None:
            for row in windows:
                for window in row:
                    net(window)

        def batches(net: nn.Sequential = net, windows: np.ndarray = windows) -> None:
            net(np.ascontiguousarray(windows).reshape(-1, 1, WINDOW, WINDOW))

        whole = seconds(lambda net=net: score_map(net, large), options.times)
        count = score_map(net, large)[0].size
        each = whole / count
        print(f"{name}: largest difference {error:.1e}")
        print(f"  {options.side}x{options.side}, {count:,} windows at stride {stride}: {whole:.3f} s")
        print(f"  sliding: {1e6 * each:.2f} us a window")
        for way, work in (("loop", loop), ("batches", batches)):
            other = seconds(work, options.times) / len(flat)
            print(f"  {way}: {1e6 * other:.2f} us a window, {other / each:.1f} times as long")


if __name__ == "__main__":
    main()
