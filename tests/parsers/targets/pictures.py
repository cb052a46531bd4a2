"""Pictures of all kinds that Pillow reads, single ones and folders of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from convlet import datasets, pictures

from ..mutators.pictures import mutate_picture
from ..target import Target

__all__ = ["TARGETS"]


def _files() -> list[bytes]:
    """One small picture as every kind of file, refused kinds too."""
    rows, columns = np.mgrid[:20, :24]
    gray = np.where((abs(rows - 10) < 6) & (abs(columns - 12) < 2), 255, 9 * (columns % 3)).astype(np.uint8)
    colours = np.stack([gray, 255 - gray, gray // 2, gray], axis=-1)
    images = {
        "L": Image.fromarray(gray),
        "RGB": Image.fromarray(colours[..., :3]),
        "RGBA": Image.fromarray(colours),
        "P": Image.fromarray(gray).convert("P"),
        "1": Image.fromarray(gray).convert("1"),
        "16": Image.fromarray(gray.astype(np.uint16) << 8),
    }
    kinds = [("PNG", mode) for mode in images]
    kinds += [("JPEG", "L"), ("JPEG", "RGB"), ("BMP", "L"), ("BMP", "RGB"), ("GIF", "P"), ("WEBP", "RGB")]
    kinds += [("WEBP", "RGBA"), ("TIFF", "L"), ("PPM", "L"), ("ICO", "RGBA")]
    files = []
    for kind, mode in kinds:
        buffer = io.BytesIO()
        images[mode].save(buffer, kind, **({"lossless": True} if (kind, mode) == ("WEBP", "RGBA") else {}))
        files.append(buffer.getvalue())
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x112] = 6  # the orientation
    images["RGB"].save(turned, "JPEG", exif=exif, progressive=True)
    return [*files, turned.getvalue()]


def _read_image(data: bytes, folder: Path) -> object:
    (folder / "picture").write_bytes(data)
    return datasets.read_image(folder / "picture", mode="RGB" if len(data) % 2 else "L")


def _prepare(data: bytes, folder: Path) -> object:
    (folder / "picture").write_bytes(data)
    return pictures.prepare(folder / "picture")


def _image_folder(data: bytes, folder: Path) -> object:
    """One damaged picture among whole ones."""
    root = folder / "pictures"
    if not root.exists():
        (root / "a").mkdir(parents=True)
        (root / "b").mkdir()
        Image.new("L", (8, 8)).save(root / "a" / "whole.png")
    (root / "b" / "damaged.png").write_bytes(data)
    return datasets.ImageFolder(root, (8, 8))


TARGETS = (
    Target("picture", _files, _read_image, mutators=(mutate_picture,), file="picture"),
    Target("picture-prepared", _files, _prepare, mutators=(mutate_picture,), file="picture"),
    Target("picture-folder", _files, _image_folder, mutators=(mutate_picture,), file="pictures"),
)
