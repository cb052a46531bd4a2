"""What a net saw of pictures, and what it made of it, as one picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._files import write_atomically
from ..datasets import read_image

__all__ = ["Seen", "draw", "font", "save_picture"]

_SIDE, _GAP, _LINE = 224, 16, 22  # pixels


class Seen(NamedTuple):
    """A picture's file, what the net saw (C, H, W), and its answers as text."""

    path: Path
    image: NDArray[np.uint8]
    answers: tuple[str, ...]


def draw(seen: list[Seen], path: Path) -> None:
    """Write a picture with a row for each file: as it is, as the net saw it, and the answers.

    Raises:
        OSError: the file cannot be written; a previous one is untouched.
        ValueError: its ending is no picture's.
    """
    from PIL import Image, ImageDraw

    height = _GAP + (_SIDE + _GAP) * len(seen)
    paper = Image.new("RGB", (3 * (_SIDE + _GAP) + _GAP, height), "white")
    pen = ImageDraw.Draw(paper)
    for number, (file, image, answers) in enumerate(seen):
        top, left = _GAP + number * (_SIDE + _GAP), _GAP
        for pixels in (read_image(file, mode="RGB"), image):
            shown = Image.fromarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0).copy())
            factor = _SIDE / max(shown.size)
            kind = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS
            size = tuple(max(1, round(factor * length)) for length in shown.size)
            shown = shown.resize((size[0], size[1]), kind)
            pen.rectangle((left - 1, top - 1, left + shown.width, top + shown.height), outline="#999999")
            paper.paste(shown, (left, top))
            left += _SIDE + _GAP
        for line, answer in enumerate((file.name, *answers)):
            pen.text((left, top + line * _LINE), answer, fill="black", font=font(_LINE - 6))
    save_picture(paper, path)


def font(height: int) -> Any:
    """Pillow's own font; its versions before 10.1 have it in one size."""
    from PIL import ImageFont

    try:
        return ImageFont.load_default(height)
    except (ImportError, TypeError):
        return ImageFont.load_default()


def save_picture(picture: object, path: Path) -> None:
    """Write one of Pillow's pictures in the format that the path's ending names, whole or not at all."""
    from PIL import Image

    assert isinstance(picture, Image.Image)
    formats = Image.registered_extensions()
    if path.suffix.lower() not in formats:
        raise ValueError(f"{path}: expected a name that ends as a picture's, .png or .jpg")
    content = io.BytesIO()
    picture.save(content, formats[path.suffix.lower()])
    write_atomically(path, content.getvalue())
