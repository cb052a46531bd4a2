"""Ctrl-C ends a slide over a large picture within 0.2 s, and the next one is right."""

from __future__ import annotations

import numpy as np

from convlet import nn
from convlet.detect import score_map
from promptness import assert_prompt, fastest, interrupted
from tolerances import assert_same_bits


def test_ctrl_c_ends_a_slide(threads):
    net, image = nn.LeNet(seed=0), np.zeros((12_000, 12_000), np.uint8)
    before = score_map(net, image[:40, :40])
    seconds = fastest(lambda: interrupted(lambda: score_map(net, image)))
    assert_same_bits(score_map(net, image[:40, :40]), before)
    assert_prompt(seconds)
