"""Training gives the same bits for any number of threads, from run to run, and on every machine with FMA."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import _core
from engine_run import ADAM, SGD, EngineRun
from networks import ALL_OPTIONS, DROPOUT, LENET, RELU_MAX_POOL, Network
from tolerances import assert_same_bits

STEPS = 50
CASES = [
    pytest.param(DROPOUT, SGD | {"momentum": 0.9}, 33, id="dropout, batch 33"),
    pytest.param(LENET, SGD, 256, id="LeNet, batch 256"),
    pytest.param(LENET, SGD | {"momentum": 0.9}, 7, id="LeNet, batch 7, momentum"),
    pytest.param(RELU_MAX_POOL, ADAM, 33, id="ReLU and max pooling, batch 33, Adam"),
    pytest.param(
        ALL_OPTIONS, SGD | {"momentum": 0.9, "nesterov": True}, 50, id="all options, batch 50, Nesterov"
    ),
]


def weights_after(
    network: Network, optimizer: dict, batch: int, threads: int, steps: int = STEPS
) -> EngineRun:
    """Fifty steps over a thousand images in a drawn order."""
    images, labels = network.data(1000)
    order = np.random.default_rng(7).integers(0, 1000, steps * batch)
    run = EngineRun(network.make(), network.input_shape, optimizer, threads=threads)
    run.train(images, labels, batch, 0.05 if optimizer["kind"] == "sgd" else 1e-3, order)
    return run


@pytest.mark.parametrize("network, optimizer, batch", CASES)
def test_weights_after_fifty_steps_do_not_depend_on_threads(
    network: Network, optimizer: dict, batch: int, isa: str
):
    expected = weights_after(network, optimizer, batch, 1)
    assert np.isfinite(expected.parameters).all()
    for threads in (2, 3, 7):
        run = weights_after(network, optimizer, batch, threads)
        assert_same_bits(run.parameters, expected.parameters, f"{threads} threads, parameters")
        assert_same_bits(run.state, expected.state, f"{threads} threads, state")
        assert_same_bits(run.totals, expected.totals, f"{threads} threads, totals")


@pytest.mark.parametrize("network, optimizer, batch", CASES)
def test_weights_after_fifty_steps_are_the_same_from_run_to_run(
    network: Network, optimizer: dict, batch: int
):
    first = weights_after(network, optimizer, batch, 2)
    for _ in range(3):
        assert_same_bits(weights_after(network, optimizer, batch, 2).parameters, first.parameters)


@pytest.mark.parametrize("network, optimizer, batch", CASES)
def test_avx2_and_avx512_train_to_the_same_bits(network: Network, optimizer: dict, batch: int):
    if not {"avx2", "avx512"} <= set(_core.available_isas()):
        pytest.skip("this machine has no AVX-512")
    before, runs = _core.isa(), []
    try:
        for name in ("avx2", "avx512"):
            _core.select_isa(name)
            runs.append(weights_after(network, optimizer, batch, 2))
    finally:
        _core.select_isa(before)
    assert_same_bits(runs[0].parameters, runs[1].parameters)
