"""What a whole net can do, by way of the engine."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import SupportsIndex, overload

import numpy as np

from .. import _core, functional
from .._arrays import (
    Array,
    Images,
    Labels,
    Numbers,
    Operand,
    aligned,
    as_array,
    as_images,
    as_integers,
    check_labels,
    integer,
)
from .._core import DeviceArray
from .._device import resolve_device
from .conv2d import Conv2d
from .cross_entropy import CrossEntropyLoss
from .engines import Engines, Entry, Way
from .flatten import Flatten
from .lazy import settle
from .linear import Linear
from .module import Keys, Layer, Op
from .normalize import Normalize
from .shown import html_of
from .softmax import LogSoftmax, Softmax
from .structure import POOLINGS, Structure
from .summary import Summary, summary_of

__all__ = ["Network"]

Shape = SupportsIndex | tuple[SupportsIndex, ...]


class Network(Layer):
    """A layer whose ops run one after the other in the engine."""

    _engines: Engines
    _steps: Iterator[int]
    """Of the gradients that were asked for without saying which step they are of."""
    _way: Way | None = None
    """Of the last call, which the next one most likely takes too: a single image is done in microseconds."""

    @property
    @abstractmethod
    def structure(self) -> Structure:
        """The ops of the net, flattened."""

    def ops(self) -> dict[str, Op]:
        """All layers, those of inner nets one by one, by name: ``0``, ``1.0``, ``1.1``, ..."""
        return dict(self.structure.ops)

    @overload
    def __call__(self, x: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, x: Numbers) -> Array: ...
    def __call__(self, x: Numbers | DeviceArray) -> Operand:
        """Run the net on images, which is inference: nothing is remembered for a backward pass.

        Args:
            x: uint8, scaled by 1/255 on the way, or of a floating-point type: (N, C, H, W), or (N, F) if the
                first layer that cares for shapes is dense, or (N, ...) if it flattens. One image, without N,
                is taken too, except where the net begins by flattening. Images on the GPU (a
                ``convlet.cuda.DeviceArray`` of uint8 or float32) are computed there.

        Returns:
            The last layer's output in float32, (N, K) for a classifier, or (K,) for one image. It is on the
            GPU where x is.

        Raises:
            TypeError: an array of other numbers.
            ValueError: a shape that the layers do not take.

        Safe to call from several threads; the interpreter is free while it runs.
        """
        way = self._way
        if way is not None and type(x) is np.ndarray and way.suits(self.structure, x):
            with way.entry.busy:
                return way.entry.engine.forward(way.parameters, x)
        op = type(self).__name__
        images, alone = self._enter(op, x)
        y = self._forward(op, images)
        if images is x and isinstance(images, np.ndarray):
            self._way = Way.of(self.structure, images, self._entry(op, images.shape[1:]))
        return y.reshape(y.shape[1:]) if alone else y

    def predict(self, x: Numbers) -> Labels:
        """The index of the largest output, the likeliest class, for each image: (N,), int64, NumPy's.

        Args:
            x: as :meth:`__call__`.

        Raises:
            TypeError: as :meth:`__call__`.
            ValueError: as :meth:`__call__`.
        """
        images, alone = self._enter("predict", x)
        classes: Labels = _on_host(self._forward("predict", images)).argmax(axis=1)
        return classes[0] if alone else classes

    def predict_proba(self, x: Numbers) -> Array:
        """The probability of every class for each image, softmax of the outputs: (N, K), NumPy's.

        A net that ends with Softmax or LogSoftmax gives them itself.

        Args:
            x: as :meth:`__call__`.

        Raises:
            TypeError: as :meth:`__call__`.
            ValueError: as :meth:`__call__`.
        """
        images, alone = self._enter("predict_proba", x)
        y = _on_host(self._forward("predict_proba", images))
        last = self.structure.sequence[-1] if self.structure.sequence else None
        if isinstance(last, LogSoftmax):
            y = np.exp(y)
        elif not isinstance(last, Softmax):
            y = functional.softmax(y, dim=1)
        return y[0] if alone else y

    def evaluate(
        self, x: Numbers, y: Numbers, loss: CrossEntropyLoss | None = None, *, device: str = "cpu"
    ) -> tuple[float, float]:
        """How well the net does on images whose classes are known.

        Args:
            x: images, (N, ...) as :meth:`__call__`.
            y: class indices, (N,), of any integer type.
            loss: plain cross-entropy if there is none.
            device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for the GPU where one can be used.

        Returns:
            ``(loss, accuracy)``: the loss reduced as it says, a mean or a sum over all images, in nats, and
            the share, 0 to 1, of the targets that count whose class is the largest output.

        Raises:
            TypeError: images or labels of another type.
            ValueError: shapes that do not fit, a label out of range, no label that counts, or a loss with
                ``reduction="none"``.
        """
        op, loss = "evaluate", CrossEntropyLoss() if loss is None else loss
        images, labels, parameters = self.case(op, x, y, loss)
        counts = labels != loss.ignore_index
        where = resolve_device(device, op)
        with self._engines.engine(self.structure.sequence, images.shape[1:], where) as engine:
            total, correct = engine.evaluate(parameters, images, labels, loss.spec())
        if loss.reduction == "mean":
            total /= (
                counts.sum() if loss.weight is None else loss.weight[labels[counts]].sum(dtype=np.float64)
            )
        return float(total), correct / max(1, int(counts.sum()))

    def loss_and_gradients(
        self,
        x: Numbers,
        y: Numbers,
        loss: CrossEntropyLoss | None = None,
        *,
        device: str = "cpu",
        seed: SupportsIndex = 0,
        step: SupportsIndex | None = None,
    ) -> tuple[float, dict[str, Array]]:
        """The loss on a batch and its gradient for every parameter, for training loops of one's own.

        Args:
            x: images, (N, ...) as :meth:`__call__`.
            y: class indices, (N,), of any integer type.
            loss: plain cross-entropy if there is none.
            device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for the GPU where one can be used.
            seed: of what :class:`Dropout` drops, as that of ``Trainer.fit``.
            step: which step's masks to take, from 0; ``None`` for the next, counted from the net's making.

        Returns:
            ``(loss, gradients)``: the loss reduced as it says, and new float32 arrays under the names of
            :meth:`parameters`.

        Raises:
            TypeError: images or labels of another type.
            ValueError: shapes that do not fit, a label out of range, the mean over no label, or a loss with
                ``reduction="none"``.
        """
        op, loss = "loss_and_gradients", CrossEntropyLoss() if loss is None else loss
        images, labels, parameters = self.case(op, x, y, loss)
        gradients, where = aligned(parameters.shape), resolve_device(device, op)
        key = integer(op, "seed", seed, 0, 2**64 - 1)
        now = next(self._steps) if step is None else integer(op, "step", step, 0, 2**48 - 1)
        with self._engines.engine(self.structure.sequence, images.shape[1:], where) as engine:
            value, _ = engine.loss_and_gradients(parameters, images, labels, loss.spec(), gradients, key, now)
        named, start = {}, 0
        for name, array in self.parameters().items():
            named[name] = gradients[start : start + array.size].reshape(array.shape)
            start += array.size
        return float(value), named

    def plan(self, input_shape: Shape) -> _core.Plan:
        """How the engine will run images of that shape; printing the plan shows it.

        Args:
            input_shape: without the batch: (C, H, W), or (F,) or F of flat rows.

        Raises:
            TypeError: a size that is no integer.
            ValueError: a shape that the layers do not take.
        """
        sizes = tuple(input_shape) if isinstance(input_shape, tuple | list) else (input_shape,)
        shape = tuple(integer("plan", "input_shape", size) for size in sizes)
        if len(shape) not in (1, 3):
            raise ValueError(f"plan: expected input_shape (C, H, W) or (F,), got {shape}")
        self._settle("plan", shape)
        return self._entry("plan", shape).plan

    def summary(self, input_shape: Shape) -> Summary:
        """Every layer's output shape, parameters and multiply-adds for one image, as a table to print.

        No parameter is drawn for it, so a layer of 10^9 weights costs nothing.

        Args:
            input_shape: without the batch: (C, H, W), or (F,) or F of flat rows.

        Raises:
            TypeError: a size that is no integer.
            ValueError: a shape that the layers do not take.
        """
        return summary_of(self.structure.ops, self.plan(input_shape))

    def _repr_html_(self) -> str:
        """Layers, shapes where they are known, parameters and multiply-adds, as a notebook shows a net."""
        return html_of(self)

    def save(self, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
        """Write the parameters by name as safetensors, or ``.npz`` if the path ends so, whole or not at all.

        Args:
            path: the file, replaced if it is there.
            metadata: text by name for the file's header.

        Raises:
            OSError: the file cannot be written.
        """
        from .._files import save_weights  # with what it needs for files, 5 ms that inference does without

        save_weights(path, self.state_dict(), metadata)

    def load(self, path: str | os.PathLike[str], strict: bool = True) -> Keys:
        """Read parameters by name from a file that :meth:`save`, PyTorch or anyone wrote; no pickle is read.

        Args:
            path: a safetensors or ``.npz`` file.
            strict: as :meth:`load_state_dict`.

        Returns:
            As :meth:`load_state_dict`.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is no such file, or corrupt, or its names or shapes are not those of the net.
        """
        from .._files import load_weights

        state, _ = load_weights(path)
        return self.load_state_dict(state, strict)

    def batch(self, op: str, x: Numbers) -> Images:
        """Images as the engine takes them, (N, C, H, W) or (N, F) in C order, copied only if need be.

        Args:
            op: who asks, for the error's text.
            x: images as :meth:`__call__` takes them, with N.

        Raises:
            TypeError: an array of other numbers than uint8 or floating-point.
            ValueError: a shape that the first layers do not take.
        """
        images, alone = self._enter(op, as_array(op, "x", x))
        if alone:
            raise ValueError(f"{op}: expected x with a batch axis, (N, ...), got {images.shape[1:]}")
        assert not isinstance(images, DeviceArray)
        return images

    def case(self, op: str, x: Numbers, y: Numbers, loss: CrossEntropyLoss) -> tuple[Images, Labels, Array]:
        """Images, labels and parameters (P,) as the engine takes them for that loss.

        Args:
            op: who asks, for the error's text.
            x: images as :meth:`__call__` takes them, with N.
            y: class indices, (N,), of any integer type.
            loss: a mean or a sum.

        Raises:
            TypeError: as :meth:`loss_and_gradients`.
            ValueError: as :meth:`loss_and_gradients`.
        """
        if not isinstance(loss, CrossEntropyLoss):
            raise TypeError(f"{op}: expected a loss of convlet.nn, got {type(loss).__name__}")
        if loss.reduction == "none":
            raise ValueError(f"{op}: expected a loss with reduction 'mean' or 'sum', got 'none'")
        images, labels = self.batch(op, x), as_integers(op, "labels", y)
        if labels.shape != images.shape[:1]:
            raise ValueError(
                f"{op}: expected labels of shape {images.shape[:1]}, one an image, got {labels.shape}"
            )
        output = tuple(self._entry(op, images.shape[1:]).plan.output_shape)
        if len(output) != 1:
            raise ValueError(f"{op}: expected a net with outputs (N, K), got outputs of shape {output}")
        if loss.weight is not None and loss.weight.shape != output:
            raise ValueError(f"{op}: expected a loss with weight {output}, got {loss.weight.shape}")
        check_labels(op, labels, output[0], loss.ignore_index)
        if loss.reduction == "mean" and not np.any(labels != loss.ignore_index):
            raise ValueError(f"{op}: expected a label that counts for the mean, got 0 of {labels.size}")
        return images, labels, self.structure.slots.gather()[0]

    @property
    def last_input_shape(self) -> tuple[int, ...] | None:
        """Of one image, for which the net was last planned; ``None`` before the first."""
        return self._engines.last_input_shape

    @contextmanager
    def flat_parameters(self) -> Iterator[Array]:
        """All parameters as one float32 array (P,) in C order, for code that updates them in place.

        It is the live buffer itself; only in a net that shares layers with another one it is a copy, which is
        written back at the end of the ``with`` block.
        """
        slots = self.structure.slots
        values, live = slots.gather()
        try:
            yield values
        finally:
            if not live:
                slots.scatter(values)

    def _entry(self, op: str, shape: tuple[int, ...]) -> Entry:
        try:
            return self._engines.entry(self.structure.sequence, shape)
        except ValueError as error:
            raise ValueError(f"{op}: expected images that the layers take, got {shape}: {error}") from error

    def _settle(self, op: str, shape: tuple[int, ...]) -> None:
        """Show lazy layers that there are images of that shape."""
        if not self.structure.lazy:
            return
        if len(shape) not in (1, 3):
            raise ValueError(
                f"{op}: expected images (N, C, H, W) or (N, F) for lazy layers, got (N, *{shape})"
            )
        try:
            settle(self.structure.sequence, shape)
        except ValueError as error:
            raise ValueError(f"{op}: expected images that the layers take, got {shape}: {error}") from error

    def _forward(self, op: str, images: Images | DeviceArray) -> Operand:
        entry = self._entry(op, images.shape[1:])
        parameters = self.structure.slots.gather()[0]
        with entry.busy:
            if isinstance(images, DeviceArray):
                return entry.cuda_engine.forward(parameters, images)
            return entry.engine.forward(parameters, images)

    def _enter(self, op: str, x: Numbers | DeviceArray) -> tuple[Images | DeviceArray, bool]:
        """A batch as the engine takes it, and whether x was a single image without N."""
        images = as_images(op, "x", x)
        if self.structure.lazy:
            alone = images.ndim == 3 and not isinstance(self.structure.entrance, Linear | Flatten)
            self._settle(op, images.shape if alone else images.shape[1:])
        first = self.structure.entrance
        if isinstance(first, Flatten) and images.ndim > 1:
            flat = (len(images), math.prod(images.shape[1:]))
            return images if images.ndim == 4 else images.reshape(flat), False
        image: tuple[int | str, ...] = ("C", "H", "W")
        if isinstance(first, Conv2d):
            image = (first.in_channels, "H", "W")
        elif isinstance(first, Linear):
            image = (first.in_features,)
        elif isinstance(first, Normalize):
            image = (len(first.mean), "H", "W")
        elif not isinstance(first, POOLINGS):
            if images.ndim not in (2, 4):
                raise ValueError(f"{op}: expected x of shape (N, C, H, W) or (N, F), got {images.shape}")
            return images, False
        alone = images.ndim == len(image)
        batch = images.reshape((1, *images.shape)) if alone else images
        sizes = batch.shape[1:]
        if len(sizes) != len(image) or (isinstance(image[0], int) and sizes[0] != image[0]):
            one = ", ".join(map(str, image))
            raise ValueError(
                f"{op}: expected x of shape (N, {one}) or, for one image, ({one}), got {images.shape}"
            )
        return batch, alone


def _on_host(y: Operand) -> Array:
    return y.to_numpy() if isinstance(y, DeviceArray) else y
