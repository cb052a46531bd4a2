"""From a picture to boxes around what a net knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from .. import functional, nn
from .._arrays import Array, Images, Numbers, Pair, Size, integer, pair, real
from .boxes import Box, suppress
from .scores import as_picture, natural_stride, score_map

__all__ = ["detect"]

_SMALLEST, _LARGEST = 1 / 64, 64.0  # scales


def detect(
    net: nn.Sequential,
    image: Numbers,
    window: Size = 28,
    stride: Size | None = None,
    threshold: SupportsFloat = 0.9,
    overlap: SupportsFloat = 0.3,
    background: SupportsIndex | None = None,
    scales: Sequence[SupportsFloat] = (1.0,),
) -> list[Box]:
    """Find what a net knows in a picture.

    Every window of the picture, at each scale, gets the probabilities of all classes (:func:`score_map` and
    softmax). A window whose likeliest class is not the background and has at least ``threshold`` becomes a
    box. Of boxes that overlap, whatever their labels, the one with the highest score stays
    (:func:`suppress`).

    Args:
        net: layers that take images (C, H, W) to outputs (K,).
        image: (C, IH, IW), or (IH, IW) where C is 1; uint8, scaled by 1/255, or of a floating-point type.
        window: the size of the images that the net was trained on, an int or a pair (rows, columns).
        stride: pixels from one window to the next, in the scaled picture, an int or a pair; by default the
            net's own, :func:`natural_stride`.
        threshold: the least probability of what is found, 0 to 1.
        overlap: the largest intersection over union of two boxes that stay, 0 to 1.
        background: the class of windows that show nothing, or nothing whole; it is never found.
        scales: factors that the picture is stretched by, so that things of other sizes than the window are
            found: 0.5 for those that are twice as large. Scales at which the picture is smaller than the
            window are left out.

    Returns:
        Boxes, the highest score first.

    Raises:
        TypeError: an argument of another type.
        ValueError: an argument out of range, a net that does not take such windows to (K,), or a picture that
            is smaller than the window at every scale.
    """
    op = "detect"
    size = pair(op, "window", window)
    least, most = real(op, "threshold", threshold, 0, 1), real(op, "overlap", overlap, 0, 1)
    if isinstance(scales, str | bytes) or not isinstance(scales, Iterable):
        raise TypeError(f"{op}: expected scales to be a sequence of numbers, got {type(scales).__name__}")
    factors = [real(op, "scales", scale, _SMALLEST, _LARGEST) for scale in scales]
    if not factors:
        raise ValueError(f"{op}: expected at least one scale, got none")
    pixels = as_picture(op, net, image)
    steps = natural_stride(net, (len(pixels), *size)) if stride is None else pair(op, "stride", stride)
    found = []
    for factor in factors:
        extent = round(pixels.shape[1] * factor), round(pixels.shape[2] * factor)
        if extent[0] >= size[0] and extent[1] >= size[1]:
            scores = score_map(net, _stretch(pixels, extent), size, steps)
            shares = pixels.shape[1] / extent[0], pixels.shape[2] / extent[1]
            found.append(_candidates(_probabilities(net, scores), size, steps, shares, least, background))
    if not found:
        raise ValueError(
            f"{op}: expected an image of at least {size[0]}x{size[1]} at some scale, got "
            f"{pixels.shape[1]}x{pixels.shape[2]}"
        )
    corners = np.concatenate([places for places, _, _ in found])
    labels = np.concatenate([classes for _, classes, _ in found])
    best = np.concatenate([probabilities for _, _, probabilities in found])
    boxes = []
    for i in suppress(corners, best, most):
        top, left, bottom, right = corners[i].tolist()
        boxes.append(Box(top, left, bottom - top, right - left, int(labels[i]), float(best[i])))
    return boxes


def _probabilities(net: nn.Sequential, scores: Array) -> Array:
    last = list(net.ops().values())[-1]
    if isinstance(last, nn.LogSoftmax):
        return np.exp(scores)
    return scores if isinstance(last, nn.Softmax) else functional.softmax(scores, dim=0)


def _candidates(
    probabilities: Array,
    size: Pair,
    steps: Pair,
    shares: tuple[float, float],
    threshold: float,
    background: SupportsIndex | None,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Corners (N, 4), labels and scores of the windows that show something, in pixels of the picture."""
    classes = len(probabilities)
    labels = probabilities.argmax(axis=0)
    best = probabilities.max(axis=0)
    shows = best >= threshold
    if background is not None:
        shows &= labels != integer("detect", "background", background, 0, classes - 1)
    rows, columns = np.nonzero(shows)
    top, left = rows * steps[0] * shares[0], columns * steps[1] * shares[1]
    corners = np.stack([top, left, top + size[0] * shares[0], left + size[1] * shares[1]], axis=1)
    return corners, labels[rows, columns], best[rows, columns].astype(np.float64)


def _stretch(pixels: Images, extent: Pair) -> Images:
    """The picture (C, IH, IW) at another size, filtered so that nothing of a smaller one is aliased."""
    if extent == pixels.shape[1:]:
        return pixels
    from PIL import Image

    mode = "L" if pixels.dtype == np.uint8 else "F"
    resized = [
        np.asarray(Image.fromarray(plane, mode=mode).resize(extent[::-1], Image.Resampling.BICUBIC))
        for plane in pixels
    ]
    return np.stack(resized)
