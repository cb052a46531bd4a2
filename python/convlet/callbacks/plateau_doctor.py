"""What to do where a net does not begin to learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .._arrays import Array, Images, function
from ..history import Row
from ..nn import Sigmoid, Tanh
from ..trainer import Callback, Data, Trainer
from ..trainer.case import cases_of

__all__ = ["Diagnosis", "PlateauDoctor"]

_NEAR = 0.01  # of ln(classes)
_EPOCHS, _STEPS = 2, 300  # on the plateau before anything is said; the article's net leaves after some 250
_LONG_EPOCHS, _LONG_STEPS = 5, 1000  # after which it is said whatever the outputs do
_LEFT = 0.5  # the spread of the outputs of a net that has left its plateau
_PATIENCE = 5.0  # how many times as long as so far it may take to leave
_IMAGES = 256  # looked at for outputs and gradients
_VANISHED = 0.05  # the gradient at the input to that at the output
_SMALL, _LARGE = 1e-4, 1e-1  # the change of a step to the size of a weight; about 1e-3 is usual
_XAVIER_SIZE = 0.8  # of the deviation of Xavier's weights; PyTorch's are at 0.5 where a layer narrows
_SPREAD = 3.0  # mean and deviation of pixels that no layer is drawn for

_XAVIER = 'draw the weights by Xavier\'s scheme: net.initialize("d2l") or net.initialize("xavier_uniform")'
_KAIMING = 'draw the weights by Kaiming He\'s scheme: net.initialize("kaiming_uniform")'
_RELU = "put nn.ReLU in the place of nn.Sigmoid and nn.Tanh, whose slope is at most 1/4 and 1"
_LARGER = "a larger learning rate"
_SMALLER = "a smaller learning rate, a tenth to begin with"
_NORMALISE = "bring the images to mean 0 and deviation 1, or into 0..1"


@dataclass(frozen=True)
class Diagnosis:
    """What was seen on a plateau, and what may help.

    Attributes:
        loss: training loss of the last epoch, in nats.
        classes: K, whose chance level is ln K.
        since: the first epoch that stayed there, counted from 1.
        gradients: by layer, its number and kind, from the input to the output: the mean absolute gradient of
            its weights on a batch.
        cures: what usually helps, the likeliest first.
    """

    loss: float
    classes: int
    since: int
    gradients: dict[str, float]
    cures: tuple[str, ...]

    def __str__(self) -> str:
        level = f"loss {self.loss:.3f} = ln {self.classes} since epoch {self.since}"
        sizes = ", ".join(f"{layer} {size:.1e}" for layer, size in self.gradients.items())
        cures = "".join(f"\n  {number}. {cure}" for number, cure in enumerate(self.cures, 1))
        return (
            f"the net does not learn: {level}, as if it guessed\n"
            f"mean absolute gradient by layer: {sizes}\nwhat usually helps, the likeliest first:{cures}"
        )


class PlateauDoctor(Callback):
    """Says once, with figures and the usual cures, that the loss sits where guessing puts it.

    With K classes that is ln K. Sigmoid nets that learn sit there at first too, while the outputs for
    different images drift apart exponentially, from a deviation of about 0.001 to 1. So it speaks after an
    epoch if the training loss has been within 1 % of ln K for two epochs and 300 steps, and the outputs would
    need more than five times as long to drift apart; or if it has been there for five epochs and 1000 steps.
    It changes nothing.

    ========================================  ===========================================================
    what the gradients of a batch show        the order of the cures
    ========================================  ===========================================================
    0 in every layer but the last             smaller rate, Kaiming's scheme: the ReLUs are dead
    vanishing: below 5 % at the input         the scheme, ReLU for sigmoid and tanh, larger rate
    steps below 1e-4 of the weights           larger rate, the scheme, ReLU
    steps above 1e-1 of the weights           smaller rate, the scheme, ReLU
    nothing of all this                       the scheme, ReLU, smaller rate, larger rate
    ========================================  ===========================================================

    The scheme is Xavier's for sigmoid and tanh, else Kaiming's; where the weights are as large as Xavier's
    already, it comes behind the others. Normalised images come last, or first where the pixels have a mean
    or a deviation above 3.

    Args:
        train: what the net is trained on; 256 of the images, evenly spread, are looked at.
        tell: called with the text.

    Attributes:
        diagnosis: what was said; ``None`` before, and for a net that learns.

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    2010; K. He et al., "Delving deep into rectifiers", 2015.
    """

    def __init__(self, train: Data, tell: Callable[[str], object] = print) -> None:
        self._train, self._tell = train, function("PlateauDoctor", "tell", tell)
        self._spreads: list[float] = []  # of the outputs, after each epoch on the plateau
        self.diagnosis: Diagnosis | None = None

    def on_start(self, trainer: Trainer) -> None:
        """Begin anew, and look at the images."""
        case, _ = cases_of(self._train, None, trainer.net, trainer.loss, seed=0)
        chosen = np.linspace(0, len(case.labels) - 1, min(_IMAGES, len(case.labels))).astype(np.int64)
        self._images, self._labels = case.images[chosen], case.labels[chosen]
        self._spreads, self.diagnosis = [], None

    def on_epoch(self, row: Row, trainer: Trainer) -> None:
        """Look at the loss, and speak if it is time."""
        if self.diagnosis is not None:
            return
        outputs = trainer.net(self._images)
        level = math.log(outputs.shape[1])
        if level == 0 or not abs(row.train_loss - level) <= _NEAR * level:
            self._spreads = []
            return
        self._spreads.append(float(outputs.std(axis=0).mean()))
        settings = trainer.history.config
        steps = len(self._spreads) * -(-settings["images"][0] // settings["batch_size"])
        if not _is_stuck(self._spreads, steps):
            return
        _, gradients = trainer.net.loss_and_gradients(self._images, self._labels, trainer.loss)
        weights = {name: array for name, array in trainer.net.parameters().items() if name.endswith("weight")}
        ops = trainer.net.ops()
        sizes = {_title(name, ops): float(np.abs(gradients[name]).mean()) for name in weights}
        cures = _cures(list(weights.values()), list(sizes.values()), trainer, self._images)
        since = row.epoch - len(self._spreads) + 1
        self.diagnosis = Diagnosis(row.train_loss, outputs.shape[1], since, sizes, cures)
        self._tell(str(self.diagnosis))


def _is_stuck(spreads: list[float], steps: int) -> bool:
    """Whether a net whose outputs had these spreads after its epochs on the plateau will stay there."""
    epochs = len(spreads)
    if epochs < _EPOCHS or steps < _STEPS:
        return False
    if epochs >= _LONG_EPOCHS and steps >= _LONG_STEPS:
        return True
    half = epochs // 2
    now, then = spreads[-1], spreads[half - 1]
    if not now > then > 0:
        return True
    wanted = math.log(max(_LEFT / now, 1.0)) / math.log(now / then) * (epochs - half)
    return wanted > _PATIENCE * epochs


def _title(parameter: str, ops: Mapping[str, object]) -> str:
    """A layer's number and kind: ``0 Conv2d``."""
    name = parameter.rpartition(".")[0]
    return f"{name} {type(ops[name]).__name__}"


def _cures(weights: list[Array], sizes: list[float], trainer: Trainer, images: Images) -> tuple[str, ...]:
    """The usual cures in the order that fits the weights and their gradients, both from input to output."""
    relu = [_RELU] if any(isinstance(op, Sigmoid | Tanh) for op in trainer.net.ops().values()) else []
    scheme = [_XAVIER] if relu else [_KAIMING]
    drawn = scheme + relu if np.median([_of_xavier(w) for w in weights]) < _XAVIER_SIZE else relu + scheme
    moved = [
        trainer.optimizer.lr * size / max(float(np.abs(weight).mean()), 1e-30)
        for weight, size in zip(weights, sizes, strict=True)
    ]
    if len(sizes) > 1 and not any(sizes[:-1]):
        cures = [_SMALLER, _KAIMING]
    elif len(sizes) > 1 and sizes[0] < _VANISHED * sizes[-1]:
        cures = [*drawn, _LARGER]
    elif max(moved, default=0.0) < _SMALL:
        cures = [_LARGER, *drawn]
    elif max(moved, default=0.0) > _LARGE:
        cures = [_SMALLER, *drawn]
    else:
        cures = [*drawn, _SMALLER, _LARGER]
    pixels = images.astype(np.float32) / np.float32(255 if images.dtype == np.uint8 else 1)
    wide = max(abs(float(pixels.mean())), float(pixels.std())) > _SPREAD
    return (_NORMALISE, *cures) if wide else (*cures, _NORMALISE)


def _of_xavier(weight: Array) -> float:
    """The deviation of weights (O, I, ...) to that of Xavier's, ``sqrt(2 / (fan_in + fan_out))``."""
    fans = (weight.shape[0] + weight.shape[1]) * math.prod(weight.shape[2:])
    return float(weight.std()) / math.sqrt(2 / fans)
