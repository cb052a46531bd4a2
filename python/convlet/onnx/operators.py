"""The operators of ONNX that convlet runs, each a call of :mod:`convlet.functional`.

An operator's function takes the node's inputs by position, ``None`` for one that is left out, and its
attributes by name, and gives all outputs that the operator can have. Where an operator changed its meaning
from one opset to another it has several functions.

Source: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import functional
from .._arrays import Array, Labels
from .._arrays import axis as axis_of
from .model import Graph, Node, Type, UnsupportedError
from .windows import sliding

__all__ = ["OPERATORS", "Operator", "check_graph", "function_of", "run"]

Outputs = tuple[NDArray[Any], ...]
Sizes = Sequence[int]
_NO_LABEL = -(2**63)  # an ignore_index for losses without one


def average_pool(
    x: Array,
    *,
    kernel_shape: Sizes,
    count_include_pad: int = 0,
    **steps: Any,
) -> Outputs:
    """Of one or two spatial axes; the padding counts only where the model says so."""
    (kernel, stride, padding, dilation), ceil = sliding(x.shape[2:], kernel_shape, **steps)
    y = functional.avg_pool2d(
        _image(x), kernel, stride, padding, ceil, bool(count_include_pad), dilation=dilation
    )
    return (_as_wide(y, x),)


def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    group: int = 1,
    kernel_shape: Sizes = (),
    **steps: Any,
) -> Outputs:
    """Of one or two spatial axes."""
    kernel = weight.shape[2:]
    if kernel_shape and tuple(kernel_shape) != kernel:
        raise ValueError(f"expected kernel_shape {kernel} as the weight has it, got {tuple(kernel_shape)}")
    window, _ = sliding(x.shape[2:], kernel, **steps)
    y = functional.conv2d(_image(x), _image(weight), bias, *window[1:], groups=group)
    return (_as_wide(y, x),)


def div(a: Array, b: Array) -> Outputs:
    """Number by number, with b, or a, as wide as the other."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (np.divide(a, b),)


def dropout(
    x: Array, amount: Array | None = None, training: NDArray[np.bool_] | None = None, *, seed: int = 0
) -> Outputs:
    """The input itself, and that nothing was dropped; at training only with a ratio of 0."""
    if training is not None and training.item() and (amount is None or amount.item() != 0):
        raise UnsupportedError("dropout in training mode")
    return x, np.ones(x.shape, np.bool_)


def dropout_with_a_mask_of_bools(x: Array, *, ratio: float = 0.5) -> Outputs:
    """The dropout of opsets 10 and 11, which is for inference only."""
    return dropout(x)


def dropout_with_a_mask_of_numbers(x: Array, *, ratio: float = 0.5) -> Outputs:
    """The dropout of opsets 7 to 9, which is for inference only."""
    return x, np.ones_like(x)


def dropout_with_a_flag(x: Array, *, is_test: int = 0, ratio: float = 0.5) -> Outputs:
    """The dropout of the first opsets, which trains unless it is told otherwise."""
    if not is_test:
        raise UnsupportedError("dropout in training mode, is_test=0")
    return x, np.ones_like(x)


def flatten(x: Array, *, axis: int = 1) -> Outputs:
    """Two axes from all: those before ``axis``, and the rest."""
    return (x.reshape((x.size, 1) if axis == x.ndim else _halves(x, axis)),)


def gemm(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Outputs:
    """``alpha * A @ B + beta * C``; as a dense layer, with its bits, where it is no more than one."""
    x, weight = (a.T if transA else a), (b if transB else b.T)
    if c is not None and c.shape in ((len(weight),), (1, len(weight))) and alpha == beta == 1:
        return (functional.linear(x, weight, c.reshape(-1)),)
    y = functional.linear(x, weight) * np.float32(alpha)
    if c is None:
        return (y,)
    offsets = np.broadcast_to(c * np.float32(beta), y.shape)
    return (y + offsets,)


def gemm_without_broadcast(a: Array, b: Array, c: Array, *, broadcast: int = 0, **options: Any) -> Outputs:
    """The gemm of opsets 1 to 6, which broadcasts C only if it is told to."""
    (y,) = gemm(a, b, c, **options)
    if not broadcast and c.shape != y.shape:
        raise ValueError(f"expected C of shape {y.shape} with broadcast=0, got {c.shape}")
    return (y,)


def global_average_pool(x: Array) -> Outputs:
    """The average of every channel."""
    plane = _plane(x)
    return (functional.avg_pool2d(plane, plane.shape[2:]).reshape(_one_pixel(x)),)


def global_max_pool(x: Array) -> Outputs:
    """The largest number of every channel."""
    plane = _plane(x)
    return (functional.max_pool2d(plane, plane.shape[2:]).reshape(_one_pixel(x)),)


def identity(x: Array) -> Outputs:
    """The input."""
    return (x,)


def mat_mul(a: Array, b: Array) -> Outputs:
    """Of two matrices."""
    return (functional.linear(a, b.T),)


def max_pool(
    x: Array,
    *,
    kernel_shape: Sizes,
    storage_order: int = 0,
    **steps: Any,
) -> Outputs:
    """Of one or two spatial axes, with the places of the largest in the whole flattened input."""
    window, ceil = sliding(x.shape[2:], kernel_shape, **steps)
    images = _image(x)
    y, places = functional.max_pool2d(images, *window, ceil, return_indices=True)
    count, channels, height, width = images.shape
    if storage_order == 1:  # column after column
        places = places % width * height + places // width
    planes = np.arange(count * channels).reshape(count, channels, 1, 1) * (height * width)
    return _as_wide(y, x), _as_wide(places + planes, x)


def reshape(x: Array, sizes: Labels, *, allowzero: int = 0) -> Outputs:
    """The same numbers in another shape: -1 is what is left over, 0 (unless allowed) the size there was."""
    shape = sizes.tolist()
    if min(shape, default=0) < -1:
        raise ValueError(f"expected sizes of at least -1, got shape {shape}")
    if not allowzero:
        if any(size == 0 and n >= x.ndim for n, size in enumerate(shape)):
            raise ValueError(f"expected at most {x.ndim} axes to copy the sizes of, got shape {shape}")
        shape = [x.shape[n] if size == 0 else size for n, size in enumerate(shape)]
    return (x.reshape(shape),)


def reshape_by_attribute(x: Array, *, shape: Sizes = ()) -> Outputs:
    """The reshape of opsets 1 to 4."""
    return reshape(x, np.array(shape, np.int64))


def softmax_cross_entropy_loss(
    scores: Array,
    labels: NDArray[Any],
    weight: Array | None = None,
    *,
    ignore_index: int = _NO_LABEL,
    reduction: str = "mean",
) -> Outputs:
    """The loss, and the logarithms of the probabilities."""
    loss = functional.cross_entropy(scores, labels, weight, ignore_index, reduction)
    return np.asarray(loss), functional.log_softmax(scores, 1)


def sub(a: Array, b: Array) -> Outputs:
    """Number by number, with b, or a, as wide as the other."""
    return (np.subtract(a, b),)


def _numberwise(function: Callable[[Array], Array]) -> Callable[..., Outputs]:
    return lambda x: (function(x),)


def _along_one_axis(function: Callable[[Array, int], Array]) -> Callable[..., Outputs]:
    """Softmax and its logarithm as they are since opset 13."""
    return lambda x, *, axis=-1: (function(x, axis),)


def _along_all_axes_from(function: Callable[[Array, int], Array]) -> Callable[..., Outputs]:
    """Softmax and its logarithm before: along all axes from ``axis`` on, flattened."""
    return lambda x, *, axis=1: (function(x.reshape(_halves(x, axis)), 1).reshape(x.shape),)


def _image(x: Array) -> Array:
    """Rows as images of one row."""
    return x[:, :, np.newaxis] if x.ndim == 3 else x


def _as_wide(y: NDArray[Any], x: Array) -> NDArray[Any]:
    """An output of as many axes as the input."""
    return y[:, :, 0] if x.ndim == 3 else y


def _plane(x: Array) -> Array:
    """All spatial axes as one row."""
    return x.reshape(*x.shape[:2], 1, math.prod(x.shape[2:]))


def _one_pixel(x: Array) -> tuple[int, ...]:
    return (*x.shape[:2], *[1] * (x.ndim - 2))


def _halves(x: Array, axis: int) -> tuple[int, int]:
    """How many numbers there are along the axes before ``axis``, and from it on."""
    first = axis_of("axis", "it", axis, x.ndim)
    return math.prod(x.shape[:first]), math.prod(x.shape[first:])


class Operator(NamedTuple):
    """What convlet knows of an operator."""

    functions: dict[int, Callable[..., Outputs]]
    """By the first opset that each is for."""
    ranks: tuple[tuple[int, ...], ...] = ()
    """For the first inputs, how many axes they may have."""
    dtypes: Mapping[int, tuple[str, ...]] = {}
    """Of the inputs that are not float32."""


_IMAGES = ((3, 4),)
_ANY_IMAGES = (tuple(range(3, 65)),)  # as many axes as NumPy has

OPERATORS = {
    "AveragePool": Operator({1: average_pool}, _IMAGES),
    "Conv": Operator({1: conv}, _IMAGES),
    "Div": Operator({7: div}),
    "Dropout": Operator(
        {
            1: dropout_with_a_flag,
            7: dropout_with_a_mask_of_numbers,
            10: dropout_with_a_mask_of_bools,
            12: dropout,
        },
        dtypes={1: ("float16", "float32", "float64"), 2: ("bool",)},
    ),
    "Flatten": Operator({1: flatten}),
    "Gemm": Operator({1: gemm_without_broadcast, 7: gemm}, ((2,), (2,))),
    "GlobalAveragePool": Operator({1: global_average_pool}, _ANY_IMAGES),
    "GlobalMaxPool": Operator({1: global_max_pool}, _ANY_IMAGES),
    "Identity": Operator({1: identity}),
    "LogSoftmax": Operator(
        {1: _along_all_axes_from(functional.log_softmax), 13: _along_one_axis(functional.log_softmax)}
    ),
    "MatMul": Operator({1: mat_mul}, ((2,), (2,))),
    "MaxPool": Operator({1: max_pool}, _IMAGES),
    "Relu": Operator({1: _numberwise(functional.relu)}),
    "Reshape": Operator({1: reshape_by_attribute, 5: reshape}, dtypes={1: ("int64",)}),
    "Sigmoid": Operator({1: _numberwise(functional.sigmoid)}),
    "Softmax": Operator(
        {1: _along_all_axes_from(functional.softmax), 13: _along_one_axis(functional.softmax)}
    ),
    "SoftmaxCrossEntropyLoss": Operator({12: softmax_cross_entropy_loss}, dtypes={1: ("int32", "int64")}),
    "Sub": Operator({7: sub}),
    "Tanh": Operator({1: _numberwise(functional.tanh)}),
}


def _operator(node: Node) -> Operator:
    """The operator of a node, or an :class:`UnsupportedError` that names it."""
    operator = OPERATORS.get(node.op)
    if operator is None or node.opset < min(operator.functions):
        raise UnsupportedError(f"{node.label}: convlet has no such operator")
    return operator


def check_graph(graph: Graph) -> None:
    """Whether convlet runs all of a graph; else an :class:`UnsupportedError` that names the node."""
    for node in graph.nodes:
        _operator(node)
    for node in graph.nodes:
        _check_types(node, [graph.types.get(name) for name in node.inputs])


def _check_types(node: Node, types: Sequence[Type | None]) -> None:
    """Whether what is known of a node's inputs is what convlet takes; else an :class:`UnsupportedError`."""
    operator = _operator(node)
    for n, (name, found) in enumerate(zip(node.inputs, types, strict=True)):
        if found is None or not name:
            continue
        dtypes = operator.dtypes.get(n, ("float32",))
        if found.dtype and found.dtype not in dtypes:
            raise UnsupportedError(
                f"{node.label}: expected {name!r} of type {' or '.join(dtypes)}, got {found.dtype}"
            )
        ranks = operator.ranks[n] if n < len(operator.ranks) else None
        if ranks and found.shape is not None and len(found.shape) not in ranks:
            wanted = " or ".join(map(str, ranks)) if len(ranks) < 3 else f"at least {ranks[0]}"
            raise UnsupportedError(
                f"{node.label}: expected {name!r} of rank {wanted}, got rank {len(found.shape)}"
            )


def function_of(node: Node) -> Callable[..., Outputs]:
    """What the operator of a node is in the node's opset."""
    functions = _operator(node).functions
    return functions[max(since for since in functions if since <= node.opset)]


def run(node: Node, inputs: Sequence[NDArray[Any] | None]) -> Outputs:
    """All outputs of a node.

    Raises:
        TypeError: an input that is no array of numbers.
        UnsupportedError: inputs that convlet does not take.
        ValueError: inputs and attributes that do not fit.
    """
    _check_types(node, [None if x is None else Type(x.dtype.name, x.shape) for x in inputs])
    try:
        return function_of(node)(*inputs, **node.attributes)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{node.label}: {error}") from error
