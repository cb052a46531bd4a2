"""A figure that a notebook shows without being asked; the one module that loads matplotlib at once."""

from __future__ import annotations

import io
import struct
from typing import Any

from matplotlib.figure import Figure

__all__ = ["Picture"]

_DOTS = 1.6  # of the file for each of the page, so that lines stay sharp on fine screens
_DIMENSIONS = slice(16, 24)  # where a PNG file holds its width and height, two big-endian words


class Picture(Figure):
    """A matplotlib figure without a window."""

    def png(self) -> bytes:
        """The picture as the content of a PNG file."""
        return self._saved("png")

    def svg(self) -> str:
        """The picture as an ``<svg>`` element, to stand in a page: without the head that a file has."""
        text = self._saved("svg", metadata={"Date": None}).decode()
        return text[text.index("<svg") :]

    def _saved(self, format: str, **options: Any) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format=format, **options)
        return file.getvalue()

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """What a notebook shows, and how large."""
        content = self.png()
        width, height = struct.unpack(">II", content[_DIMENSIONS])
        return content, {"width": round(width / _DOTS), "height": round(height / _DOTS)}
