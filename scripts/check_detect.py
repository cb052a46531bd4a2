"""How fast nets slide over a picture, once the scores are proved equal to those of every window by itself.

    python scripts/check_detect.py --side 2000

Times are the least of several; `loop` cuts out one window after the other and runs the net on it, `batches`
cuts out all windows of a smaller picture and runs the net on them at once. On a machine that is busy, the
processor's time on one thread says more: `CONVLET_THREADS=1 python scripts/check_detect.py --cpu`.
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

SMALL = 280  # side of the picture whose windows are all cut out


def without_padding() -> nn.Sequential:
    """A LeNet of today, whose layers never see a window's border."""
    body = nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
    head = nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
    return nn.Sequential(*body, *head).initialize("pytorch", 0)


def cut(image: np.ndarray, side: int, stride: int) -> np.ndarray:
    """Every window, (rows, columns, 1, side, side)."""
    return sliding_window_view(image, (1, side, side))[0, ::stride, ::stride]


def seconds(work: Callable[[], object], times: int, clock: Callable[[], float]) -> float:
    work()
    taken = []
    for _ in range(times):
        started = clock()
        work()
        taken.append(clock() - started)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2000, help="of the large picture, in pixels")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--cpu", action="store_true", help="measure the processor's time")
    options = parser.parse_args()
    clock = time.process_time if options.cpu else time.perf_counter
    rng = np.random.default_rng(0)
    large = rng.random((1, options.side, options.side), np.float32)
    small = large[:, :SMALL, :SMALL]
    print(f"{_core.cpu_name()}, {_core.isa()}, {_core.get_threads()} threads, load {os.getloadavg()[0]:.1f}")
    nets = {
        "LeNet, padded": (28, nn.LeNet(seed=0)),
        "LeNet for windows of 64x64, padded": (64, nn.LeNet(image_size=64, seed=0)),
        "LeNet with ReLU and maximum pooling, without padding": (28, without_padding()),
    }
    for name, (side, net) in nets.items():
        stride = natural_stride(net, (1, side, side))[0]
        windows = cut(small, side, stride)
        flat = np.ascontiguousarray(windows).reshape(-1, 1, side, side)
        alone = net(flat).reshape(*windows.shape[:2], -1).transpose(2, 0, 1)
        error = np.abs(score_map(net, small, side) - alone).max()
        assert error <= 1e-5, error

        def loop(net: nn.Sequential = net, windows: np.ndarray = windows) -> None:
            for row in windows:
                for window in row:
                    net(window)

        def batches(net: nn.Sequential = net, windows: np.ndarray = windows, side: int = side) -> None:
            net(np.ascontiguousarray(windows).reshape(-1, 1, side, side))

        def slide(net: nn.Sequential = net, side: int = side) -> np.ndarray:
            return score_map(net, large, side)

        whole, count = seconds(slide, options.times, clock), slide()[0].size
        each = whole / count
        print(f"{name}: largest difference {error:.1e}")
        print(f"  {options.side}x{options.side}, {count:,} windows at stride {stride}: {whole:.3f} s")
        print(f"  sliding: {1e6 * each:.2f} us a window")
        for way, work in (("loop", loop), ("batches", batches)):
            other = seconds(work, options.times, clock) / len(flat)
            print(f"  {way}: {1e6 * other:.2f} us a window, {other / each:.1f} times as long")


if __name__ == "__main__":
    main()
