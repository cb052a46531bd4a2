"""The training of the older edition's chapter."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ..nn import CrossEntropyLoss, Sequential
from ..optim import SGD
from ..plots.live_curves import LiveCurves, in_notebook
from ..trainer import Trainer
from .devices import kind_of
from .loader import Batches, arrays_of

if TYPE_CHECKING:
    from .._arrays import Images, Labels
    from ..history import History

__all__ = ["fit", "new_seed", "train_ch6"]


def train_ch6(
    net: Sequential,
    train_iter: Batches,
    test_iter: Batches,
    num_epochs: int,
    lr: float,
    device: object = None,
    *,
    seed: int | None = None,
) -> None:
    """Draw the net's weights anew, Xavier-uniform, train it with SGD, and print how it went.

    In a notebook the curves are drawn as they grow. At the end it prints, as the book does::

        loss 0.458, train acc 0.827, test acc 0.823
        80000.0 examples/sec on cpu

    Args:
        net: trained in place.
        train_iter: batches of (images, labels); each epoch has a new random order, whatever theirs is.
        test_iter: batches to test with after each epoch.
        num_epochs: passes over the images.
        lr: the learning rate.
        device: ``try_gpu()``, ``"cpu"``, ``"cuda:0"``; ``None`` for the fastest that can be used.
        seed: for the same weights and order every time.

    Raises:
        TypeError: what is no net, or no batches.
        ValueError: images that the net does not take, or an argument out of range.

    Source: "Dive into Deep Learning", section "Convolutional Neural Networks (LeNet)".
    """
    if not isinstance(net, Sequential):
        raise TypeError(f"train_ch6: expected a net, got {type(net).__name__}")
    number = new_seed() if seed is None else seed
    optimizer = SGD(lr)
    images, labels, batch_size = arrays_of("train_ch6", train_iter)
    test = arrays_of("train_ch6", test_iter)[:2]
    net.plan(images.shape[1:])  # what does not fit is told before the weights are lost
    net.initialize("d2l", number)
    trainer = Trainer(net, optimizer, CrossEntropyLoss(), kind_of(device))
    history = fit(trainer, (images, labels), test, num_epochs, batch_size, number)
    last, seconds = history[-1], sum(row.seconds for row in history)
    print(
        f"loss {last.train_loss:.3f}, train acc {last.train_accuracy:.3f}, test acc {last.test_accuracy:.3f}"
    )
    where = trainer.device if device is None else device
    print(f"{len(labels) * num_epochs / seconds:.1f} examples/sec on {where}")


def fit(
    trainer: Trainer,
    train: tuple[Images, Labels],
    test: tuple[Images, Labels] | None,
    epochs: int,
    batch_size: int,
    seed: int,
) -> History:
    """Train, with curves below the cell in a notebook; where matplotlib is missing there, a line says so."""
    live = None
    if in_notebook():
        try:
            live = LiveCurves(epochs, len(train[1]))
        except ImportError as error:
            print(f"no curves: {error}")
    progress = None if live is None else live.on_progress
    return trainer.fit(train, test, epochs, batch_size, seed, on_epoch=live, on_progress=progress)


def new_seed() -> int:
    """A seed that nobody has used before."""
    return secrets.randbits(63)
