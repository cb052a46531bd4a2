"""The newer edition's trainer."""

from __future__ import annotations

from typing import Any

from .. import nn
from .._arrays import integer
from ..history import History
from ..trainer import Trainer as Engine
from .devices import num_gpus as usable_gpus
from .fashion_mnist import DataModule
from .loader import arrays_of
from .module import Classifier, HyperParameters
from .train_ch6 import fit, new_seed

__all__ = ["Trainer"]

_OWN_STEPS = ("training_step", "validation_step", "fit_epoch", "prepare_batch")


class Trainer(HyperParameters):
    """Trains a model on a data module.

    The steps are those of :class:`convlet.Trainer`: cross-entropy, and the model's optimizer. In a notebook
    the curves are drawn as they grow.

    Args:
        max_epochs: passes over the images.
        num_gpus: 0 for the CPU, 1 for the GPU if there is one that can be used.
        gradient_clip_val: 0; gradients are not clipped.
        seed: of the order of the images; another every time by default.

    Attributes:
        history: the figures of the last :meth:`fit`, row by row.

    Raises:
        TypeError: an argument of another type.
        ValueError: less than one epoch, or gradients to be clipped.
    """

    max_epochs: int
    num_gpus: int
    seed: int | None

    def __init__(
        self, max_epochs: int, num_gpus: int = 0, gradient_clip_val: float = 0, seed: int | None = None
    ) -> None:
        self.save_hyperparameters()
        integer("Trainer", "max_epochs", max_epochs)
        integer("Trainer", "num_gpus", num_gpus, low=0)
        if gradient_clip_val:
            raise ValueError(f"Trainer: expected gradient_clip_val 0, no clipping, got {gradient_clip_val}")
        self.history = History()

    def fit(self, model: Classifier, data: DataModule) -> None:
        """Train the model in place, and test it after each epoch; :attr:`history` has the figures.

        Raises:
            TypeError: what is no classifier, or one that computes its loss or its steps itself.
            ValueError: images that the net does not take.
        """
        _check(model)
        images, labels, batch_size = arrays_of("Trainer.fit", data.train_dataloader())
        test = arrays_of("Trainer.fit", data.val_dataloader())[:2]
        device = "cuda" if min(self.num_gpus, usable_gpus()) else "cpu"
        engine = Engine(model.net, model.configure_optimizers(), nn.CrossEntropyLoss(), device)
        seed = new_seed() if self.seed is None else self.seed
        self.model = model
        self.history = fit(engine, (images, labels), test, self.max_epochs, batch_size, seed)


def _check(model: Any) -> None:
    """A model whose methods say what the engine does."""
    if not isinstance(model, Classifier):
        raise TypeError(f"Trainer.fit: expected a d2l.Classifier, got {type(model).__name__}")
    own = [name for name in _OWN_STEPS if hasattr(model, name)]
    own += [
        name for name in ("loss", "forward") if getattr(type(model), name) is not getattr(Classifier, name)
    ]
    if own:
        raise TypeError(
            f"Trainer.fit: expected a model that the engine trains, by cross-entropy of self.net, "
            f"got one with {', '.join(own)} of its own"
        )
