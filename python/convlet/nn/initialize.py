"""How weights are drawn before training.

With fan_in = I*KH*KW inputs to each output and fan_out = O*KH*KW outputs of each input (the weight is
(O, I, KH, KW), or (O, I) of a dense layer), U(b) uniform in -b..b, N(s) normal with standard deviation s:

===================  ================================  =====================  ========================
scheme               weights                           biases                 source
===================  ================================  =====================  ========================
``pytorch``          U(1 / sqrt(fan_in))               U(1 / sqrt(fan_in))    PyTorch's defaults
``d2l``              U(sqrt(6 / (fan_in + fan_out)))   U(1 / sqrt(fan_in))    "Dive into Deep Learning"
``xavier_uniform``   U(sqrt(6 / (fan_in + fan_out)))   0                      X. Glorot, Y. Bengio, 2010
``xavier_normal``    N(sqrt(2 / (fan_in + fan_out)))   0                      X. Glorot, Y. Bengio, 2010
``kaiming_uniform``  U(sqrt(6 / fan_in))               0                      K. He et al., 2015
``kaiming_normal``   N(sqrt(2 / fan_in))               0                      K. He et al., 2015
===================  ================================  =====================  ========================
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, SupportsIndex, TypeAlias

import numpy as np

from .._arrays import Array, choice, integer

__all__ = ["SCHEMES", "check_seed", "generator", "initialize"]

SCHEMES = ("pytorch", "d2l", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal")

if TYPE_CHECKING:  # numpy.random takes 10 ms to import, and inference draws nothing
    Seed: TypeAlias = int | np.random.Generator | None


def generator(op: str, seed: Seed) -> np.random.Generator:
    """The source of random numbers of that seed; ``None`` is another one every time."""
    if seed is None or isinstance(seed, np.random.Generator):
        return np.random.default_rng(seed)
    return np.random.default_rng(check_seed(op, seed))


def check_seed(op: str, seed: SupportsIndex) -> int:
    """A seed that every generator takes."""
    return integer(op, "seed", seed, low=0, high=2**64 - 1)


def initialize(scheme: str, rng: np.random.Generator, weight: Array, bias: Array | None) -> None:
    """Draw one layer's parameters in place, the weight before the bias."""
    choice("initialize", "scheme", scheme, SCHEMES)
    taps = math.prod(weight.shape[2:])
    fan_in, fan_out = weight.shape[1] * taps, weight.shape[0] * taps
    fans = (fan_in + fan_out) / 2 if scheme.startswith(("xavier", "d2l")) else fan_in
    if scheme.endswith("normal"):
        rng.standard_normal(dtype=np.float32, out=weight)
        weight *= math.sqrt((1 if scheme.startswith("xavier") else 2) / fans)
    else:
        _uniform(rng, weight, math.sqrt({"pytorch": 1, "kaiming_uniform": 6}.get(scheme, 3) / fans))
    if bias is None:
        return
    if scheme in ("pytorch", "d2l"):
        _uniform(rng, bias, 1 / math.sqrt(fan_in))
    else:
        bias[...] = 0


def _uniform(rng: np.random.Generator, array: Array, bound: float) -> None:
    rng.random(dtype=np.float32, out=array)
    array *= 2 * bound
    array -= bound
