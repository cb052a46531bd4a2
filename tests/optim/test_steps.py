"""Optimizers over many steps, and the state that they carry along."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from convlet import nn, optim

SHAPES = {"weight": (3, 4), "bias": (3,), "scale": ()}
NAN, INF = float("nan"), float("inf")

SGD_OPTIONS = [
    {"momentum": momentum, "dampening": dampening, "weight_decay": decay, "nesterov": nesterov}
    for momentum, dampening, decay, nesterov in itertools.product(
        (0.0, 0.9), (0.0, 0.3), (0.0, 0.05), (False, True)
    )
    if not nesterov or (momentum and not dampening)
]
ADAM_OPTIONS = [
    {"betas": betas, "eps": eps, "weight_decay": decay}
    for betas, eps, decay in itertools.product(
        ((0.9, 0.999), (0.5, 0.8), (0.0, 0.0)), (1e-8, 1e-2), (0.0, 0.05)
    )
]
EVERY_OPTION = [
    *(("SGD", options) for options in SGD_OPTIONS),
    *((kind, options) for kind in ("Adam", "AdamW") for options in ADAM_OPTIONS),
]


def tensors(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {name: np.asarray(rng.standard_normal(shape), np.float32) for name, shape in SHAPES.items()}


@pytest.mark.torch
@pytest.mark.parametrize("kind, options", EVERY_OPTION, ids=str)
def test_twenty_steps_agree_with_torch(kind: str, options: dict[str, Any]):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    parameters, lr = tensors(rng), 0.05
    theirs = {name: torch.tensor(array) for name, array in parameters.items()}
    mine, reference = (
        getattr(optim, kind)(lr, **options),
        getattr(torch.optim, kind)(theirs.values(), lr, **options),
    )
    for _ in range(20):
        gradients = tensors(rng)
        for name, gradient in gradients.items():
            theirs[name].grad = torch.tensor(gradient)
        mine.step(parameters, gradients)
        reference.step()
    for name, array in parameters.items():
        np.testing.assert_allclose(array, theirs[name].numpy(), rtol=2e-5, atol=2e-6)


def make(kind: str) -> optim.Optimizer:
    return {
        "sgd": lambda: optim.SGD(0.1),
        "momentum": lambda: optim.SGD(0.1, 0.9, weight_decay=0.01, nesterov=True),
        "adam": lambda: optim.Adam(0.01),
        "adamw": lambda: optim.AdamW(0.01),
    }[kind]()


KINDS = ("sgd", "momentum", "adam", "adamw")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_from_its_state_with_the_same_bits(kind: str):
    rng = np.random.default_rng(1)
    parameters, gradients = tensors(rng), [tensors(rng) for _ in range(6)]
    whole, first = make(kind), make(kind)
    expected = {name: array.copy() for name, array in parameters.items()}
    for g in gradients:
        whole.step(expected, g)
    for g in gradients[:3]:
        first.step(parameters, g)
    second = type(first)(lr=7)
    second.load_state_dict(first.state_dict())
    assert second.steps_done == 3
    assert repr(second) == repr(first)
    for g in gradients[3:]:
        second.step(parameters, g)
    assert all(np.array_equal(parameters[name], expected[name]) for name in SHAPES)


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_and_plain_arrays_share_the_state(kind: str):
    """The engine sees one flat array in the order of the names; a step on a dict sees the same memory."""
    rng = np.random.default_rng(2)
    optimizer, parameters = make(kind), tensors(rng)
    flat = optimizer.state_arrays(16)
    assert flat.shape == (optimizer.buffers, 16)
    assert flat.dtype == np.float32
    assert flat.flags.c_contiguous
    assert not flat.any()
    optimizer.step(parameters, tensors(rng))
    assert optimizer.state_arrays(16) is flat
    assert flat.all()
    assert np.array_equal(optimizer.state_dict()["state"], flat)
    assert not np.shares_memory(optimizer.state_dict()["state"], flat)


def test_the_order_of_the_names_does_not_matter():
    rng = np.random.default_rng(3)
    parameters = tensors(rng)
    turned = {name: parameters[name].copy() for name in reversed(SHAPES)}
    a, b = optim.Adam(0.1), optim.Adam(0.1)
    for _ in range(3):
        gradients = tensors(rng)
        a.step(parameters, gradients)
        b.step(turned, {name: gradients[name] for name in reversed(SHAPES)})
        turned = {name: turned[name] for name in SHAPES}
    assert all(np.array_equal(parameters[name], turned[name]) for name in SHAPES)


def test_gradients_may_be_of_any_real_type_and_are_left_alone():
    parameters = {"w": np.ones(3, np.float32)}
    gradients = {"w": np.array([1, 2, 3])}
    optim.SGD(0.5).step(parameters, gradients)
    assert parameters["w"].tolist() == [0.5, 0, -0.5]
    assert gradients["w"].tolist() == [1, 2, 3]


def test_a_learning_rate_may_be_given_for_one_step():
    parameters, optimizer = {"w": np.ones(2, np.float32)}, optim.SGD(0.5)
    optimizer.step(parameters, {"w": np.ones(2)}, lr=0.25)
    assert parameters["w"].tolist() == [0.75, 0.75]
    optimizer.lr = 0.125
    optimizer.step(parameters, {"w": np.ones(2)})
    assert parameters["w"].tolist() == [0.625, 0.625]


def test_a_net_steps_through_its_live_parameters(rng: np.random.Generator):
    net, optimizer = nn.Sequential(nn.Linear(4, 3, seed=0)), optim.SGD(0.5, momentum=0.9)
    x, y, losses = rng.standard_normal((20, 4)).astype(np.float32), rng.integers(0, 3, 20), []
    held = net[0].weight
    for _ in range(30):
        loss, gradients = net.loss_and_gradients(x, y)
        losses.append(loss)
        optimizer.step(net.parameters(), gradients)
    assert net[0].weight is held
    assert losses[-1] < 0.8 * losses[0]


BAD_STEPS = {
    "float64": (
        {"w": np.ones(2)},
        {"w": np.ones(2)},
        TypeError,
        "parameter w to be a float32 array, got float64",
    ),
    "a list": (
        {"w": [1.0, 2.0]},
        {"w": np.ones(2)},
        TypeError,
        "parameter w to be a float32 array, got list",
    ),
    "Fortran order": (
        {"w": np.asfortranarray(np.ones((2, 2), np.float32))},
        {"w": np.ones((2, 2))},
        TypeError,
        "parameter w to be a writable array in C order",
    ),
    "read-only": (
        {"w": np.broadcast_to(np.float32(1), (1,))},
        {"w": np.ones(1)},
        TypeError,
        "parameter w to be a writable array in C order",
    ),
    "no gradient": ({"w": np.ones(2, np.float32)}, {}, ValueError, "gradients: missing w"),
    "a gradient too many": ({}, {"w": np.ones(2)}, ValueError, "gradients: unexpected w"),
    "another shape": (
        {"w": np.ones(2, np.float32)},
        {"w": np.ones(3)},
        ValueError,
        r"gradients: expected w of shape \(2,\), got \(3,\)",
    ),
    "complex": (
        {"w": np.ones(2, np.float32)},
        {"w": 1j * np.ones(2)},
        TypeError,
        "real numbers for w, got dtype",
    ),
}


@pytest.mark.parametrize("parameters, gradients, error, message", BAD_STEPS.values(), ids=BAD_STEPS)
def test_bad_steps_are_refused_before_anything_is_updated(parameters, gradients, error, message: str):
    good = np.ones(3, np.float32)
    optimizer = optim.SGD(0.5, momentum=0.5)
    with pytest.raises(error, match=rf"^SGD\.step: .*{message}"):
        optimizer.step({"good": good} | parameters, {"good": np.ones(3)} | gradients)
    assert (good == 1).all()
    assert optimizer.steps_done == 0


def test_an_optimizer_stays_with_its_parameters():
    optimizer = optim.Adam()
    optimizer.step({"w": np.ones(2, np.float32)}, {"w": np.ones(2)})
    with pytest.raises(ValueError, match=r"Adam\.step: parameters: missing w; unexpected v"):
        optimizer.step({"v": np.ones(2, np.float32)}, {"v": np.ones(2)})
    with pytest.raises(ValueError, match=r"Adam: expected state of shape \(2, 3\), got \(2, 2\)"):
        optimizer.state_arrays(3)
    plain = optim.SGD(0.1)
    plain.step({"w": np.ones(2, np.float32)}, {"w": np.ones(2)})
    plain.momentum = 0.9
    with pytest.raises(ValueError, match=r"SGD: expected state of shape \(1, 2\), got \(0, 2\)"):
        plain.step({"w": np.ones(2, np.float32)}, {"w": np.ones(2)})


BAD_SETTINGS = {
    "negative rate": (lambda: optim.SGD(-0.1), ValueError, "SGD: expected lr of at least 0, got -0.1"),
    "NaN rate": (lambda: optim.Adam(NAN), ValueError, "Adam: expected lr to be finite, got nan"),
    "infinite rate": (lambda: optim.AdamW(INF), ValueError, "AdamW: expected lr to be finite, got inf"),
    "a word": (lambda: optim.SGD("fast"), TypeError, "SGD: expected lr to be a real number, got 'fast'"),
    "a complex rate": (lambda: optim.SGD(1j), TypeError, "SGD: expected lr to be a real number"),
    "a boolean": (
        lambda: optim.SGD(0.1, momentum=True),
        TypeError,
        "SGD: expected momentum to be a real number",
    ),
    "NaN momentum": (lambda: optim.SGD(0.1, NAN), ValueError, "SGD: expected momentum to be finite, got nan"),
    "NaN dampening": (lambda: optim.SGD(0.1, 0.9, NAN), ValueError, "SGD: expected dampening to be finite"),
    "negative decay": (
        lambda: optim.SGD(0.1, weight_decay=-1),
        ValueError,
        "SGD: expected weight_decay of at least 0, got -1",
    ),
    "nesterov alone": (
        lambda: optim.SGD(0.1, nesterov=True),
        ValueError,
        "SGD: expected momentum above 0 and dampening 0 with nesterov=True, got momentum=0.0",
    ),
    "nesterov with dampening": (
        lambda: optim.SGD(0.1, 0.9, 0.1, nesterov=True),
        ValueError,
        "got momentum=0.9",
    ),
    "nesterov a number": (
        lambda: optim.SGD(0.1, nesterov=1),
        TypeError,
        "SGD: expected nesterov to be True or False",
    ),
    "beta of one": (lambda: optim.Adam(betas=(0.9, 1)), ValueError, "Adam: expected betas below 1, got"),
    "negative beta": (
        lambda: optim.Adam(betas=(-0.1, 0.9)),
        ValueError,
        "Adam: expected betas of at least 0",
    ),
    "NaN beta": (lambda: optim.Adam(betas=(0.9, NAN)), ValueError, "Adam: expected betas to be finite"),
    "one beta": (
        lambda: optim.Adam(betas=(0.9,)),
        ValueError,
        "Adam: expected betas to be a pair of numbers",
    ),
    "a number of betas": (
        lambda: optim.Adam(betas=0.9),
        TypeError,
        "Adam: expected betas to be a pair of numbers",
    ),
    "negative eps": (
        lambda: optim.AdamW(eps=-1e-8),
        ValueError,
        "AdamW: expected eps of at least 0, got -1e-08",
    ),
    "no schedule": (
        lambda: optim.SGD(0.1, schedule=0.5),
        TypeError,
        "SGD: expected schedule to be a function",
    ),
}


@pytest.mark.parametrize("call, error, message", BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings_are_refused(call, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        call()


def test_settings_are_checked_whenever_they_are_assigned():
    optimizer = optim.Adam()
    for name in ("lr", "eps", "weight_decay"):
        with pytest.raises(ValueError, match=f"Adam: expected {name} to be finite, got nan"):
            setattr(optimizer, name, NAN)
    with pytest.raises(ValueError, match="Adam: expected betas below 1"):
        optimizer.betas = (0.5, 2)
    assert repr(optimizer) == "Adam(lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)"
    late = optim.SGD(0.1, momentum=0.9, nesterov=True)
    late.momentum = 0
    with pytest.raises(ValueError, match="SGD: expected momentum above 0"):
        late.spec()


def test_the_engine_gets_plain_data():
    sgd = {
        "kind": "sgd",
        "momentum": 0.9,
        "dampening": 0.0,
        "weight_decay": 0.0,
        "nesterov": False,
        "step": 0,
    }
    assert optim.SGD(0.1, 0.9).spec() == sgd
    adam = {"kind": "adam", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01, "step": 0}
    assert optim.AdamW().spec() == adam | {"decoupled": True}
    assert optim.Adam(weight_decay=0.01).spec() == adam | {"decoupled": False}


def test_bad_states_are_refused_and_change_nothing():
    optimizer = optim.SGD(0.1, momentum=0.9)
    good = optimizer.state_dict()
    for bad, error, message in (
        (good | {"kind": "adam"}, ValueError, "expected kind to be one of sgd, got 'adam'"),
        (good | {"more": 1}, ValueError, "expected kind, settings, state, steps_done"),
        ({"kind": "sgd"}, ValueError, "expected kind, settings, state, steps_done"),
        (good | {"settings": {"lr": 1}}, ValueError, "expected settings lr, momentum, dampening"),
        (good | {"settings": good["settings"] | {"lr": NAN}}, ValueError, "lr to be finite"),
        (good | {"steps_done": -1}, ValueError, "steps_done of at least 0, got -1"),
        (good | {"steps_done": 1.5}, TypeError, "steps_done to be an integer"),
        (good | {"state": np.ones((2, 3))}, ValueError, r"state of shape \(1, P\), got \(2, 3\)"),
    ):
        with pytest.raises(error, match=message):
            optimizer.load_state_dict(bad)
    after = optimizer.state_dict()
    assert {name: after[name] for name in ("kind", "settings", "steps_done")} == {
        name: good[name] for name in ("kind", "settings", "steps_done")
    }
