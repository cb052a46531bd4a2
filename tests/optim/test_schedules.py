"""The factor of the learning rate at every step of a run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convlet import optim


def factors(schedule: optim.Schedule, total: int, steps_per_epoch: int | None = None) -> list[float]:
    return [schedule(step, total, steps_per_epoch) for step in range(total)]


def test_constant():
    assert factors(optim.Constant(), 3) == [1, 1, 1]


def test_step_decay_counts_epochs():
    assert factors(optim.StepDecay(2, gamma=0.5), 12, steps_per_epoch=2) == [1] * 4 + [0.5] * 4 + [0.25] * 4
    with pytest.raises(ValueError, match="StepDecay: expected steps_per_epoch"):
        optim.StepDecay(2)(0, 10)


def test_cosine_goes_from_one_to_its_floor():
    assert factors(optim.Cosine(), 4) == pytest.approx(
        [1, (2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4]
    )
    assert optim.Cosine(floor=0.1)(0, 50) == 1
    assert optim.Cosine(floor=0.1)(50, 50) == pytest.approx(0.1)
    assert optim.Cosine(floor=0.1)(25, 50) == pytest.approx(0.55)


def test_warm_up_leads_into_another_schedule():
    assert factors(optim.LinearWarmup(4), 6) == [0.25, 0.5, 0.75, 1, 1, 1]
    assert factors(optim.LinearWarmup(2, optim.Cosine()), 6) == pytest.approx(
        [0.5, 1, *factors(optim.Cosine(), 4)]
    )
    after = optim.LinearWarmup(2, optim.StepDecay(1, 0.5))
    assert factors(after, 8, steps_per_epoch=2) == [0.5, 1, 1, 1, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.torch
def test_step_decay_and_cosine_agree_with_torch():
    torch = pytest.importorskip("torch")
    schedulers = torch.optim.lr_scheduler
    for mine, make in (
        (optim.StepDecay(3, 0.2), lambda o: schedulers.StepLR(o, 3, 0.2)),
        (optim.Cosine(0.25), lambda o: schedulers.CosineAnnealingLR(o, 10, eta_min=0.25 * 0.8)),
    ):
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.8)
        scheduler, theirs = make(optimizer), []
        for _ in range(10):
            theirs.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
        ours = optim.SGD(0.8, schedule=mine).learning_rates(0, 10, 10, steps_per_epoch=1)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_learning_rates_are_the_rate_times_the_factor_from_any_step_on():
    optimizer = optim.SGD(0.5, schedule=optim.LinearWarmup(4))
    rates = optimizer.learning_rates(0, 6, total_steps=6)
    assert rates.dtype == np.float64
    assert rates.tolist() == [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    assert optimizer.learning_rates(2, 2, total_steps=6).tolist() == [0.375, 0.5]
    assert optim.SGD(0.5).learning_rates(2, 2, total_steps=6).tolist() == [0.5, 0.5]
    assert optimizer.learning_rates(6, 0, total_steps=6).shape == (0,)


def test_a_plain_function_is_a_schedule():
    optimizer = optim.Adam(1.0, schedule=lambda step, total, steps_per_epoch: 1 - step / total)
    assert optimizer.learning_rates(0, 4, 4).tolist() == [1, 0.75, 0.5, 0.25]


@pytest.mark.parametrize("wrong", [float("nan"), -0.5, float("inf")])
def test_factors_that_are_no_rates_are_refused(wrong: float):
    optimizer = optim.SGD(0.5, schedule=lambda *_: wrong)
    with pytest.raises(ValueError, match="SGD.learning_rates: expected the schedule's factor "):
        optimizer.learning_rates(0, 3, 3)


def test_a_step_by_hand_under_a_schedule_needs_its_rate():
    optimizer, parameters = optim.SGD(0.5, schedule=optim.Cosine()), {"w": np.ones(2, np.float32)}
    with pytest.raises(ValueError, match="SGD.step: expected lr for an optimizer with a schedule"):
        optimizer.step(parameters, {"w": np.ones(2)})
    optimizer.step(parameters, {"w": np.ones(2)}, lr=optimizer.learning_rates(0, 1, 10)[0])
    assert parameters["w"].tolist() == [0.5, 0.5]


def test_schedules_show_and_check_their_settings():
    assert repr(optim.LinearWarmup(5, optim.Cosine(0.1))) == "LinearWarmup(steps=5, after=Cosine(floor=0.1))"
    assert repr(optim.SGD(1, schedule=optim.Constant())).endswith("schedule=Constant())")
    for call, error, message in (
        (lambda: optim.StepDecay(0), ValueError, "StepDecay: expected step_size of at least 1, got 0"),
        (lambda: optim.StepDecay(1, -1), ValueError, "StepDecay: expected gamma of at least 0"),
        (lambda: optim.StepDecay(1.5), TypeError, "StepDecay: expected step_size to be an integer"),
        (lambda: optim.Cosine(2), ValueError, "Cosine: expected floor of at most 1, got 2"),
        (lambda: optim.Cosine(float("nan")), ValueError, "Cosine: expected floor to be finite"),
        (lambda: optim.LinearWarmup(0), ValueError, "LinearWarmup: expected steps of at least 1"),
    ):
        with pytest.raises(error, match=message):
            call()
