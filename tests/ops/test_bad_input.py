"""Bad input is refused with the right type of error, which names the op, what was expected and what came.

Every row of the tables is a call that must fail. A wrong type (complex numbers, a float where a size belongs)
is a `TypeError`, a wrong value (a rank, a shape, a range) a `ValueError`; the message begins with the name of
the op and holds both fragments.
"""

from __future__ import annotations

import numpy as np
import pytest

from bad_input import Bad, assert_refused
from convlet import functional as f


def zeros(*shape: int, kind: str = "f4") -> np.ndarray:
    return np.zeros(shape, kind)


X, W = zeros(8, 3, 9, 7), zeros(6, 3, 5, 5)
DY = zeros(8, 6, 5, 3)
LOGITS, TARGET = zeros(4, 3), zeros(4, kind="i8")
NAN, INF = float("nan"), float("inf")
HUGE = 2**40
TYPE, VALUE = TypeError, ValueError


CONVOLUTION = [
    Bad("x of rank 3", "conv2d", lambda: f.conv2d(X[0], W), VALUE, "(N, C, H, W)", "(3, 9, 7)"),
    Bad("x of rank 0", "conv2d", lambda: f.conv2d(np.float32(1), W), VALUE, "(N, C, H, W)", "()"),
    Bad("weight of rank 3", "conv2d", lambda: f.conv2d(X, W[0]), VALUE, "(O, ", "(3, 5, 5)"),
    Bad(
        "channels differ",
        "conv2d",
        lambda: f.conv2d(X, zeros(6, 1, 5, 5)),
        VALUE,
        "(O, 3, KH, KW)",
        "(6, 1, 5, 5)",
    ),
    Bad("bias too long", "conv2d", lambda: f.conv2d(X, W, zeros(7)), VALUE, "(6,)", "(7,)"),
    Bad("bias of rank 2", "conv2d", lambda: f.conv2d(X, W, zeros(6, 1)), VALUE, "(6,)", "(6, 1)"),
    Bad("bias a number", "conv2d", lambda: f.conv2d(X, W, 1.0), VALUE, "(6,)", "()"),
    Bad("kernel too tall", "conv2d", lambda: f.conv2d(X, zeros(6, 3, 10, 2)), VALUE, "9", "10"),
    Bad("kernel too wide", "conv2d", lambda: f.conv2d(X, zeros(6, 3, 2, 10), padding=1), VALUE, "9", "10"),
    Bad("dilated too tall", "conv2d", lambda: f.conv2d(X, W, dilation=(3, 1)), VALUE, "9", "13"),
    Bad("kernel without rows", "conv2d", lambda: f.conv2d(X, zeros(6, 3, 0, 5)), VALUE, "at least 1", "0"),
    Bad("stride zero", "conv2d", lambda: f.conv2d(X, W, stride=0), VALUE, "stride of at least 1", "0"),
    Bad(
        "stride negative",
        "conv2d",
        lambda: f.conv2d(X, W, stride=(1, -2)),
        VALUE,
        "stride of at least 1",
        "-2",
    ),
    Bad(
        "stride fractional",
        "conv2d",
        lambda: f.conv2d(X, W, stride=1.5),
        TYPE,
        "stride to be an integer",
        "1.5",
    ),
    Bad(
        "stride a float",
        "conv2d",
        lambda: f.conv2d(X, W, stride=(1, 2.0)),
        TYPE,
        "stride to be an integer",
        "2.0",
    ),
    Bad("stride of three", "conv2d", lambda: f.conv2d(X, W, stride=(1, 2, 3)), VALUE, "pair", "(1, 2, 3)"),
    Bad(
        "stride a boolean",
        "conv2d",
        lambda: f.conv2d(X, W, stride=True),
        TYPE,
        "stride to be an integer",
        "True",
    ),
    Bad(
        "stride none", "conv2d", lambda: f.conv2d(X, W, stride=None), TYPE, "stride to be an integer", "None"
    ),
    Bad("stride huge", "conv2d", lambda: f.conv2d(X, W, stride=HUGE), VALUE, "at most 2147483647", str(HUGE)),
    Bad("dilation zero", "conv2d", lambda: f.conv2d(X, W, dilation=0), VALUE, "dilation of at least 1", "0"),
    Bad(
        "dilation a word",
        "conv2d",
        lambda: f.conv2d(X, W, dilation="2"),
        TYPE,
        "dilation to be an integer",
        "'2'",
    ),
    Bad("dilation overflows", "conv2d", lambda: f.conv2d(X, W, dilation=2**31 - 1), VALUE, "9", "8589934589"),
    Bad(
        "padding negative", "conv2d", lambda: f.conv2d(X, W, padding=-1), VALUE, "padding of at least 0", "-1"
    ),
    Bad(
        "padding of three",
        "conv2d",
        lambda: f.conv2d(X, W, padding=(1, 2, 3)),
        VALUE,
        "four sides",
        "(1, 2, 3)",
    ),
    Bad("padding unknown", "conv2d", lambda: f.conv2d(X, W, padding="full"), VALUE, "same, valid", "'full'"),
    Bad("same with stride", "conv2d", lambda: f.conv2d(X, W, 0, 2, "same"), VALUE, "stride 1", "(2, 2)"),
    Bad(
        "output overflows",
        "conv2d",
        lambda: f.conv2d(X, W, padding=2**31 - 1),
        VALUE,
        "fits in memory",
        "25769803794",
    ),
    Bad("groups zero", "conv2d", lambda: f.conv2d(X, W, groups=0), VALUE, "groups of at least 1", "0"),
    Bad("groups and inputs", "conv2d", lambda: f.conv2d(X, W, groups=2), VALUE, "divide", "2"),
    Bad(
        "groups and outputs", "conv2d", lambda: f.conv2d(X, zeros(4, 1, 2, 2), groups=3), VALUE, "divide", "3"
    ),
    Bad(
        "no output channel",
        "conv2d",
        lambda: f.conv2d(X, zeros(0, 3, 5, 5)),
        VALUE,
        "at least one output channel",
        "0",
    ),
    Bad("complex x", "conv2d", lambda: f.conv2d(X.astype("c8"), W), TYPE, "real numbers for x", "complex64"),
    Bad(
        "object weight",
        "conv2d",
        lambda: f.conv2d(X, W.astype("O")),
        TYPE,
        "real numbers for weight",
        "object",
    ),
    Bad("boolean x", "conv2d", lambda: f.conv2d(X > 0, W), TYPE, "real numbers for x", "bool"),
    Bad("x a word", "conv2d", lambda: f.conv2d("x", W), TYPE, "real numbers for x", "str"),
    Bad("x missing", "conv2d", lambda: f.conv2d(None, W), TYPE, "real numbers for x", "None"),
    Bad("ragged x", "conv2d", lambda: f.conv2d([[1], [2, 3]], W), VALUE, "an array for x", "list"),
    Bad(
        "dy of the wrong size",
        "conv2d_backward",
        lambda: f.conv2d_backward(zeros(8, 6, 5, 4), X, W),
        VALUE,
        "(8, 6, 5, 3)",
        "(8, 6, 5, 4)",
    ),
    Bad(
        "dy of another batch",
        "conv2d_backward",
        lambda: f.conv2d_backward(DY[:7], X, W),
        VALUE,
        "(8, 6, 5, 3)",
        "(7, 6, 5, 3)",
    ),
    Bad("complex dy", "conv2d_backward", lambda: f.conv2d_backward(DY * 1j, X, W), TYPE, "for dy", "complex"),
    Bad("kernel of rank 4", "corr2d", lambda: f.corr2d(zeros(3, 3), W), VALUE, "(KH, KW)", "(6, 3, 5, 5)"),
    Bad("image of rank 1", "corr2d", lambda: f.corr2d(zeros(3), zeros(2, 2)), VALUE, "(H, W)", "(3,)"),
    Bad("kernel too large", "corr2d", lambda: f.corr2d(zeros(3, 3), zeros(4, 2)), VALUE, "3", "4"),
]

POOLING = [
    Bad("x of rank 2", "max_pool2d", lambda: f.max_pool2d(X[0, 0], 2), VALUE, "(N, C, H, W)", "(9, 7)"),
    Bad("kernel zero", "max_pool2d", lambda: f.max_pool2d(X, 0), VALUE, "kernel_size of at least 1", "0"),
    Bad(
        "kernel negative",
        "avg_pool2d",
        lambda: f.avg_pool2d(X, (2, -1)),
        VALUE,
        "kernel_size of at least 1",
        "-1",
    ),
    Bad(
        "kernel fractional",
        "max_pool2d",
        lambda: f.max_pool2d(X, 2.5),
        TYPE,
        "kernel_size to be an integer",
        "2.5",
    ),
    Bad("kernel too large", "max_pool2d", lambda: f.max_pool2d(X, (10, 2)), VALUE, "9", "10"),
    Bad("kernel too wide", "avg_pool2d", lambda: f.avg_pool2d(X, (2, 8)), VALUE, "7", "8"),
    Bad("stride zero", "avg_pool2d", lambda: f.avg_pool2d(X, 2, 0), VALUE, "stride of at least 1", "0"),
    Bad("same with stride", "max_pool2d", lambda: f.max_pool2d(X, 2, 2, "same"), VALUE, "stride 1", "(2, 2)"),
    Bad(
        "window of padding",
        "max_pool2d",
        lambda: f.max_pool2d(X, 2, 1, 2),
        VALUE,
        "at least one pixel",
        "padding",
    ),
    Bad(
        "window of padding",
        "avg_pool2d",
        lambda: f.avg_pool2d(X, 2, 1, 2),
        VALUE,
        "at least one pixel",
        "padding",
    ),
    Bad(
        "window between pixels",
        "max_pool2d",
        lambda: f.max_pool2d(zeros(1, 1, 1, 5), (2, 1), 1, (1, 1, 0, 0), dilation=(2, 1)),
        VALUE,
        "at least one pixel",
        "padding",
    ),
    Bad(
        "divisor zero", "avg_pool2d", lambda: f.avg_pool2d(X, 2, divisor_override=0), VALUE, "at least 1", "0"
    ),
    Bad(
        "divisor a float",
        "avg_pool2d",
        lambda: f.avg_pool2d(X, 2, divisor_override=2.0),
        TYPE,
        "an integer",
        "2.0",
    ),
    Bad("ceil a number", "max_pool2d", lambda: f.max_pool2d(X, 2, ceil_mode=1), TYPE, "True or False", "1"),
    Bad("complex x", "avg_pool2d", lambda: f.avg_pool2d(X * 1j, 2), TYPE, "real numbers for x", "complex"),
    Bad(
        "no rows at all", "avg_pool2d", lambda: f.avg_pool2d(zeros(2, 3, 0, 4), 1), VALUE, "(0, 4)", "(1, 1)"
    ),
    Bad(
        "dy of the wrong size",
        "max_pool2d_backward",
        lambda: f.max_pool2d_backward(zeros(8, 3, 4, 4), X, 2),
        VALUE,
        "(8, 3, 4, 3)",
        "(8, 3, 4, 4)",
    ),
    Bad(
        "dy of other channels",
        "avg_pool2d_backward",
        lambda: f.avg_pool2d_backward(zeros(8, 2, 4, 3), X, 2),
        VALUE,
        "(8, 3, 4, 3)",
        "(8, 2, 4, 3)",
    ),
]

DENSE = [
    Bad("x of rank 4", "linear", lambda: f.linear(X, zeros(2, 7)), VALUE, "(N, in_features)", "(8, 3, 9, 7)"),
    Bad("features differ", "linear", lambda: f.linear(zeros(2, 5), zeros(3, 4)), VALUE, "(N, 4)", "(2, 5)"),
    Bad(
        "bias too short",
        "linear",
        lambda: f.linear(zeros(2, 4), zeros(3, 4), zeros(2)),
        VALUE,
        "(3,)",
        "(2,)",
    ),
    Bad(
        "weight of rank 1",
        "linear",
        lambda: f.linear(zeros(2, 4), zeros(4)),
        VALUE,
        "(out_features, in_features)",
        "(4,)",
    ),
    Bad(
        "dy of other outputs",
        "linear_backward",
        lambda: f.linear_backward(zeros(2, 5), zeros(2, 4), zeros(3, 4)),
        VALUE,
        "(2, 3)",
        "(2, 5)",
    ),
    Bad("dates", "relu", lambda: f.relu(np.zeros(2, "M8[s]")), TYPE, "real numbers for x", "datetime64"),
    Bad("words", "sigmoid", lambda: f.sigmoid(np.array(["a"])), TYPE, "real numbers for x", "<U1"),
    Bad("complex numbers", "tanh", lambda: f.tanh(1j), TYPE, "real numbers for x", "complex"),
    Bad(
        "dy and y differ", "tanh_backward", lambda: f.tanh_backward(zeros(3), zeros(4)), VALUE, "(4,)", "(3,)"
    ),
    Bad("no such axis", "softmax", lambda: f.softmax(zeros(2, 3), 2), VALUE, "-2..1", "2"),
    Bad("axis of a number", "log_softmax", lambda: f.log_softmax(np.float32(1)), VALUE, "dimension", "()"),
    Bad("axis a float", "log_softmax", lambda: f.log_softmax(zeros(2, 3), 1.0), TYPE, "an integer", "1.0"),
]

LOSS = [
    Bad(
        "label too large", "cross_entropy", lambda: f.cross_entropy(LOGITS, [0, 1, 3, 0]), VALUE, "0..2", "3"
    ),
    Bad(
        "label negative", "cross_entropy", lambda: f.cross_entropy(LOGITS, [0, -1, 0, 0]), VALUE, "0..2", "-1"
    ),
    Bad(
        "float labels", "cross_entropy", lambda: f.cross_entropy(LOGITS, zeros(4)), TYPE, "integer", "float32"
    ),
    Bad(
        "boolean labels",
        "cross_entropy",
        lambda: f.cross_entropy(LOGITS, zeros(4) > 0),
        TYPE,
        "integer",
        "bool",
    ),
    Bad(
        "labels missing", "cross_entropy", lambda: f.cross_entropy(LOGITS, TARGET[:3]), VALUE, "(4,)", "(3,)"
    ),
    Bad(
        "one-hot labels",
        "cross_entropy",
        lambda: f.cross_entropy(LOGITS, np.eye(4, 3, dtype=int)),
        VALUE,
        "(4,)",
        "(4, 3)",
    ),
    Bad(
        "logits of rank 1",
        "cross_entropy",
        lambda: f.cross_entropy(zeros(3), TARGET),
        VALUE,
        "(N, K)",
        "(3,)",
    ),
    Bad(
        "weights too few",
        "cross_entropy",
        lambda: f.cross_entropy(LOGITS, TARGET, zeros(2)),
        VALUE,
        "(3,)",
        "(2,)",
    ),
    Bad(
        "reduction unknown",
        "cross_entropy",
        lambda: f.cross_entropy(LOGITS, TARGET, reduction="max"),
        VALUE,
        "mean, sum, none",
        "'max'",
    ),
    Bad(
        "smoothing above one",
        "cross_entropy",
        lambda: f.cross_entropy(LOGITS, TARGET, label_smoothing=1.5),
        VALUE,
        "at most 1",
        "1.5",
    ),
    Bad(
        "smoothing no number",
        "cross_entropy",
        lambda: f.cross_entropy(LOGITS, TARGET, label_smoothing=NAN),
        VALUE,
        "finite",
        "nan",
    ),
    Bad(
        "mean of nothing",
        "cross_entropy",
        lambda: f.cross_entropy(zeros(0, 3), TARGET[:0]),
        VALUE,
        "mean",
        "0",
    ),
    Bad("no classes", "cross_entropy", lambda: f.cross_entropy(zeros(4, 0), TARGET), VALUE, "1", "0"),
    Bad(
        "label too large",
        "cross_entropy_backward",
        lambda: f.cross_entropy_backward(LOGITS, TARGET + 7),
        VALUE,
        "0..2",
        "7",
    ),
]


@pytest.mark.parametrize("bad", CONVOLUTION + POOLING + DENSE + LOSS, ids=str)
def test_refusals_name_the_op_what_was_expected_and_what_came(bad: Bad):
    assert_refused(bad)
