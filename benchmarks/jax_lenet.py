"""The article's LeNet in JAX: the logits of images, and a jitted step of SGD on images in memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measure import UnavailableError

CONVOLUTIONS = (("0", 2), ("3", 0))  # name and padding
DENSE = ("7", "9", "11")
THREADS_VARIABLE = "NPROC"  # where XLA's thread pool looks for its size, once, when it starts

State = Mapping[str, NDArray[np.float32]]


def jax_with(threads: int) -> Any:
    """The module, on the CPU with so many threads; `UnavailableError` where that cannot be had."""
    if "jax" not in sys.modules:
        os.environ[THREADS_VARIABLE] = str(threads)
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}"
    try:
        import jax
    except ImportError:
        raise UnavailableError("JAX is not installed") from None
    if os.environ.get(THREADS_VARIABLE) != str(threads):
        raise UnavailableError(
            f"JAX has started with {os.environ.get(THREADS_VARIABLE)} threads and keeps them"
        )
    return jax


class Layout:
    """How images and kernels lie in memory: as (N, C, H, W) and (O, C, KH, KW), or with channels last."""

    def __init__(self, channels_last: bool) -> None:
        self.channels_last = channels_last
        self.numbers = ("NHWC", "HWIO", "NHWC") if channels_last else ("NCHW", "OIHW", "NCHW")
        self.window = (1, 2, 2, 1) if channels_last else (1, 1, 2, 2)

    def images(self, array: Any) -> Any:
        """From (N, C, H, W)."""
        return array.transpose(0, 2, 3, 1) if self.channels_last else array

    def weights(self, jax: Any, state: State) -> dict[str, Any]:
        arrays = {name: jax.numpy.asarray(array) for name, array in state.items()}
        if self.channels_last:
            kernels = [f"{name}.weight" for name, _ in CONVOLUTIONS]
            arrays |= {name: arrays[name].transpose(2, 3, 1, 0) for name in kernels}
        return arrays

    def logits(self, jax: Any, weights: Mapping[str, Any], images: Any) -> Any:
        """Of images and weights in this layout."""
        y = images
        for name, padding in CONVOLUTIONS:
            kernel, sides = weights[f"{name}.weight"], [(padding, padding)] * 2
            y = jax.lax.conv_general_dilated(y, kernel, (1, 1), sides, dimension_numbers=self.numbers)
            bias = weights[f"{name}.bias"]
            y = jax.nn.sigmoid(y + (bias if self.channels_last else bias[:, None, None]))
            y = jax.lax.reduce_window(y, 0.0, jax.lax.add, self.window, self.window, "VALID") / 4
        y = y.transpose(0, 3, 1, 2) if self.channels_last else y  # features come in the order of (C, H, W)
        y = y.reshape(len(y), -1)
        for name in DENSE:
            y = y @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
            y = y if name == DENSE[-1] else jax.nn.sigmoid(y)
        return y


def inference(jax: Any, state: State, layout: Layout) -> Callable[[Any], Any]:
    """Images in that layout to logits, compiled once for each number of images."""
    weights = layout.weights(jax, state)
    compiled = jax.jit(lambda weights, images: layout.logits(jax, weights, images))
    return lambda images: compiled(weights, images).block_until_ready()


class JaxTraining:
    """A training loop around one jitted function, which gathers the batch, and reuses the weights' memory."""

    def __init__(
        self,
        jax: Any,
        state: State,
        data: tuple[NDArray[np.uint8], NDArray[np.int64]],
        lr: float,
        batch_size: int,
        layout: Layout,
    ) -> None:
        jnp = jax.numpy
        self.jax, self.batch_size, self.rng = jax, batch_size, np.random.default_rng(0)
        self.weights = layout.weights(jax, state)
        self.images = jnp.asarray(layout.images(data[0].astype(np.float32) / np.float32(255)))
        self.labels = jnp.asarray(data[1].astype(np.int32))

        def loss(weights: Any, x: Any, y: Any) -> tuple[Any, Any]:
            scores = layout.logits(jax, weights, x)
            log_p = jax.nn.log_softmax(scores)
            correct = (scores.argmax(axis=1) == y).sum()
            return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean(), correct

        def step(weights: Any, batch: Any, images: Any, labels: Any) -> Any:
            values, gradients = jax.value_and_grad(loss, has_aux=True)(weights, images[batch], labels[batch])
            updated = {name: weights[name] - lr * gradient for name, gradient in gradients.items()}
            return updated, *values

        self.step = jax.jit(step, donate_argnums=0)

    def run(self, order: NDArray[np.int64]) -> tuple[float, float]:
        """One pass over the images of `order`: mean loss and accuracy, each batch before its step."""
        losses, corrects, sizes = [], [], []
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size].astype(np.int32)
            self.weights, loss, correct = self.step(self.weights, batch, self.images, self.labels)
            losses.append(loss)
            corrects.append(correct)
            sizes.append(len(batch))
        return float(np.dot(np.asarray(losses), sizes)) / len(order), sum(map(int, corrects)) / len(order)

    def shuffled(self, images: int) -> tuple[float, float]:
        """A pass over so many of the images, drawn anew each time."""
        return self.run(self.rng.permutation(len(self.labels))[:images])

    def in_order(self, start: int, stop: int) -> float:
        """The mean loss of a pass over images start..stop-1."""
        return self.run(np.arange(start, stop))[0]
