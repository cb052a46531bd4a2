"""ONNX files as nets, if they are chains of layers."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import nn
from .._arrays import Array, Labels
from ..checkpoint import nest
from ..nn.module import Op, Weighted
from . import operators
from .model import Graph, Node, UnsupportedError, read
from .windows import sliding

__all__ = ["load"]

Layer = TypeVar("Layer", bound=Weighted)


def load(path: str | os.PathLike[str]) -> nn.Sequential:
    """Make a net of an ONNX file whose graph is one chain of layers.

    Weights may be initializers, constants, or lie in files beside it. Nodes that do nothing at inference,
    Identity and Dropout, leave no layer, except in files that convlet wrote. The layers have the names that
    they were exported under if convlet wrote the file, else "0", "1", ...

    Args:
        path: a file that convlet, PyTorch or another program wrote.

    Returns:
        The net. It takes images as every net does, also uint8, which is scaled by 1/255.

    Raises:
        OSError: the file cannot be read.
        UnsupportedError: a valid model that is no Sequential, a ``ValueError`` that names the node and why.
        ValueError: no ONNX file, or a corrupt one.
    """
    try:
        return _net(Graph.of(read(path)))
    except UnsupportedError as error:
        raise UnsupportedError(f"{os.fspath(path)}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


class _Place(NamedTuple):
    """Where in the chain a node stands."""

    node: Node
    shape: tuple[int | None, ...] | None
    """Of what goes in, with N; ``None`` for what is unknown."""

    @property
    def image(self) -> tuple[int | None, int | None]:
        """(H, W)."""
        if self.shape is None:
            return None, None
        if len(self.shape) != 4:
            raise UnsupportedError(
                f"expected images (N, C, H, W) in a Sequential, got rank {len(self.shape)}"
            )
        return self.shape[2], self.shape[3]


def _net(graph: Graph) -> nn.Sequential:
    if len(graph.required) != 1 or len(graph.outputs) != 1:
        raise UnsupportedError(
            f"expected a Sequential's one input and one output, got the inputs "
            f"{', '.join(graph.required) or 'none'} and the outputs {', '.join(graph.outputs)}"
        )
    (current,), constants = graph.required, dict(graph.constants)
    shape = graph.inputs[current].shape
    if shape is not None and len(shape) not in (2, 4):
        raise UnsupportedError(
            f"expected images (N, C, H, W) or rows (N, F) as {current!r}, got rank {len(shape)}"
        )
    operators.check_graph(graph)
    own = graph.model.producer_name == "convlet"
    names: list[str] = []
    layers: list[Any] = []
    for node in graph.nodes:
        if node.op == "Identity" and node.inputs[0] in constants:
            constants[node.outputs[0]] = constants[node.inputs[0]]
            continue
        _check_link(node, current, constants)
        known = graph.types.get(current)
        given = [constants[name] if name else None for name in node.inputs[1:]]
        layer = _layer(_Place(node, known.shape if known else None), given)
        if layer is None and own and node.name:
            layer = _idle(node, given)
        if node.op == "Div" and isinstance(layer, nn.Normalize) and _is_centring(layers):
            layer = nn.Normalize(layers.pop().mean, layer.std)
            names.pop()
        if layer is not None:
            names.append(node.name)
            layers.append(layer)
        current = node.outputs[0]
    if graph.outputs != (current,):
        raise UnsupportedError(f"expected the output {current!r} of the last layer, got {graph.outputs[0]!r}")
    net = _named(names if own else [], layers)
    if shape is not None and None not in shape[1:]:
        net.plan(tuple(size for size in shape[1:] if size is not None))
    return net


def _is_centring(layers: Sequence[Op]) -> bool:
    """Whether the last layer takes a mean away and no more."""
    last = layers[-1] if layers else None
    return isinstance(last, nn.Normalize) and bool((last.std == 1).all())


def _idle(node: Node, constants: Sequence[NDArray[Any] | None]) -> Op:
    """The layer of convlet's own that does nothing at inference."""
    if node.op == "Dropout":
        return nn.Dropout(0.5 if not constants or constants[0] is None else constants[0].item())
    return nn.Identity()


def _check_link(node: Node, current: str, constants: dict[str, NDArray[Any]]) -> None:
    if node.inputs[0] != current:
        raise UnsupportedError(
            f"{node.label}: expected the output {current!r} of the layer before, got {node.inputs[0]!r}; "
            f"a Sequential is one chain of layers"
        )
    for name in node.inputs[1:]:
        if name and name not in constants:
            raise UnsupportedError(f"{node.label}: expected a constant as {name!r}, got a computed value")


def _named(names: list[str], layers: Sequence[Op]) -> nn.Sequential:
    """The layers as a net, under these names if they can be those of layers."""
    if len(set(names)) == len(layers):
        try:
            net = nest(dict(zip(names, layers, strict=True)))
        except (AttributeError, RecursionError, TypeError, ValueError):
            pass
        else:
            if list(net.ops()) == names:  # else an inner net would change the order
                return net
    return nn.Sequential(*layers)


def _layer(place: _Place, constants: Sequence[NDArray[Any] | None]) -> Op | None:
    """The layer that a node is, or none if it does nothing."""
    node = place.node
    make = _LAYERS.get(node.op)
    if make is None:
        raise UnsupportedError(f"{node.label}: a Sequential has no such layer")
    try:
        return make(place, *constants, **node.attributes)
    except UnsupportedError as error:
        raise UnsupportedError(f"{node.label}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{node.label}: {error}") from error


def _conv2d(
    place: _Place,
    weight: Array,
    bias: Array | None = None,
    *,
    group: int = 1,
    kernel_shape: Sequence[int] = (),
    **steps: Any,
) -> nn.Conv2d:
    if weight.ndim != 4:
        raise UnsupportedError(f"expected a weight (O, C, KH, KW) in a Sequential, got {weight.shape}")
    if kernel_shape and tuple(kernel_shape) != weight.shape[2:]:
        raise ValueError(f"expected kernel_shape {weight.shape[2:]}, got {tuple(kernel_shape)}")
    (kernel, stride, sides, dilation), _ = sliding(place.image, weight.shape[2:], **steps)
    outputs, inputs = weight.shape[:2]
    return _with_parameters(
        nn.Conv2d(inputs * group, outputs, kernel, stride, sides, dilation, group, bias is not None),
        weight,
        bias,
    )


def _gemm(
    place: _Place,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    broadcast: int = 1,
) -> nn.Linear:
    if transA or alpha != 1 or beta != 1:
        raise UnsupportedError(
            f"expected transA=0, alpha=1 and beta=1 in a Sequential, got {transA}, {alpha:g} and {beta:g}"
        )
    weight = b if transB else b.T
    if c is not None:
        if c.size != 1 and c.shape not in ((len(weight),), (1, len(weight))):
            raise UnsupportedError(f"expected a bias of {len(weight)} numbers in a Sequential, got {c.shape}")
        c = np.broadcast_to(c.reshape(-1), (len(weight),))
    return _linear(weight, c)


def _mat_mul(place: _Place, b: Array) -> nn.Linear:
    return _linear(b.T, None)


def _linear(weight: Array, bias: Array | None) -> nn.Linear:
    outputs, inputs = weight.shape
    return _with_parameters(nn.Linear(inputs, outputs, bias is not None), weight, bias)


def _with_parameters(layer: Layer, weight: Array, bias: Array | None) -> Layer:
    layer.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
    return layer


def _max_pool2d(
    place: _Place, *, kernel_shape: Sequence[int], storage_order: int = 0, **steps: Any
) -> nn.MaxPool2d:
    (kernel, stride, sides, dilation), ceil = sliding(place.image, kernel_shape, **steps)
    return nn.MaxPool2d(kernel, stride, sides, dilation, ceil)


def _avg_pool2d(
    place: _Place, *, kernel_shape: Sequence[int], count_include_pad: int = 0, **steps: Any
) -> nn.AvgPool2d:
    (kernel, stride, sides, dilation), ceil = sliding(place.image, kernel_shape, **steps)
    if dilation != (1, 1):
        raise UnsupportedError(f"expected dilations of 1 in a Sequential, got {dilation}")
    return nn.AvgPool2d(kernel, stride, sides, ceil, bool(count_include_pad))


def _global(layer: Callable[[], Op]) -> Callable[..., Op]:
    """Global pooling."""

    def make(place: _Place) -> Op:
        _ = place.image
        return layer()

    return make


def _each_channel(place: _Place, numbers: Array) -> Array:
    """One number for each channel of images, of a constant that is broadcast to them."""
    channels = place.shape[1] if place.shape is not None and len(place.shape) == 4 else None
    count = channels or numbers.size
    if count > max(numbers.size, _MOST_CHANNELS):
        raise UnsupportedError(f"expected at most {_MOST_CHANNELS:,} channels, got {count:,}")
    if (numbers.ndim, numbers.size) not in ((3, count), (4, count)) and numbers.size != 1:
        raise UnsupportedError(f"expected a number for each channel in a Sequential, got {numbers.shape}")
    if numbers.size > 1 and numbers.shape[-3] != numbers.size:
        raise UnsupportedError(f"expected a number for each channel in a Sequential, got {numbers.shape}")
    return np.broadcast_to(numbers.reshape(-1), (count,))


def _sub(place: _Place, numbers: Array) -> nn.Normalize:
    mean = _each_channel(place, numbers)
    return nn.Normalize(mean, np.ones_like(mean))


def _div(place: _Place, numbers: Array) -> nn.Normalize:
    std = _each_channel(place, numbers)
    if not (std > 0).all():
        raise UnsupportedError(f"expected divisors above 0 in a Sequential, got {std.tolist()}")
    return nn.Normalize(np.zeros_like(std), std)


def _along_classes(layer: Callable[[int], Op]) -> Callable[..., Op]:
    """Softmax or its logarithm, which in a net is along axis 1."""

    def make(place: _Place, *, axis: int | None = None) -> Op:
        if place.shape is None:
            raise UnsupportedError("expected an input of known rank")
        one_axis, rank = place.node.opset >= 13, len(place.shape)
        given = axis if axis is not None else -1 if one_axis else 1
        if given not in (1, 1 - rank) or not (one_axis or rank == 2):
            raise UnsupportedError(f"expected axis 1 alone in a Sequential, got axis {given} of {rank}")
        return layer(1)

    return make


def _flatten(place: _Place, *, axis: int = 1) -> nn.Flatten:
    if axis != 1 and (place.shape is None or axis != 1 - len(place.shape)):
        raise UnsupportedError(f"expected axis=1 in a Sequential, got {axis}")
    return nn.Flatten()


def _reshape(
    place: _Place, sizes: Labels | None = None, *, shape: Sequence[int] = (), allowzero: int = 0
) -> nn.Flatten:
    """Flattening, of whatever batch."""
    given = tuple(shape) if sizes is None else tuple(sizes.tolist())
    known = place.shape
    count = known[0] if known else None
    features = math.prod(known[1:]) if known and None not in known[1:] else None  # type: ignore[arg-type]
    keeps_batch = [-1] if allowzero else [-1, 0]
    keeps_batch += [] if count is None else [count]
    if len(given) != 2 or given[0] not in keeps_batch or given[1] not in (-1, features) or given == (-1, -1):
        raise UnsupportedError(
            f"expected a shape (N, all the rest) in a Sequential, got {given} for an input of shape {known}"
        )
    return nn.Flatten()


def _nothing(place: _Place, *constants: NDArray[Any] | None, **attributes: Any) -> None:
    """Identity and dropout: run on no numbers, which refuses a dropout that would train."""
    operators.function_of(place.node)(np.empty(0, np.float32), *constants, **attributes)


_MOST_CHANNELS = 2**16  # that one number is spread over
_LAYERS: dict[str, Callable[..., Op | None]] = {
    "AveragePool": _avg_pool2d,
    "Conv": _conv2d,
    "Div": _div,
    "Dropout": _nothing,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global(nn.AdaptiveAvgPool2d),
    "GlobalMaxPool": _global(nn.AdaptiveMaxPool2d),
    "Identity": _nothing,
    "LogSoftmax": _along_classes(nn.LogSoftmax),
    "MatMul": _mat_mul,
    "MaxPool": _max_pool2d,
    "Relu": lambda place: nn.ReLU(),
    "Reshape": _reshape,
    "Sigmoid": lambda place: nn.Sigmoid(),
    "Softmax": _along_classes(nn.Softmax),
    "Sub": _sub,
    "Tanh": lambda place: nn.Tanh(),
}
