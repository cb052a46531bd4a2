"""A cable with a delay, for kernels whose traffic control has none: moves frames between two TAP devices.

    python benchmarks/relay.py DEVICE DEVICE DELAY_SECONDS LIFE_SECONDS

Makes the devices, says "ready", and ends with its standard input or after its life, and the devices with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import os
import select
import struct
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME_BYTES = 65536


def open_tap(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def frames(device: int) -> list[bytes]:
    """All that have come."""
    found: list[bytes] = []
    try:
        while len(found) < 64:
            found.append(os.read(device, FRAME_BYTES))
    except BlockingIOError:
        pass
    return found


def relay(names: list[str], delay: float, life: float) -> None:
    devices = [open_tap(name) for name in names]
    other = dict(zip(devices, reversed(devices), strict=True))
    waiting: list[tuple[float, int, int, bytes]] = []
    order, end = itertools.count(), time.monotonic() + life
    print("ready", flush=True)
    while (now := time.monotonic()) < end:
        while waiting and waiting[0][0] <= now:
            _, _, device, frame = heapq.heappop(waiting)
            with contextlib.suppress(OSError):  # a frame that it cannot take is lost, as on any cable
                os.write(device, frame)
        until = min(waiting[0][0] if waiting else end, end)
        readable, _, _ = select.select([*devices, sys.stdin], [], [], max(0.0, until - time.monotonic()))
        if sys.stdin in readable:
            return
        due = time.monotonic() + delay
        for device in readable:
            for frame in frames(device):
                heapq.heappush(waiting, (due, next(order), other[device], frame))


if __name__ == "__main__":
    relay(sys.argv[1:3], float(sys.argv[3]), float(sys.argv[4]))
