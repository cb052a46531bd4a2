"""Layers, networks and losses, under PyTorch's names and with its defaults.

A layer by itself is its function of :mod:`convlet.functional` with parameters of its own. Layers in a
:class:`Sequential` run in the engine, together.
"""

from .activation import ReLU, Sigmoid, Tanh
from .avg_pool2d import AvgPool2d
from .conv2d import Conv2d
from .cross_entropy import CrossEntropyLoss
from .flatten import Flatten
from .lazy import LazyConv2d, LazyLinear
from .lenet import LeNet
from .linear import Linear
from .max_pool2d import MaxPool2d
from .module import Layer
from .sequential import Sequential
from .softmax import LogSoftmax, Softmax
from .summary import Summary

__all__ = [
    "AvgPool2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Flatten",
    "Layer",
    "LazyConv2d",
    "LazyLinear",
    "LeNet",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Summary",
    "Tanh",
]
