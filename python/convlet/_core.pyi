"""The compiled module: arrays in C order and plain numbers in, arrays out; the rest is Python's work."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

_Float: TypeAlias = NDArray[np.float32]
_Int: TypeAlias = NDArray[np.int64]
_Pair: TypeAlias = tuple[int, int]
_Sides: TypeAlias = tuple[int, int, int, int]  # top, bottom, left, right
_Reduction: TypeAlias = Literal["mean", "sum", "none"]

def conv2d(
    x: _Float,
    weight: _Float,
    bias: _Float | None,
    stride: _Pair,
    padding: _Sides,
    dilation: _Pair,
    groups: int,
) -> _Float: ...
def conv2d_backward(
    dy: _Float, x: _Float, weight: _Float, stride: _Pair, padding: _Sides, dilation: _Pair, groups: int
) -> tuple[_Float, _Float, _Float]: ...
def max_pool2d(
    x: _Float, kernel: _Pair, stride: _Pair, padding: _Sides, dilation: _Pair, ceil_mode: bool
) -> tuple[_Float, _Int]: ...
def max_pool2d_backward(
    dy: _Float, x: _Float, kernel: _Pair, stride: _Pair, padding: _Sides, dilation: _Pair, ceil_mode: bool
) -> _Float: ...
def avg_pool2d(
    x: _Float,
    kernel: _Pair,
    stride: _Pair,
    padding: _Sides,
    dilation: _Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int,
) -> _Float: ...
def avg_pool2d_backward(
    dy: _Float,
    x: _Float,
    kernel: _Pair,
    stride: _Pair,
    padding: _Sides,
    dilation: _Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int,
) -> _Float: ...
def linear(x: _Float, weight: _Float, bias: _Float | None) -> _Float: ...
def linear_backward(dy: _Float, x: _Float, weight: _Float) -> tuple[_Float, _Float, _Float]: ...
def relu(x: _Float) -> _Float: ...
def sigmoid(x: _Float) -> _Float: ...
def tanh(x: _Float) -> _Float: ...
def relu_backward(dy: _Float, y: _Float) -> _Float: ...
def sigmoid_backward(dy: _Float, y: _Float) -> _Float: ...
def tanh_backward(dy: _Float, y: _Float) -> _Float: ...
def softmax(x: _Float) -> _Float: ...
def log_softmax(x: _Float) -> _Float: ...
def softmax_backward(dy: _Float, y: _Float) -> _Float: ...
def log_softmax_backward(dy: _Float, y: _Float) -> _Float: ...
def cross_entropy(
    logits: _Float,
    target: _Int,
    weight: _Float | None,
    ignore_index: int,
    reduction: _Reduction,
    label_smoothing: float,
) -> _Float: ...
def cross_entropy_backward(
    logits: _Float,
    target: _Int,
    weight: _Float | None,
    ignore_index: int,
    reduction: _Reduction,
    label_smoothing: float,
) -> _Float: ...
def sgd_step(
    parameter: _Float,
    gradient: _Float,
    momentum_buffer: _Float | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None: ...
def adam_step(
    parameter: _Float,
    gradient: _Float,
    m: _Float,
    v: _Float,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None: ...

class _Team(Protocol):
    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def exact(self) -> bool: ...
    def allreduce(self, numbers: _Float, /) -> None: ...
    def allgather(self, data: NDArray[np.uint8], counts: Sequence[int], /) -> None: ...

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
    def forward(self, parameters: _Float, images: NDArray[np.uint8] | _Float) -> _Float: ...
    def evaluate(
        self, parameters: _Float, images: NDArray[np.uint8] | _Float, labels: _Int, loss: Mapping[str, Any]
    ) -> tuple[float, int]: ...
    def loss_and_gradients(
        self,
        parameters: _Float,
        images: NDArray[np.uint8] | _Float,
        labels: _Int,
        loss: Mapping[str, Any],
        gradients: _Float,
    ) -> tuple[float, int]: ...
    def train(
        self,
        parameters: _Float,
        state: _Float,
        images: NDArray[np.uint8] | _Float,
        labels: _Int,
        order: _Int,
        batch_size: int,
        learning_rates: NDArray[np.float64],
        optimizer: Mapping[str, Any],
        loss: Mapping[str, Any],
        totals: NDArray[np.float64],
        progress: Callable[[], object] | None,
        team: _Team | None = None,
    ) -> None: ...

def set_threads(threads: int) -> None: ...
def get_threads() -> int: ...
def configuration() -> int: ...
def select_isa(name: str | None) -> str: ...
def isa() -> str: ...
def available_isas() -> list[str]: ...
def cpu_name() -> str: ...
def cuda_status() -> str: ...
def fma_peak(threads: int, seconds: float) -> float: ...
