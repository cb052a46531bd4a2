"""The network of the article."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsIndex

from .._arrays import Size, integer, pair
from .activation import Sigmoid
from .avg_pool2d import AvgPool2d
from .conv2d import Conv2d
from .flatten import Flatten
from .linear import Linear
from .sequential import Sequential

if TYPE_CHECKING:
    from .initialize import Seed

__all__ = ["LeNet"]


class LeNet(Sequential):
    """LeNet-5 as "Dive into Deep Learning" builds it, for images of 28x28 or, at wish, of another size.

    Two convolutions of 5x5 with 6 and 16 channels, a sigmoid and average pooling of 2x2 after each, then
    dense layers of 120, 84 and 10; 61,706 parameters and 416,520 multiply-adds an image. The ``state_dict``
    has the keys of PyTorch's ``nn.Sequential``: ``0``, ``3``, ``7``, ``9``, ``11``, with ``.weight`` and
    ``.bias``.

    The weights are PyTorch's defaults, with which a learning rate of 0.9 sits on a plateau for six epochs;
    the article's run begins with ``LeNet().initialize("d2l", seed)``.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: logits.
        image_size: of the images, an int or a pair (rows, columns), at least 12; it decides how many features
            the first dense layer has.
        seed: for the same weights every time.

    Raises:
        TypeError: a size that is no integer.
        ValueError: a size that does not fit.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", 1998; here without its partial connections and Gaussian output.
    """

    def __init__(
        self,
        in_channels: SupportsIndex = 1,
        num_classes: SupportsIndex = 10,
        image_size: Size = 28,
        *,
        seed: Seed = None,
    ) -> None:
        in_channels = integer("LeNet", "in_channels", in_channels)
        num_classes = integer("LeNet", "num_classes", num_classes)
        # Pooled, cut by the second kernel, and pooled again.
        height, width = ((side // 2 - 4) // 2 for side in pair("LeNet", "image_size", image_size, low=12))
        super().__init__(
            Conv2d(in_channels, 6, kernel_size=5, padding=2),
            Sigmoid(),
            AvgPool2d(kernel_size=2, stride=2),
            Conv2d(6, 16, kernel_size=5),
            Sigmoid(),
            AvgPool2d(kernel_size=2, stride=2),
            Flatten(),
            Linear(16 * height * width, 120),
            Sigmoid(),
            Linear(120, 84),
            Sigmoid(),
            Linear(84, num_classes),
        )
        if seed is not None:
            self.initialize("pytorch", seed)
