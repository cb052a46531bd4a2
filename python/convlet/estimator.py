"""Classifiers for scikit-learn's pipelines and searches, which do without scikit-learn.

>>> from sklearn.model_selection import cross_val_score
>>> scores = cross_val_score(LeNetClassifier(epochs=3, random_state=0), images, labels)
"""

from __future__ import annotations

import copy
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import nn, optim
from ._arrays import Numbers, choice, flag, integer, real
from ._samples import as_samples, as_seed, as_targets, check_feature_names, feature_names, not_fitted
from .augment import Augment
from .trainer import Trainer

if TYPE_CHECKING:
    from typing_extensions import Self

    from .history import History, Row

__all__ = ["LeNetClassifier", "NetClassifier"]

Shape: TypeAlias = tuple[int, ...]
Factory: TypeAlias = Callable[[Shape, int], nn.Sequential]
"""From the shape of an image, (C, H, W) or (F,), and the number of classes to a net."""

_OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": optim.SGD,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
}
_LENET_SMALLEST = 12  # pixels; of less, LeNet's second convolution and pooling leave nothing
_HIDDEN = 64  # units of the net that is made where none is given


class _Estimator(ABC):
    """What both classifiers share.

    Attributes:
        net_: the trained net.
        history_: the figures of the training.
        classes_: the classes in the order of the net's outputs.
        input_shape_: of an image as the net takes it.
        n_features_in_: numbers in an image.
    """

    image_shape: Sequence[int] | None
    scheme: str | None
    optimizer: str | Callable[..., optim.Optimizer]
    lr: float
    epochs: int
    batch_size: int
    augment: Augment | None
    device: str
    threads: int | None
    verbose: bool
    random_state: Any

    net_: nn.Sequential
    history_: History
    classes_: NDArray[Any]
    input_shape_: Shape
    n_features_in_: int

    @abstractmethod
    def _make_net(self, shape: Shape, classes: int) -> nn.Sequential:
        """A net that may be trained, for images of that shape."""

    def _shape_of_rows(self, features: int) -> Shape:
        """What a flat row is without ``image_shape``."""
        return (features,)

    def fit(self, X: Numbers, y: Numbers) -> Self:
        """Train a new net.

        Args:
            X: images (N, C, H, W) or (N, H, W), or flat rows (N, F): uint8, scaled by 1/255 on the way, or
                other real numbers, taken as they are.
            y: a class for each, (N,): integers, booleans or strings.

        Returns:
            The estimator itself.

        Raises:
            TypeError: a sparse matrix, or a parameter of another type.
            ValueError: NaN or infinity, a single class, shapes that do not fit, a parameter out of range.
        """
        op = type(self).__name__
        seed = as_seed(op, self.random_state)
        images = self._images(op, X)
        classes, labels = np.unique(as_targets(op, y, len(images)), return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"{op}: expected at least 2 classes in y, got {len(classes)} class")
        shape = images.shape[1:]
        net = self._make_net(shape, len(classes))
        outputs = tuple(net.plan(shape).output_shape)
        if outputs != (len(classes),):
            raise ValueError(f"{op}: expected a net with {len(classes)} outputs, one a class, got {outputs}")
        if self.scheme is not None:
            net.initialize(self.scheme, seed)
        epochs, verbose = integer(op, "epochs", self.epochs), flag(op, "verbose", self.verbose)

        def tell(row: Row) -> None:
            if verbose:
                print(row.line(epochs))

        trainer = Trainer(net, self._optimizer(op), nn.CrossEntropyLoss(), self.device, self.threads)
        case = images, labels.reshape(-1)
        self.history_ = trainer.fit(
            case, None, epochs, self.batch_size, seed, augment=self.augment, on_epoch=tell
        )
        self.net_, self.classes_, self.input_shape_ = net, classes, shape
        self.n_features_in_ = math.prod(shape)
        self.__dict__.pop("feature_names_in_", None)
        if (names := feature_names(X)) is not None:
            self.feature_names_in_ = names
        return self

    def predict(self, X: Numbers) -> NDArray[Any]:
        """The likeliest class of each image, (N,), one of ``classes_``.

        Args:
            X: as :meth:`fit`, images of the same shape.

        Raises:
            TypeError: as :meth:`fit`.
            ValueError: as :meth:`fit`, or because there was none (scikit-learn's ``NotFittedError``).
        """
        images = self._known_images("predict", X)
        return self.classes_[self.net_.predict(images)]

    def predict_proba(self, X: Numbers) -> NDArray[np.float32]:
        """The probability of each class for each image, (N, K), in the order of ``classes_``.

        Args:
            X: as :meth:`fit`, images of the same shape.

        Raises:
            TypeError: as :meth:`fit`.
            ValueError: as :meth:`fit`, or because there was none (scikit-learn's ``NotFittedError``).
        """
        images = self._known_images("predict_proba", X)
        return self.net_.predict_proba(images)

    def score(self, X: Numbers, y: Numbers, sample_weight: Numbers | None = None) -> float:
        """The share, 0 to 1, of images whose class is the predicted one.

        Args:
            X: as :meth:`fit`, images of the same shape.
            y: the class of each, (N,).
            sample_weight: how much each counts, (N,).

        Raises:
            TypeError: as :meth:`fit`.
            ValueError: as :meth:`fit`, or because there was none (scikit-learn's ``NotFittedError``).
        """
        predicted = self.predict(X)
        right = predicted == as_targets("score", y, len(predicted))
        weights = None if sample_weight is None else np.asarray(sample_weight)
        return float(np.average(right, weights=weights))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor by name; ``deep`` changes nothing."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Set arguments of the constructor by name, or none where one is no argument (``ValueError``)."""
        known = inspect.signature(type(self)).parameters
        for name in params:
            if name not in known:
                raise ValueError(
                    f"{type(self).__name__}: Invalid parameter {name!r}, expected one of {', '.join(known)}"
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self)).parameters
        shown = {
            name: value
            for name, value in self.get_params().items()
            if repr(value) != repr(parameters[name].default)
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there is a net; scikit-learn asks."""
        return hasattr(self, "net_")

    def __sklearn_tags__(self) -> Any:
        """What it is and what it takes; scikit-learn asks."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(two_d_array=True, three_d_array=True),
        )

    def _optimizer(self, op: str) -> optim.Optimizer:
        lr = real(op, "lr", self.lr, low=0.0)
        if callable(self.optimizer):
            return self.optimizer(lr=lr)
        return _OPTIMIZERS[choice(op, "optimizer", self.optimizer, tuple(_OPTIMIZERS))](lr=lr)

    def _images(self, op: str, X: Numbers) -> NDArray[Any]:
        """Samples as they enter the net: (N, C, H, W), or (N, F) of rows that are no images."""
        samples = as_samples(op, X)
        if samples.ndim == 3:
            samples = samples[:, np.newaxis]
        rows = samples.ndim == 2
        if self.image_shape is None:
            return samples.reshape(-1, *self._shape_of_rows(samples.shape[1])) if rows else samples
        sizes = tuple(integer(op, "image_shape", size) for size in self.image_shape)
        if len(sizes) not in (2, 3):
            raise ValueError(f"{op}: expected image_shape (H, W) or (C, H, W), got {sizes}")
        shape = sizes if len(sizes) == 3 else (1, *sizes)
        fits = samples.shape[1] == math.prod(shape) if rows else samples.shape[1:] == shape
        if not fits:
            raise ValueError(
                f"{op}: expected images of image_shape {shape}, or flat, got samples of {samples.shape[1:]}"
            )
        return samples.reshape(-1, *shape)

    def _known_images(self, method: str, X: Numbers) -> NDArray[Any]:
        """Samples of the kind that the net was trained on."""
        name = type(self).__name__
        op = f"{name}.{method}"
        if not self.__sklearn_is_fitted__():
            raise not_fitted(op, name)
        check_feature_names(op, name, getattr(self, "feature_names_in_", None), feature_names(X))
        samples = as_samples(op, X)
        features = math.prod(samples.shape[1:])
        if samples.ndim == 2 and features != self.n_features_in_:
            raise ValueError(
                f"{op}: X has {features} features, but {name} is expecting {self.n_features_in_} features "
                "as input"
            )
        images = samples[:, np.newaxis] if samples.ndim == 3 else samples
        if images.ndim == 4 and images.shape[1:] != self.input_shape_:
            raise ValueError(f"{op}: expected images of {self.input_shape_}, got {images.shape[1:]}")
        return images.reshape(-1, *self.input_shape_)


class NetClassifier(_Estimator):
    """Any net as a classifier of scikit-learn's kind.

    Args:
        net: a net, of which every :meth:`fit` trains a copy; or a function from the shape of an image, (C, H,
            W) or (F,), and the number of classes to a net; or ``None`` for one hidden layer of 64 units.
        image_shape: (H, W) or (C, H, W), what a flat row is made into; ``None`` to leave it flat.
        scheme: how the weights are drawn, see :mod:`convlet.nn.initialize`; ``None`` for those that the net
            has.
        optimizer: ``"adam"``, ``"adamw"``, ``"sgd"``, or a function that takes ``lr`` and makes an optimizer.
        lr: the learning rate.
        epochs: passes over the images.
        batch_size: images a step.
        augment: what is done at random to the images that are trained on, an :class:`convlet.Augment`.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        threads: of the CPU; ``None`` for the library's default.
        verbose: whether a line is printed after every epoch.
        random_state: an int for the same bits every time; or a ``RandomState``, a ``Generator`` or ``None``.
    """

    def __init__(
        self,
        net: nn.Sequential | Factory | None = None,
        *,
        image_shape: Sequence[int] | None = None,
        scheme: str | None = "xavier_uniform",
        optimizer: str | Callable[..., optim.Optimizer] = "adam",
        lr: float = 0.004,
        epochs: int = 10,
        batch_size: int = 32,
        augment: Augment | None = None,
        device: str = "auto",
        threads: int | None = None,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.net = net
        self.image_shape = image_shape
        self.scheme = scheme
        self.optimizer = optimizer
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.augment = augment
        self.device = device
        self.threads = threads
        self.verbose = verbose
        self.random_state = random_state

    def _make_net(self, shape: Shape, classes: int) -> nn.Sequential:
        if self.net is None:
            return nn.Sequential(
                nn.Flatten(), nn.Linear(math.prod(shape), _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, classes)
            )
        if isinstance(self.net, nn.Sequential):
            return copy.deepcopy(self.net)
        made = self.net(shape, classes) if callable(self.net) else self.net
        if not isinstance(made, nn.Sequential):
            raise TypeError(
                f"NetClassifier: expected net to be an nn.Sequential or a function that makes one, "
                f"got {type(made).__name__}"
            )
        return made


class LeNetClassifier(_Estimator):
    """LeNet as a classifier of scikit-learn's kind, for images of 12x12 and more.

    Its layers are those of :class:`convlet.nn.LeNet`; the first dense one takes what images of the given size
    leave. Flat rows are images if ``image_shape`` says so, or if they are squares of 12x12 or more. Other
    rows, as of 8x8 pixels, have nothing to convolve, and go through LeNet's dense layers alone.

    Args:
        image_shape: (H, W) or (C, H, W), what a flat row is made into.
        scheme: how the weights are drawn, see :mod:`convlet.nn.initialize`; ``None`` for PyTorch's defaults.
        optimizer: ``"adam"``, ``"adamw"``, ``"sgd"``, or a function that takes ``lr`` and makes an optimizer.
        lr: the learning rate.
        epochs: passes over the images.
        batch_size: images a step.
        augment: what is done at random to the images that are trained on, an :class:`convlet.Augment`.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        threads: of the CPU; ``None`` for the library's default.
        verbose: whether a line is printed after every epoch.
        random_state: an int for the same bits every time; or a ``RandomState``, a ``Generator`` or ``None``.
    """

    def __init__(
        self,
        image_shape: Sequence[int] | None = None,
        *,
        scheme: str | None = "xavier_uniform",
        optimizer: str | Callable[..., optim.Optimizer] = "adam",
        lr: float = 0.004,
        epochs: int = 10,
        batch_size: int = 32,
        augment: Augment | None = None,
        device: str = "auto",
        threads: int | None = None,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.image_shape = image_shape
        self.scheme = scheme
        self.optimizer = optimizer
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.augment = augment
        self.device = device
        self.threads = threads
        self.verbose = verbose
        self.random_state = random_state

    def _shape_of_rows(self, features: int) -> Shape:
        side = math.isqrt(features)
        return (1, side, side) if side * side == features and side >= _LENET_SMALLEST else (features,)

    def _make_net(self, shape: Shape, classes: int) -> nn.Sequential:
        if len(shape) == 1:
            return nn.Sequential(*_dense(shape[0], classes))
        if min(shape[1:]) < _LENET_SMALLEST:
            raise ValueError(
                f"LeNetClassifier: expected images of at least {_LENET_SMALLEST}x{_LENET_SMALLEST}, "
                f"got {shape[1]}x{shape[2]}"
            )
        whole = list(nn.LeNet(shape[0], classes))
        place = next(n for n, layer in enumerate(whole) if isinstance(layer, nn.Flatten))
        features = nn.Sequential(*whole[: place + 1]).summary(shape).output_shape[0]
        return nn.Sequential(*whole[: place + 1], *_dense(features, classes))


def _dense(features: int, classes: int) -> list[nn.Layer]:
    """LeNet's dense layers for another number of inputs."""
    sizes = nn.Linear(features, 120), nn.Linear(120, 84), nn.Linear(84, classes)
    return [sizes[0], nn.Sigmoid(), sizes[1], nn.Sigmoid(), sizes[2]]
