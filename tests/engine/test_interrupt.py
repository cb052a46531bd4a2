"""Ctrl-C ends the engine's work within 0.2 s and leaves a net of whole steps."""

from __future__ import annotations

import numpy as np
import pytest

from engine_run import CROSS_ENTROPY, SGD, EngineRun
from networks import LENET
from promptness import assert_prompt, fastest, interrupted
from tolerances import assert_same_bits

IMAGES, LABELS = LENET.data(512)
LONG = np.resize(np.arange(512), 4_000_000)
ONE_STEP = LONG[:100_000]  # all at once: a second of work, and some 5 kB an image to remember


def run_with_momentum(threads: int = 1) -> EngineRun:
    return EngineRun(LENET.make(), LENET.input_shape, SGD | {"momentum": 0.9}, threads=threads)


def test_training_stops_between_steps_and_can_be_repeated(threads: int):
    def attempt() -> float:
        run, again = run_with_momentum(threads), run_with_momentum()
        seconds = interrupted(lambda: run.train(IMAGES, LABELS, 64, 0.01, LONG), lambda: run.totals[0] > 0)
        steps = int(run.totals[0])
        assert 0 < steps < len(LONG) // 64
        assert run.totals[1] == 64 * steps
        again.train(IMAGES, LABELS, 64, 0.01, LONG[: 64 * steps])
        assert_same_bits(run.parameters, again.parameters)
        assert_same_bits(run.state, again.state)
        assert_same_bits(run.totals, again.totals)
        return seconds

    assert_prompt(fastest(attempt))


def test_a_step_of_a_hundred_thousand_images_is_abandoned_without_trace(threads: int):
    before = run_with_momentum()

    def attempt() -> float:
        run = run_with_momentum(threads)
        seconds = interrupted(lambda: run.train(IMAGES, LABELS, len(ONE_STEP), 0.01, ONE_STEP))
        assert not run.totals.any()
        assert_same_bits(run.parameters, before.parameters)
        assert_same_bits(run.state, before.state)
        return seconds

    assert_prompt(fastest(attempt))


def test_training_goes_on_after_an_interrupt():
    run = run_with_momentum()
    interrupted(lambda: run.train(IMAGES, LABELS, 64, 0.01, LONG))
    run.totals[:] = 0
    run.train(IMAGES, LABELS, 64, 0.01)
    assert run.totals[:2].tolist() == [8, 512]


@pytest.mark.parametrize("what", ["forward", "evaluate", "loss_and_gradients"])
def test_other_long_calls_stop_too(what: str):
    run = run_with_momentum()
    images, labels = np.broadcast_to(np.uint8(7), (150_000, 1, 28, 28)).copy(), np.zeros(150_000, np.int64)
    gradients = np.zeros_like(run.parameters)
    calls = {
        "forward": lambda: run.engine.forward(run.parameters, images),
        "evaluate": lambda: run.engine.evaluate(run.parameters, images, labels, CROSS_ENTROPY),
        "loss_and_gradients": lambda: run.engine.loss_and_gradients(
            run.parameters, images, labels, CROSS_ENTROPY, gradients
        ),
    }
    assert_prompt(fastest(lambda: interrupted(calls[what])))
