"""Pictures in folders, one folder for each class, as a data set."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .._arrays import Pair, Size, choice, flag, pair
from .dataset import Dataset

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImageFolder", "read_image"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_MODES = ("L", "RGB")
_MOST_PIXELS = 1 << 26  # of one picture; a file of kilobytes can claim far more
_ANY_FILE_PIXELS = 1 << 20  # that every file may claim; a larger picture needs a file to match
_PIXELS_A_BYTE = 2731  # of GIF, which packs the most: 4096 equal pixels in twelve bits
_BILEVEL_PIXELS_A_BYTE = 8 * 1032  # eight in a byte, and the bytes deflated


class ImageFolder(Dataset):
    """The pictures in ``root/<class>/``, or in ``root/train/<class>/`` and ``root/test/<class>/``.

    PNG, JPEG, BMP, GIF (its first frame) and WebP; other files, and what is hidden by a dot, are left out.
    The classes are the sorted names of the folders, for both parts those in ``train``; the pictures come by
    class, then by name.

    Args:
        root: the folder.
        size: ``(H, W)``, or an integer for both, that every picture is stretched to; without it they must
            have one size.
        mode: ``"L"`` for one gray channel, ``"RGB"`` for three.
        train: which part to take where the folder has parts; without them, every picture belongs to both.

    Raises:
        FileNotFoundError, NotADirectoryError: ``root``, or the part that was asked for, is no folder.
        TypeError: an argument of a wrong type.
        ValueError: no classes, a class without pictures, a class in ``test`` that ``train`` lacks, a picture
            that cannot be read, pictures of several sizes and no ``size``; the message names the file.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        size: Size | None = None,
        mode: str = "L",
        train: bool = True,
    ) -> None:
        op = type(self).__name__
        shape = None if size is None else _target(op, size)
        channels = len(choice(op, "mode", mode, _MODES))
        folder = Path(root).expanduser()
        if has_parts(folder):
            part = folder / ("train" if flag(op, "train", train) else "test")
            classes = _classes(folder / "train")
        else:
            part, classes = folder, _classes(folder)
        pictures = list(_pictures(part, classes))
        images = np.empty((0, channels, 0, 0), np.uint8)
        for number, (path, _) in enumerate(pictures):
            image = read_image(path, shape, mode)
            if number == 0:
                images = np.empty((len(pictures), *image.shape), np.uint8)
            elif image.shape != images.shape[1:]:
                raise ValueError(
                    f"{op}: expected pictures of one size, or a size to stretch them to, got "
                    f"{_extent(images[0])} in {pictures[0][0]} and {_extent(image)} in {path}"
                )
            images[number] = image
        labels = np.array([label for _, label in pictures], np.int64)
        super().__init__(images, labels, classes, folder.resolve().name, train)


def read_image(
    path: str | os.PathLike[str], size: Size | None = None, mode: str = "L"
) -> npt.NDArray[np.uint8]:
    """One picture as ``uint8`` of shape ``(C, H, W)``, upright as its camera says.

    What is transparent lies on white; 16-bit gray is cut to its upper 8 bits; colours become gray by
    0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).

    Args:
        path: a PNG, JPEG, BMP, GIF or WebP file, told apart by content.
        size: ``(H, W)``, or an integer for both, that the picture is stretched to, with bilinear filtering.
        mode: ``"L"`` for one gray channel, ``"RGB"`` for three.

    Raises:
        OSError: the file cannot be opened.
        TypeError: an argument of a wrong type.
        ValueError: it is no such picture, or truncated, or corrupt, or claims more than 2**26 pixels, or more
            than 2**20 and than 2731 (8256 black and white ones) for each byte of the file; the message names
            the file.
    """
    from PIL import Image, UnidentifiedImageError

    shape = None if size is None else _target("read_image", size)
    choice("read_image", "mode", mode, _MODES)
    content, most = Path(path).read_bytes(), _MOST_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            # From memory, since a file's read(n) takes memory for all n that a header claims.
            stored = Image.open(io.BytesIO(content), formats=_FORMATS)
            most = _most_pixels(len(content), stored.mode)
            if stored.width * stored.height > most:
                raise Image.DecompressionBombError(f"{stored.width}x{stored.height}")
            picture = _prepare(stored, mode)
        except UnidentifiedImageError:
            raise ValueError(f"{os.fspath(path)}: expected a picture of {', '.join(_FORMATS)}") from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ValueError(
                f"{os.fspath(path)}: expected a picture of at most {most} pixels, got {error}"
            ) from error
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders fail on bad data with errors of a dozen types
            raise ValueError(
                f"{os.fspath(path)}: truncated or corrupt picture: {_one_line(error)}"
            ) from error
    if shape is not None:
        picture = picture.resize(shape[::-1], Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, np.uint8)
    return np.array(pixels[None] if mode == "L" else pixels.transpose(2, 0, 1), order="C")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _most_pixels(file_bytes: int, mode: str) -> int:
    """What a file of that size can hold, so that a header that lies costs no memory."""
    a_byte = _BILEVEL_PIXELS_A_BYTE if mode == "1" else _PIXELS_A_BYTE
    return min(_MOST_PIXELS, max(_ANY_FILE_PIXELS, a_byte * file_bytes))


def has_parts(folder: Path) -> bool:
    """Whether a folder has a part to train on, ``train/<class>/``, rather than a class of that name."""
    return (folder / "train").is_dir() and any(True for _ in _folders(folder / "train"))


def _prepare(stored: Image, mode: str) -> Image:
    """Decoded, upright, without transparency, in ``mode``."""
    from PIL import Image, ImageOps

    stored.load()
    transparent = stored.mode in ("LA", "PA", "RGBA") or "transparency" in stored.info
    picture = ImageOps.exif_transpose(stored)
    if picture.mode.startswith("I"):  # 16-bit gray, in Pillow's older versions as 32-bit
        picture = Image.fromarray((np.asarray(picture).clip(0, 65535) >> 8).astype(np.uint8))
    elif transparent:
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture.convert("RGBA"))
    return picture.convert(mode)


def _target(op: str, size: Size) -> Pair:
    height, width = pair(op, "size", size)
    if height * width > _MOST_PIXELS:
        raise ValueError(f"{op}: expected a size of at most {_MOST_PIXELS} pixels, got {height}x{width}")
    return height, width


def _classes(folder: Path) -> tuple[str, ...]:
    classes = tuple(sorted(path.name for path in _folders(folder)))
    if not classes:
        raise ValueError(f"{folder}: expected a folder of pictures for each class, got no folders")
    return classes


def _folders(folder: Path) -> Iterator[Path]:
    hidden = (".", "__MACOSX")
    return (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(hidden))


def _pictures(part: Path, classes: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    """Every picture with its label, by class and name; a part without some of the classes is whole."""
    for found in _classes(part):
        if found not in classes:
            raise ValueError(f"{part / found}: expected a class of train, {', '.join(classes)}, got {found}")
    for label, name in enumerate(classes):
        if not (part / name).is_dir():
            continue
        paths = sorted(
            path
            for path in (part / name).iterdir()
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        )
        if not paths:
            raise ValueError(f"{part / name}: expected pictures ({', '.join(SUFFIXES)}), got none")
        yield from ((path, label) for path in paths)


def _extent(image: npt.NDArray[np.uint8]) -> str:
    return f"{image.shape[1]}x{image.shape[2]}"
