"""Ctrl-C ends a slide over a large picture within 0.2 s, and the next one is right."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

from convlet import nn
from convlet.detect import score_map
from tolerances import assert_same_bits

AFTER_SECONDS, WITHIN_SECONDS = 0.1, 0.2
NETS = {
    "many small pieces": (28, 9000, lambda: nn.LeNet(seed=0)),
    "one plane takes long": (
        8,
        4000,
        lambda: nn.Sequential(
            nn.Conv2d(1, 512, 3), nn.Flatten(), nn.Linear(512 * 36, 2000), nn.Linear(2000, 2)
        ),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_ctrl_c_ends_a_slide(name, threads):
    window, side, make = NETS[name]
    net, image = make(), np.zeros((side, side), np.uint8)
    before = score_map(net, image[:40, :40], window)
    sent = []

    def press() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(AFTER_SECONDS, press)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            score_map(net, image, window)
        seconds = time.monotonic() - sent[0]
    finally:
        timer.cancel()
        timer.join()
    assert seconds < WITHIN_SECONDS
    assert_same_bits(score_map(net, image[:40, :40], window), before)
