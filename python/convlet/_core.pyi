"""The compiled module: arrays in C order and plain numbers in, arrays out; the rest is Python's work."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float: TypeAlias = NDArray[np.float32]
Int: TypeAlias = NDArray[np.int64]
Pair: TypeAlias = tuple[int, int]
Sides: TypeAlias = tuple[int, int, int, int]  # top, bottom, left, right
Reduction: TypeAlias = Literal["mean", "sum", "none"]

def conv2d(
    x: Float, weight: Float, bias: Float | None, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Float: ...
def conv2d_backward(
    dy: Float, x: Float, weight: Float, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> tuple[Float, Float, Float]: ...
def max_pool2d(
    x: Float, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair, ceil_mode: bool
) -> tuple[Float, Int]: ...
def max_pool2d_backward(
    dy: Float, x: Float, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair, ceil_mode: bool
) -> Float: ...
def avg_pool2d(
    x: Float,
    kernel: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int,
) -> Float: ...
def avg_pool2d_backward(
    dy: Float,
    x: Float,
    kernel: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int,
) -> Float: ...
def linear(x: Float, weight: Float, bias: Float | None) -> Float: ...
def linear_backward(dy: Float, x: Float, weight: Float) -> tuple[Float, Float, Float]: ...
def relu(x: Float) -> Float: ...
def sigmoid(x: Float) -> Float: ...
def tanh(x: Float) -> Float: ...
def relu_backward(dy: Float, y: Float) -> Float: ...
def sigmoid_backward(dy: Float, y: Float) -> Float: ...
def tanh_backward(dy: Float, y: Float) -> Float: ...
def softmax(x: Float) -> Float: ...
def log_softmax(x: Float) -> Float: ...
def softmax_backward(dy: Float, y: Float) -> Float: ...
def log_softmax_backward(dy: Float, y: Float) -> Float: ...
def cross_entropy(
    logits: Float,
    target: Int,
    weight: Float | None,
    ignore_index: int,
    reduction: Reduction,
    label_smoothing: float,
) -> Float: ...
def cross_entropy_backward(
    logits: Float,
    target: Int,
    weight: Float | None,
    ignore_index: int,
    reduction: Reduction,
    label_smoothing: float,
) -> Float: ...
def sgd_step(
    parameter: Float,
    gradient: Float,
    momentum_buffer: Float | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None: ...
def adam_step(
    parameter: Float,
    gradient: Float,
    m: Float,
    v: Float,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None: ...

class Plan:
    def __init__(self, layers: Sequence[Mapping[str, Any]], input_shape: tuple[int, ...]) -> None: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def parameter_count(self) -> int: ...
    @property
    def layers(self) -> list[dict[str, Any]]: ...

class Engine:
    def __init__(self, plan: Plan, threads: int) -> None: ...
    @property
    def threads(self) -> int: ...
    def forward(self, parameters: Float, images: NDArray[np.uint8] | Float) -> Float: ...
    def evaluate(
        self, parameters: Float, images: NDArray[np.uint8] | Float, labels: Int, loss: Mapping[str, Any]
    ) -> tuple[float, int]: ...
    def loss_and_gradients(
        self,
        parameters: Float,
        images: NDArray[np.uint8] | Float,
        labels: Int,
        loss: Mapping[str, Any],
        gradients: Float,
    ) -> tuple[float, int]: ...
    def train(
        self,
        parameters: Float,
        state: Float,
        images: NDArray[np.uint8] | Float,
        labels: Int,
        order: Int,
        batch_size: int,
        learning_rates: NDArray[np.float64],
        optimizer: Mapping[str, Any],
        loss: Mapping[str, Any],
        totals: NDArray[np.float64],
        progress: Callable[[], object] | None,
    ) -> None: ...

def set_threads(threads: int) -> None: ...
def get_threads() -> int: ...
def select_isa(name: str | None) -> str: ...
def isa() -> str: ...
def available_isas() -> list[str]: ...
def cpu_name() -> str: ...
def cuda_status() -> str: ...
def fma_peak(threads: int, seconds: float) -> float: ...
