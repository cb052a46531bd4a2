"""Layers, networks and losses, under PyTorch's names and with its defaults.

A layer by itself is its function of :mod:`convlet.functional` with parameters of its own. Layers in a
:class:`Sequential` run in the engine, together.
"""

from .activation import ReLU, Sigmoid, Tanh
from .adaptive_avg_pool2d import AdaptiveAvgPool2d
from .adaptive_max_pool2d import AdaptiveMaxPool2d
from .avg_pool2d import AvgPool2d
from .conv2d import Conv2d
from .cross_entropy import CrossEntropyLoss
from .dropout import Dropout
from .flatten import Flatten
from .identity import Identity
from .lazy import LazyConv2d, LazyLinear
from .lenet import LeNet
from .linear import Linear
from .max_pool2d import MaxPool2d
from .module import Layer
from .normalize import Normalize
from .sequential import Sequential
from .softmax import LogSoftmax, Softmax
from .summary import Summary

__all__ = [
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "AvgPool2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "Layer",
    "LazyConv2d",
    "LazyLinear",
    "LeNet",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "Normalize",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Summary",
    "Tanh",
]
