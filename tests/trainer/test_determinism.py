"""What docs/determinism.md promises: the bits of a run follow from the seed, the data and the settings."""

from __future__ import annotations

import hashlib
import math
import random
from typing import Any

import numpy as np
import pytest

from compiler import ROOT
from convlet import Augment, Trainer, _core, nn, optim
from engine_run import SGD, EngineRun
from networks import DROPOUT, LENET, RELU_MAX_POOL, Network
from python_program import run_python
from tolerances import assert_same_bits, assert_same_bits_by_name

AUGMENT = Augment(shift=1, flip=True, rotation=15, erase=3)
FUSED = [name for name in _core.available_isas() if name != "baseline"]


def trained(seed: int = 3, threads: int | None = None, epochs: int = 2, **options: Any) -> Trainer:
    """A run with everything that is drawn at random: order, dropout, augmentation, initial weights."""
    net = DROPOUT.build().initialize("kaiming_normal", seed)
    trainer = Trainer(net, optim.Adam(1e-3, schedule=optim.Cosine()), nn.CrossEntropyLoss(), threads=threads)
    images, labels = DROPOUT.data(260)
    settings: dict[str, Any] = {"batch_size": 50, "seed": seed, "augment": AUGMENT, **options}
    trainer.fit((images, labels), 0.2, epochs, **settings)
    return trainer


def assert_same_run(one: Trainer, other: Trainer) -> None:
    assert_same_bits_by_name(one.net.state_dict(), other.net.state_dict())
    assert_same_bits(one.optimizer.state_dict()["state"], other.optimizer.state_dict()["state"])
    for row, expected in zip(one.history, other.history, strict=True):
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            assert row[name] == expected[name], name


def digest(trainer: Trainer) -> str:
    return hashlib.sha256(b"".join(a.tobytes() for a in trainer.net.state_dict().values())).hexdigest()


@pytest.fixture(scope="module")
def known() -> Trainer:
    return trained(threads=1)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_a_run_has_the_same_bits_for_any_number_of_threads(threads: int, known: Trainer) -> None:
    assert_same_run(trained(threads=threads), known)


@pytest.mark.skipif(len(FUSED) < 2, reason="this machine has one instruction set with fused multiply-adds")
def test_a_run_has_the_same_bits_with_avx2_and_avx512(known: Trainer) -> None:
    before = _core.isa()
    try:
        for name in FUSED:
            _core.select_isa(name)
            assert_same_run(trained(), known)
    finally:
        _core.select_isa(before)


def test_a_run_that_goes_on_with_other_threads_has_the_same_bits(known: Trainer) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    net = DROPOUT.build().initialize("kaiming_normal", 3)
    first = Trainer(net, optim.Adam(1e-3, schedule=optim.Cosine()), nn.CrossEntropyLoss(), threads=2)
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 50, "seed": 3, "augment": AUGMENT}
    with pytest.raises(KeyboardInterrupt):
        first.fit(DROPOUT.data(260), 0.2, on_epoch=interrupt, **settings)
    second = Trainer(
        DROPOUT.make(9), optim.Adam(1e-3, schedule=optim.Cosine()), nn.CrossEntropyLoss(), threads=7
    )
    second.fit(DROPOUT.data(260), 0.2, resume=first.checkpoint(), **settings)
    assert_same_run(second, known)


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_a_run_in_another_process_has_the_same_bits(hash_seed: str, known: Trainer) -> None:
    program = (
        f"import sys; sys.path[:0] = [{str(ROOT / 'tests')!r}, {str(ROOT / 'tests/trainer')!r}]\n"
        "from test_determinism import digest, trained\n"
        "print(digest(trained()))"
    )
    printed = run_python(program, environment={"PYTHONHASHSEED": hash_seed, "CONVLET_THREADS": "3"})
    assert printed.strip() == digest(known)


def test_what_python_or_numpy_drew_before_does_not_matter(known: Trainer) -> None:
    """And a run draws nothing from them."""
    random.seed(5)
    np.random.seed(6)  # noqa: NPY002
    after = random.Random(5).random(), np.random.RandomState(6).random()
    assert_same_run(trained(), known)
    assert (random.random(), np.random.random()) == after  # noqa: NPY002


def test_another_seed_has_other_bits(known: Trainer) -> None:
    assert digest(trained(seed=4)) != digest(known)


def simple_numbers(count: int, size: int) -> Any:
    """Integers below ``size`` that no library draws: a linear congruential generator's high bits."""
    state, numbers = 12345, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        numbers.append((state >> 33) % size)
    return np.array(numbers)


RECORDED = {
    "fused": "8a67204632c80d30e9712f539c9e915d974bf5bb67a81529ffcbca3d5b94e60b",
    "baseline": "20db4e2c6604559ab09091aa2ec86335c7219528478b9f0e2f2d835a7c354cc4",
}
"""SHA-256 of the parameters below; AVX2, AVX-512 and NEON are fused."""


def steps_of_simple_numbers(network: Network = LENET, steps: int = 50, batch: int = 40) -> EngineRun:
    """Training from weights, images and an order that are the same wherever Python runs."""
    run = EngineRun(network.make(), network.input_shape, SGD | {"momentum": 0.5})
    run.parameters[:] = (simple_numbers(run.parameters.size, 2001) - 1000) / np.float32(1000 * 8)
    pixels = simple_numbers(100 * math.prod(network.input_shape), 256)
    images = pixels.astype(np.uint8).reshape(100, *network.input_shape)
    run.train(images, simple_numbers(100, 10), batch, 0.05, simple_numbers(steps * batch, 100))
    return run


def test_the_bits_are_those_that_were_recorded_on_another_machine(isa: str) -> None:
    found = hashlib.sha256(steps_of_simple_numbers().parameters.tobytes()).hexdigest()
    assert found == RECORDED["baseline" if isa == "baseline" else "fused"]


@pytest.mark.parametrize(
    "network, steps, off", [(LENET, 1, 2e-7), (LENET, 50, 2e-6), (RELU_MAX_POOL, 50, 1e-3)]
)
def test_the_baseline_differs_by_rounding_and_what_it_decides(
    network: Network, steps: int, off: float
) -> None:
    """A rounding may decide which pixel wins a pooling, and whether a ReLU lets it through."""
    if "baseline" not in _core.available_isas():
        pytest.skip("no kernels without fused multiply-adds")
    before, found = _core.isa(), []
    try:
        for name in ("baseline", _core.available_isas()[0]):
            _core.select_isa(name)
            found.append(steps_of_simple_numbers(network, steps).tensors)
    finally:
        _core.select_isa(before)
    for name, tensor in found[1].items():
        difference = np.abs(found[0][name] - tensor).max() / np.abs(tensor).max()
        assert difference <= off, f"{name}: {difference}"
