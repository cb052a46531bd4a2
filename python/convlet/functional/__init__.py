"""Every op with its gradient, as plain functions on arrays.

Arrays go in and come out as NumPy's, images as (N, C, H, W), and nothing is scaled: uint8 pixels are numbers
up to 255 here. Real numbers of any type and layout are accepted, also those of libraries that speak
``__array__`` or ``__dlpack__``; what is not yet float32 in C order is copied to it. Complex, boolean and
object arrays are a ``TypeError``. Every result is a float32 array in C order, and a new one except where its
function says otherwise.

Arrays on the device (:mod:`convlet.cuda`) go in as well, all arrays of a call or none, of float32 and the
targets of int64: there nothing is converted. What comes out is on the device too.

In the formulas n counts images, c input channels, o output channels; i, j are rows and columns of the output,
h, w those of the input, and dy, dx, ... the gradients of one number L, the loss: dx = dL/dx.
"""

from .activation import relu, relu_backward, sigmoid, sigmoid_backward, tanh, tanh_backward
from .avg_pool2d import avg_pool2d, avg_pool2d_backward
from .conv2d import conv2d, conv2d_backward, corr2d
from .cross_entropy import cross_entropy, cross_entropy_backward
from .dropout import dropout
from .flatten import flatten
from .linear import linear, linear_backward
from .max_pool2d import max_pool2d, max_pool2d_backward
from .normalize import normalize, normalize_backward
from .softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "conv2d",
    "conv2d_backward",
    "corr2d",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout",
    "flatten",
    "linear",
    "linear_backward",
    "log_softmax",
    "log_softmax_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "normalize",
    "normalize_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "tanh",
    "tanh_backward",
]
