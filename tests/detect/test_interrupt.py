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


def test_ctrl_c_ends_a_slide(threads):
    net, image = nn.LeNet(seed=0), np.zeros((12_000, 12_000), np.uint8)
    before = score_map(net, image[:40, :40])
    sent = []

    def press() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(AFTER_SECONDS, press)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            score_map(net, image)
        seconds = time.monotonic() - sent[0]
    finally:
        timer.cancel()
        timer.join()
    assert seconds < WITHIN_SECONDS
    assert_same_bits(score_map(net, image[:40, :40]), before)
