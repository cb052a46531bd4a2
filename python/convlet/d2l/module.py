"""The newer edition's models."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from .. import nn
from .._arrays import Array, Labels, Numbers, as_array, as_integers, integer
from ..optim import SGD, Optimizer

__all__ = ["Classifier", "HyperParameters", "LeNet", "Module", "add_to_class", "init_cnn"]

Function = TypeVar("Function", bound=Callable[..., Any])


def add_to_class(Class: type) -> Callable[[Function], Function]:
    """A decorator that makes a function a method of ``Class``, also of its objects that are there already."""

    def add(function: Function) -> Function:
        setattr(Class, function.__name__, function)
        return function

    return add


class HyperParameters:
    """A class whose constructor can keep its arguments as attributes."""

    hparams: dict[str, Any]

    def save_hyperparameters(self, ignore: Iterable[str] = ()) -> None:
        """Keep the arguments of the calling ``__init__`` as attributes, except those in ``ignore``.

        Raises:
            RuntimeError: called from elsewhere than a function.
        """
        frame = inspect.currentframe()
        caller = None if frame is None else frame.f_back
        if caller is None or caller.f_code.co_name == "<module>":
            raise RuntimeError("save_hyperparameters: expected to be called in __init__, got no function")
        names, _, keywords, values = inspect.getargvalues(caller)
        given = {name: values[name] for name in names if values[name] is not self}
        given.update(values[keywords] if keywords else {})
        left_out = set(ignore)
        self.hparams = {name: value for name, value in given.items() if name not in left_out}
        for name, value in self.hparams.items():
            setattr(self, name, value)


class Module(HyperParameters):
    """A model: a class with a net as ``self.net``, and a learning rate as ``self.lr``.

    Args:
        plot_train_per_epoch: there for the book's sake; five points an epoch are drawn.
        plot_valid_per_epoch: there for the book's sake; one point an epoch is drawn.
    """

    net: nn.Sequential
    lr: float

    def __init__(self, plot_train_per_epoch: int = 2, plot_valid_per_epoch: int = 1) -> None:
        self.save_hyperparameters()

    def forward(self, X: Numbers) -> Array:
        """What the net gives for images."""
        return self._net()(X)

    def __call__(self, X: Numbers) -> Array:
        """What :meth:`forward` gives."""
        return self.forward(X)

    def configure_optimizers(self) -> Optimizer:
        """What trains the model: SGD with the model's learning rate."""
        if not hasattr(self, "lr"):
            raise AttributeError(f"{type(self).__name__}: expected a learning rate as self.lr, got none")
        return SGD(self.lr)

    def apply_init(self, inputs: Sequence[Numbers], init: Callable[[nn.Layer], object] | None = None) -> None:
        """Run the net on ``inputs``, which checks their shape, and call ``init`` with each of its layers."""
        self.forward(*inputs)
        if init is not None:
            for layer in self._net().ops().values():
                init(layer)

    def layer_summary(self, X_shape: Sequence[int]) -> None:
        """Print the output shape of every layer for random input of a shape with N, as the book does."""
        shape = tuple(integer("layer_summary", "X_shape", size) for size in X_shape)
        X: Array = np.random.default_rng().standard_normal(shape, np.float32)
        for layer in self._net():
            X = layer(X)
            print(layer.__class__.__name__, "output shape:\t", X.shape)

    def parameters(self) -> dict[str, Array]:
        """The live parameters of the net by name."""
        return self._net().parameters()

    def _net(self) -> nn.Sequential:
        net = getattr(self, "net", None)
        if not isinstance(net, nn.Sequential):
            raise TypeError(
                f"{type(self).__name__}: expected an nn.Sequential as self.net, got {type(net).__name__}"
            )
        return net


class Classifier(Module):
    """A model that tells classes apart."""

    def loss(self, Y_hat: Numbers, Y: Numbers, averaged: bool = True) -> Any:
        """The cross-entropy of logits (N, K) with class indices (N,): the mean, or that of each image."""
        return nn.CrossEntropyLoss(reduction="mean" if averaged else "none")(Y_hat, Y)

    def accuracy(self, Y_hat: Numbers, Y: Numbers, averaged: bool = True) -> Any:
        """The share of images whose largest logit is that of their class, or 1 or 0 for each image."""
        logits = as_array("accuracy", "Y_hat", Y_hat)
        truth: Labels = as_integers("accuracy", "Y", Y).reshape(-1)
        right = (logits.reshape(-1, logits.shape[-1]).argmax(axis=1) == truth).astype(np.float32)
        return right.mean() if averaged else right


class LeNet(Classifier):
    """LeNet-5 as the newer edition has it: :class:`convlet.nn.LeNet` as ``model.net``.

    Args:
        lr: the learning rate.
        num_classes: logits.
    """

    def __init__(self, lr: float = 0.1, num_classes: int = 10) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.LeNet(num_classes=num_classes)


def init_cnn(module: nn.Layer, seed: int | None = None) -> None:
    """Draw the weight of a convolution or a dense layer anew, Xavier-uniform.

    Its bias stays, and so do other layers.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        bias = None if module.bias is None else module.bias.copy()
        module.initialize("xavier_uniform", seed)
        if bias is not None:
            module.bias = bias
