"""A net in float64, forward and backward, each number with a bound of how far float32 may have gone from it.

A running error analysis: every layer passes on the errors of what came in, by its absolute weights or its
steepest slope, and adds its own rounding, k eps sqrt(terms) sum|t|. Where a layer decides (ReLU, the
winners of a max pooling, dropout), the decisions are those of the float32 pass, given by its activations;
with these fixed a net is smooth, and the bound holds.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from configurations import Pool2d
from convlet import nn
from fuzz import cross_entropy, float64
from fuzz.pool2d import divisors
from fuzz.problem import SUM, Expected
from oracle import activation, softmax
from tolerances import CHAIN, EPSILON, TINY

Array = NDArray[np.float64]


class Bounded(NamedTuple):
    """A tensor and how far off it may be."""

    value: Array
    error: Array

    @property
    def most(self) -> Array:
        return np.abs(self.value) + self.error

    def expected(self) -> Expected:
        return Expected(self.value, self.error / EPSILON, 1, k=1)


def rounding(magnitude: Array, terms: int, k: float = SUM) -> Array:
    return k * EPSILON * np.sqrt(terms) * magnitude + terms * TINY


def walk(
    net: nn.Sequential, found: list[NDArray[np.float32]], labels: NDArray[np.int64], loss: dict[str, Any]
) -> dict[str, Expected]:
    """Loss and gradients; `found` holds the float32 activations of the training pass, images first."""
    x = Bounded(found[0].astype(np.float64), np.zeros(found[0].shape))
    layers, inputs = list(net.ops().items()), []
    for n, (_, layer) in enumerate(layers):
        inputs.append(x)
        x = forward(layer, x, found[n], found[n + 1])
    value, dy = loss_of(x, labels, loss)
    results = {"loss": value.expected()}
    outputs = [*inputs[1:], x]
    for n, (name, layer) in reversed(list(enumerate(layers))):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            dy, gradients = weights_backward(layer, dy, inputs[n])
            results |= {f"gradient of {name}.{key}": g.expected() for key, g in gradients.items()}
        else:
            dy = backward(layer, dy, inputs[n], outputs[n], found[n], found[n + 1])
    return results


def forward(layer: Any, x: Bounded, x32: NDArray[Any], y32: NDArray[Any]) -> Bounded:
    """One layer; `x32` and `y32` are its float32 input and output."""
    value, error = x
    match layer:
        case nn.Conv2d():
            w, options = layer.weight.astype(np.float64), convolution(layer)
            size = float64.conv2d(
                x.most, np.abs(w), None if layer.bias is None else np.abs(layer.bias), **options
            )
            y = float64.conv2d(value, w, layer.bias, **options)
            return Bounded(
                y, float64.conv2d(error, np.abs(w), None, **options) + rounding(size, prod(w.shape[1:]) + 1)
            )
        case nn.Linear():
            w, b = (
                layer.weight.astype(np.float64),
                0.0 if layer.bias is None else layer.bias.astype(np.float64),
            )
            size = x.most @ np.abs(w).T + np.abs(b)
            return Bounded(value @ w.T + b, error @ np.abs(w).T + rounding(size, w.shape[1] + 1))
        case nn.ReLU():
            return Bounded(np.where(y32 != 0, value, 0.0), np.where(y32 != 0, error, 0.0))
        case nn.Dropout():
            return dropped(layer, x, x32, y32)
        case nn.Sigmoid() | nn.Tanh():
            y = activation.forward(layer.kind, value)
            steepest = 0.25 if isinstance(layer, nn.Sigmoid) else 1.0
            return Bounded(y, error * steepest + rounding(np.abs(y), 1))
        case nn.Softmax():
            p, worst = softmax.forward(value, 1), error.max(axis=1, keepdims=True)
            below = value.max(axis=1, keepdims=True) - value
            return Bounded(p, p * np.expm1(2 * worst) + rounding(p * (1 + below), p.shape[1] + 1, CHAIN))
        case nn.LogSoftmax():
            y, largest = softmax.log_forward(value, 1), x.most.max(axis=1, keepdims=True)
            own = rounding(1 + 2 * largest + np.abs(y), y.shape[1] + 1, CHAIN)
            return Bounded(y, 2 * error.max(axis=1, keepdims=True) + own)
        case nn.Normalize():
            mean, std = (a.astype(np.float64).reshape(-1, 1, 1) for a in (layer.mean, layer.std))
            return Bounded((value - mean) / std, error / std + rounding((x.most + np.abs(mean)) / std, 2))
        case nn.MaxPool2d() | nn.AdaptiveMaxPool2d():
            winners = winners_of(layer, x32)
            flat = winners.reshape(*winners.shape[:2], -1)
            chosen = (np.take_along_axis(a.reshape(*a.shape[:2], -1), flat, 2) for a in x)
            return Bounded(*(a.reshape(winners.shape) for a in chosen))
        case nn.AvgPool2d() | nn.AdaptiveAvgPool2d():
            p = pooling(layer, x32)
            shares = [
                float64.window_sums(a, p.kernel, p.stride, p.padding, p.dilation, p.output[1:]) / divisors(p)
                for a in (value, error, x.most)
            ]
            return Bounded(shares[0], shares[1] + rounding(shares[2], prod(p.kernel) + 1))
    return Bounded(value.reshape(y32.shape), error.reshape(y32.shape))


def backward(
    layer: Any, dy: Bounded, x: Bounded, y: Bounded, x32: NDArray[Any], y32: NDArray[Any]
) -> Bounded:
    """The gradient of the input of a layer without weights."""
    most = dy.most
    match layer:
        case nn.ReLU():
            return Bounded(np.where(y32 != 0, dy.value, 0.0), np.where(y32 != 0, dy.error, 0.0))
        case nn.Dropout():
            return dropped(layer, dy, x32, y32)
        case nn.Sigmoid():
            size = most * (np.abs(1 - y.value) + y.error) * y.most
            value = dy.value * (1 - y.value) * y.value
            return Bounded(value, size - np.abs(value) + rounding(most * (1 + y.most) * y.most, 3))
        case nn.Tanh():
            value, factor = dy.value * (1 - y.value**2), np.abs(1 - y.value**2)
            size = most * (factor + (2 * np.abs(y.value) + y.error) * y.error)
            return Bounded(value, size - np.abs(value) + rounding(most * (1 + y.most**2), 3))
        case nn.Softmax():
            value = softmax.backward(dy.value, y.value, 1)
            size, exact = (
                a * (b + (a * b).sum(axis=1, keepdims=True))
                for a, b in ((y.most, most), (np.abs(y.value), np.abs(dy.value)))
            )
            return Bounded(value, size - exact + rounding(size, value.shape[1] + 1))
        case nn.LogSoftmax():
            value = softmax.log_backward(dy.value, y.value, 1)
            size = most + np.exp(y.value + y.error) * most.sum(axis=1, keepdims=True)
            exact = np.abs(dy.value) + np.exp(y.value) * np.abs(dy.value).sum(axis=1, keepdims=True)
            return Bounded(value, size - exact + rounding(size, value.shape[1] + 1, CHAIN))
        case nn.Normalize():
            std = layer.std.astype(np.float64).reshape(-1, 1, 1)
            return Bounded(dy.value / std, dy.error / std + rounding(most / std, 1))
        case nn.MaxPool2d() | nn.AdaptiveMaxPool2d():
            p, winners = pooling(layer, x32), winners_of(layer, x32)
            window = (p.image, p.kernel, p.stride, p.padding, p.dilation)
            sums = [float64.max_pool2d_backward(a, winners, *window) for a in (dy.value, dy.error, most)]
            return Bounded(sums[0], sums[1] + rounding(sums[2], prod(p.kernel)))
        case nn.AvgPool2d() | nn.AdaptiveAvgPool2d():
            p = pooling(layer, x32)
            window = (p.image, p.kernel, p.stride, p.padding, p.dilation)
            sums = [float64.spread(a / divisors(p), *window) for a in (dy.value, dy.error, most)]
            return Bounded(sums[0], sums[1] + rounding(sums[2], prod(p.kernel) + 1))
    return Bounded(dy.value.reshape(x32.shape), dy.error.reshape(x32.shape))


def dropped(layer: nn.Dropout, t: Bounded, x32: NDArray[Any], y32: NDArray[Any]) -> Bounded:
    """Numbers or slopes: what was kept is told by the output; where the input was zero both are possible."""
    scale = 1 / (1 - layer.p) if layer.p < 1 else 0.0
    kept, unknown = np.where(y32 != 0, scale, 0.0), np.where(x32 == 0, scale, 0.0)
    return Bounded(t.value * kept, t.error * kept + rounding(t.most * kept, 1) + t.most * unknown)


def weights_backward(
    layer: nn.Conv2d | nn.Linear, dy: Bounded, x: Bounded
) -> tuple[Bounded, dict[str, Bounded]]:
    """The gradients of input, weights and bias: products, so an error is what larger factors add."""
    w = layer.weight.astype(np.float64)

    def gradients(slopes: Array, pixels: Array, weight: Array) -> tuple[Array, Array, Array]:
        if isinstance(layer, nn.Conv2d):
            return float64.conv2d_backward(slopes, pixels, weight, **convolution(layer))
        return slopes @ weight, slopes.T @ pixels, slopes.sum(0)

    values = gradients(dy.value, x.value, w)
    exact = gradients(np.abs(dy.value), np.abs(x.value), np.abs(w))
    sizes = gradients(dy.most, x.most, np.abs(w))
    positions = len(x.value) * prod(dy.value.shape[2:])
    terms = (prod(w.shape) // (w.shape[1] if w.ndim == 2 else 1), positions, positions)
    found = [
        Bounded(value, size - at_least + rounding(size, n))
        for value, size, at_least, n in zip(values, sizes, exact, terms, strict=True)
    ]
    named = {"weight": found[1]} if layer.bias is None else {"weight": found[1], "bias": found[2]}
    return found[0], named


def loss_of(logits: Bounded, labels: NDArray[np.int64], loss: dict[str, Any]) -> tuple[Bounded, Bounded]:
    """The loss and the gradient of the logits."""
    options = {name: option for name, option in loss.items() if name != "weight"}
    arrays = {"logits": logits.value, "target": labels}
    if loss["weight"] is not None:
        arrays["weight"] = loss["weight"]
    own = cross_entropy.expected(options, arrays)
    worst = logits.error.max(axis=1, keepdims=True)
    w = np.ones(logits.value.shape[1]) if loss["weight"] is None else loss["weight"].astype(np.float64)
    counts = labels != loss["ignore_index"]
    weight = np.where(counts, w[np.where(counts, labels, 0)], 0.0)[:, None]
    divisor = weight.sum() if loss["reduction"] == "mean" else 1.0
    smoothing = loss["label_smoothing"]
    wanted = ((1 - smoothing) * weight + smoothing * w.mean() * counts[:, None]) / divisor
    value, dlogits = (Bounded(e.value, rounding(np.asarray(e.magnitude), e.terms, e.k)) for e in own.values())
    spread = softmax.forward(logits.value) * np.expm1(2 * worst) * wanted
    return (
        Bounded(value.value, value.error + (2 * worst * wanted).sum()),
        Bounded(dlogits.value, dlogits.error + spread),
    )


def convolution(layer: nn.Conv2d) -> dict[str, Any]:
    _, stride, padding, dilation = layer.window
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": layer.groups}


def pooling(layer: Any, x: NDArray[Any]) -> Pool2d:
    """The window of a pooling layer; that of global pooling is the image."""
    image = (x.shape[2], x.shape[3])
    if isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return Pool2d("global", x.shape[1], image, image, image)
    counting = {}
    if isinstance(layer, nn.AvgPool2d):
        counting = {"count_include_pad": layer.count_include_pad, "divisor_override": layer.divisor_override}
    return Pool2d("layer", x.shape[1], image, *layer.window, ceil_mode=layer.ceil_mode, **counting)


def winners_of(layer: Any, x: NDArray[Any]) -> NDArray[np.int64]:
    p = pooling(layer, x)
    return float64.max_pool2d(x, p.kernel, p.stride, p.padding, p.dilation, p.output[1:])[1]
