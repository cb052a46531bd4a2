"""Bad input on the device is refused as on the CPU: one line with the op, what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bad_input import Bad, assert_refused
from convlet import cuda, optim
from convlet import functional as f
from op_calls import CALLS, Call

pytestmark = pytest.mark.usefixtures("device")

TYPE, VALUE = TypeError, ValueError


def there(*shape: int, kind: str = "f4") -> cuda.DeviceArray:
    return cuda.array(np.zeros(shape, kind))


def here(*shape: int, kind: str = "f4") -> Any:
    return np.zeros(shape, kind)


def x() -> cuda.DeviceArray:
    return there(8, 3, 9, 7)


def w() -> cuda.DeviceArray:
    return there(6, 3, 5, 5)


def target(*labels: int) -> cuda.DeviceArray:
    return cuda.array(np.array(labels, np.int64))


SHAPES = [
    Bad("x of rank 3", "conv2d", lambda: f.conv2d(there(3, 9, 7), w()), VALUE, "(N, C, H, W)", "(3, 9, 7)"),
    Bad("weight of rank 3", "conv2d", lambda: f.conv2d(x(), there(3, 5, 5)), VALUE, "(O, ", "(3, 5, 5)"),
    Bad(
        "channels",
        "conv2d",
        lambda: f.conv2d(x(), there(6, 1, 5, 5)),
        VALUE,
        "(O, 3, KH, KW)",
        "(6, 1, 5, 5)",
    ),
    Bad("bias too long", "conv2d", lambda: f.conv2d(x(), w(), there(7)), VALUE, "(6,)", "(7,)"),
    Bad("kernel too tall", "conv2d", lambda: f.conv2d(x(), there(6, 3, 10, 2)), VALUE, "9", "10"),
    Bad("stride zero", "conv2d", lambda: f.conv2d(x(), w(), stride=0), VALUE, "at least 1", "0"),
    Bad("groups", "conv2d", lambda: f.conv2d(x(), w(), groups=2), VALUE, "divide", "2"),
    Bad(
        "dy",
        "conv2d_backward",
        lambda: f.conv2d_backward(there(8, 6, 5, 4), x(), w()),
        VALUE,
        "(8, 6, 5, 3)",
        "5, 4)",
    ),
    Bad(
        "a kernel of rank 4", "corr2d", lambda: f.corr2d(there(3, 3), w()), VALUE, "(KH, KW)", "(6, 3, 5, 5)"
    ),
    Bad("x of rank 2", "max_pool2d", lambda: f.max_pool2d(there(9, 7), 2), VALUE, "(N, C, H, W)", "(9, 7)"),
    Bad(
        "padding only",
        "avg_pool2d",
        lambda: f.avg_pool2d(x(), 2, 1, 2),
        VALUE,
        "at least one pixel",
        "padding",
    ),
    Bad(
        "dy",
        "max_pool2d_backward",
        lambda: f.max_pool2d_backward(there(8, 3, 4, 4), x(), 2),
        VALUE,
        "4, 3)",
        "4, 4)",
    ),
    Bad("features", "linear", lambda: f.linear(there(2, 5), there(3, 4)), VALUE, "(N, 4)", "(2, 5)"),
    Bad("bias", "linear", lambda: f.linear(there(2, 4), there(3, 4), there(2)), VALUE, "(3,)", "(2,)"),
    Bad("dy and y", "tanh_backward", lambda: f.tanh_backward(there(3), there(4)), VALUE, "(4,)", "(3,)"),
    Bad("no such axis", "softmax", lambda: f.softmax(there(2, 3), 2), VALUE, "-2..1", "2"),
    Bad("axis of a number", "log_softmax", lambda: f.log_softmax(there()), VALUE, "dimension", "()"),
    Bad(
        "dy and y",
        "softmax_backward",
        lambda: f.softmax_backward(there(3), there(4)),
        VALUE,
        "one shape",
        "(3,)",
    ),
    Bad("no such axis", "flatten", lambda: f.flatten(there(2, 3), 3), VALUE, "-2..1", "3"),
]

LOSS = [
    Bad(
        "too large",
        "cross_entropy",
        lambda: f.cross_entropy(there(4, 3), target(0, 1, 3, 0)),
        VALUE,
        "0..2",
        "3 at",
    ),
    Bad(
        "negative",
        "cross_entropy",
        lambda: f.cross_entropy(there(2, 3), target(0, -1)),
        VALUE,
        "0..2",
        "position 1",
    ),
    Bad(
        "of a picture",
        "cross_entropy_backward",
        lambda: f.cross_entropy_backward(there(2, 3, 2), target(0, 1, 2, 9).reshape(2, 2)),
        VALUE,
        "0..2",
        "9 at position (1, 1)",
    ),
    Bad("of one image", "cross_entropy", lambda: f.cross_entropy(there(3), target(7)[0]), VALUE, "0..2", "7"),
    Bad(
        "float labels",
        "cross_entropy",
        lambda: f.cross_entropy(there(4, 3), there(4)),
        TYPE,
        "int64 for labels",
        "f",
    ),
    Bad(
        "missing", "cross_entropy", lambda: f.cross_entropy(there(4, 3), target(0, 1)), VALUE, "(4,)", "(2,)"
    ),
    Bad(
        "weights too few",
        "cross_entropy",
        lambda: f.cross_entropy(there(1, 3), target(0), there(2)),
        VALUE,
        "(3,)",
        "(2,)",
    ),
    Bad(
        "nothing",
        "cross_entropy",
        lambda: f.cross_entropy(there(0, 3), target()[:0]),
        VALUE,
        "the mean",
        "0 of 0",
    ),
    Bad(
        "all ignored",
        "cross_entropy_backward",
        lambda: f.cross_entropy_backward(there(2, 3), target(-100, -100)),
        VALUE,
        "the mean",
        "0 of 2",
    ),
    Bad("no classes", "cross_entropy", lambda: f.cross_entropy(there(1, 0), target(0)), VALUE, "1", "0"),
]


def step(parameters: dict[str, Any], gradients: dict[str, Any]) -> Callable[[], None]:
    return lambda: optim.SGD(0.5, momentum=0.5).step(parameters, gradients)


def steps() -> list[Bad]:
    if not cuda.is_available():
        return []
    op, g = "SGD.step", there(2)
    return [
        Bad(
            "integers",
            op,
            step({"w": there(2, kind="i8")}, {"w": g}),
            TYPE,
            "float32 for parameter w",
            "int64",
        ),
        Bad(
            "gradient here",
            op,
            step({"w": there(2)}, {"w": here(2)}),
            TYPE,
            "one device",
            "gradient w on the CPU",
        ),
        Bad("gradient there", op, step({"w": here(2)}, {"w": g}), TYPE, "one device", "gradient w on cuda:"),
        Bad(
            "parameters apart",
            op,
            step({"w": here(2), "v": there(2)}, {"w": here(2), "v": g}),
            TYPE,
            "one",
            "v on cuda",
        ),
        Bad("shapes", op, step({"w": there(2)}, {"w": there(3)}), VALUE, "w of shape (2,)", "(3,)"),
    ]


@pytest.mark.parametrize("bad", SHAPES + LOSS, ids=str)
def test_refusals_name_the_op_what_was_expected_and_what_came(bad: Bad):
    assert_refused(bad)


def test_bad_steps_are_refused():
    for bad in steps():
        assert_refused(bad)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_arrays_at_two_places_are_refused(call: Call, rng: np.random.Generator):
    """Whichever of them lies on the CPU; the message says which is where."""
    arrays = call.arrays(rng, 2)
    if len(arrays) == 1:
        pytest.skip("takes a single array")
    for lonely in arrays:
        mixed = {name: a if name == lonely else cuda.array(a) for name, a in arrays.items()}
        spoken = "labels" if lonely == "target" else lonely
        op = call.name.removesuffix("_backward")
        expected = rf"^{op}.*: expected all arrays on one device, got .*{spoken} on the CPU"
        with pytest.raises(TypeError, match=expected):
            call.run(**mixed)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
@pytest.mark.parametrize("kind", ["uint8", "int64"])
def test_no_type_is_converted_on_the_device(call: Call, kind: str, rng: np.random.Generator):
    arrays = {name: cuda.array(a) for name, a in call.arrays(rng, 2).items()}
    for name, array in arrays.items():
        if name == "target" and kind == "int64":
            continue
        wrong = cuda.array(np.zeros(array.shape, kind))
        spoken = "int64 for labels" if name == "target" else f"float32 for {name}"
        with pytest.raises(TypeError, match=rf"^{call.name}: expected {spoken} on the device, got {kind}$"):
            call.run(**(arrays | {name: wrong}))
