"""What the chapters on convolutions and LeNet of "Dive into Deep Learning" use, under the book's names.

``from convlet import d2l, nn`` stands where the book says ``from d2l import torch as d2l`` and ``from torch
import nn``; arrays are NumPy's, and the training is that of :class:`convlet.Trainer`. Both editions are here:

>>> net = nn.LeNet()  # or the chapter's cell
>>> train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=256)
>>> d2l.train_ch6(net, train_iter, test_iter, 10, 0.9, d2l.try_gpu())

>>> trainer = d2l.Trainer(max_epochs=10, num_gpus=0)
>>> data = d2l.FashionMNIST(batch_size=128)
>>> model = d2l.LeNet(lr=0.1)
>>> model.apply_init([next(iter(data.get_dataloader(True)))[0]], d2l.init_cnn)
>>> trainer.fit(model, data)

Source: A. Zhang, Z. C. Lipton, M. Li, A. J. Smola, "Dive into Deep Learning", https://d2l.ai; the names are
the book's, the code is not.
"""

from typing import Any

from ..functional import corr2d
from .devices import cpu, gpu, num_gpus, try_all_gpus, try_gpu
from .draw import Animator, plot, set_axes, set_figsize, show_images, use_svg_display
from .fashion_mnist import DataModule, FashionMNIST, get_fashion_mnist_labels, load_data_fashion_mnist
from .loader import DataLoader
from .measure import Accumulator, Timer, accuracy, evaluate_accuracy, evaluate_accuracy_gpu
from .module import Classifier, HyperParameters, LeNet, Module, add_to_class, init_cnn
from .train_ch6 import train_ch6
from .trainer import Trainer

__all__ = [
    "Accumulator",
    "Animator",
    "Classifier",
    "DataLoader",
    "DataModule",
    "FashionMNIST",
    "HyperParameters",
    "LeNet",
    "Module",
    "Timer",
    "Trainer",
    "accuracy",
    "add_to_class",
    "corr2d",
    "cpu",
    "evaluate_accuracy",
    "evaluate_accuracy_gpu",
    "get_fashion_mnist_labels",
    "gpu",
    "init_cnn",
    "load_data_fashion_mnist",
    "num_gpus",
    "plot",
    "set_axes",
    "set_figsize",
    "show_images",
    "train_ch6",
    "try_all_gpus",
    "try_gpu",
    "use_svg_display",
]


def __getattr__(name: str) -> Any:
    """``d2l.plt``, matplotlib's pyplot, is loaded when it is asked for."""
    if name == "plt":
        from .draw import pyplot

        return pyplot("d2l.plt")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
