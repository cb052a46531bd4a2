"""MNIST and two sets of its form: 28x28 gray pictures in ten classes, four IDX files each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from .. import _settings
from .._arrays import flag
from .dataset import Dataset
from .download import fetch
from .idx import read_idx

__all__ = ["KMNIST", "MNIST", "FashionMNIST"]


FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def _by_file(*digests: str) -> dict[str, str]:
    """For each of ``FILES`` what :func:`fetch` checks."""
    return dict(zip(FILES, digests, strict=True))


class MNIST(Dataset):
    """Handwritten digits: 60,000 to train on and 10,000 to test with, 28x28, 0 (paper) to 255 (ink).

    The files are looked for in ``root``, in the folders of ``$CONVLET_DATA``, then in the user's cache
    folder; in each as ``mnist/*``, as torchvision's ``MNIST/raw/*``, and in the folder itself; in gzip or
    not. What is not found is downloaded from several mirrors and checked; it goes into ``root`` if that is
    given, else into the first of the folders that can be written to. Files found are taken for what their
    names say: of any number of images, so that an excerpt will do, but whole, of the right shape and with
    labels 0 to 9.

    Args:
        root: a folder to look in first.
        train: the images to train on, or those to test with.
        download: whether to download what is not found.

    Raises:
        FileNotFoundError: the files are not there and ``download`` is false.
        ConnectionError: no mirror gave them.
        ValueError: a file is corrupt, or not of the expected shape; the message names it.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
    """

    title: ClassVar[str] = "mnist"
    torchvision_folder: ClassVar[str] = "MNIST"
    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    )
    # Of the content, since mirrors pack anew.
    digests: ClassVar[Mapping[str, str]] = _by_file(
        "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    )

    def __init__(
        self, root: str | os.PathLike[str] | None = None, train: bool = True, download: bool = True
    ) -> None:
        op = type(self).__name__
        beginning = "train" if flag(op, "train", train) else "t10k"
        digests = {name: digest for name, digest in self.digests.items() if name.startswith(beginning)}
        folders = [*([] if root is None else [Path(root).expanduser()]), *_settings.data_dirs()]
        found = self._find(list(digests), folders)
        if found is None:
            if not flag(op, "download", download):
                raise FileNotFoundError(
                    f"{self.title}: {' and '.join(digests)} not found in {', '.join(map(str, folders))}"
                )
            target = (folders[0] if root is not None else _first_writable(folders)) / self.title
            fetch(self.title, target, digests, self.mirrors)
            found = [target / name for name in digests]
        images, labels = _read(*found)
        super().__init__(images, labels, self.class_names, self.title, train)

    @classmethod
    def _find(cls, names: Sequence[str], folders: Sequence[Path]) -> list[Path] | None:
        """The first place that has every file."""
        for folder in folders:
            for place in (folder / cls.title, folder / cls.torchvision_folder / "raw", folder):
                found = [path for name in names if (path := _existing(place / name))]
                if len(found) == len(names):
                    return found
        return None


class FashionMNIST(MNIST):
    """Pictures of clothes, to train on (60,000) and to test with (10,000), 28x28, 0 (nothing) to 255.

    A harder set in MNIST's form. Found, downloaded, checked and refused as :class:`MNIST` is, as
    ``fashion-mnist/*`` or torchvision's ``FashionMNIST/raw/*``.

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", 2017, arXiv:1708.07747.
    """

    title = "fashion-mnist"
    torchvision_folder = "FashionMNIST"
    class_names = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    mirrors = (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    )
    digests = _by_file(
        "sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "sha256:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "sha256:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    )


class KMNIST(MNIST):
    """Cursive Japanese characters, to train on (60,000) and to test with (10,000), 28x28, 0 to 255 (ink).

    Ten hiragana as they were written in old books, several forms of each. Found, downloaded, checked and
    refused as :class:`MNIST` is, as ``kmnist/*`` or torchvision's ``KMNIST/raw/*``.

    Source: T. Clanuwat et al., "Deep learning for classical Japanese literature", 2018, arXiv:1812.01718.
    """

    title = "kmnist"
    torchvision_folder = "KMNIST"
    class_names = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    mirrors = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
    # Of the packed files: the only mirror does not pack anew.
    digests = _by_file(
        "packed-sha256:51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "packed-sha256:e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "packed-sha256:edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "packed-sha256:20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    )


def _existing(packed: Path) -> Path | None:
    """The file without ``.gz``, which is read faster, or else with it."""
    both = (packed.with_suffix(""), packed)
    return next((path for path in both if os.path.isfile(path)), None)  # noqa: PTH113  (never raises)


def _first_writable(folders: Sequence[Path]) -> Path:
    """The first folder that files can be put into, made if need be; else the last."""
    for folder in folders:
        there = next(path for path in (folder, *folder.absolute().parents) if os.access(path, os.F_OK))
        if there.is_dir() and os.access(there, os.W_OK):
            return folder
    return folders[-1]


def _read(images_path: Path, labels_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images ``(N, 1, 28, 28)`` and labels ``(N,)``, checked so that the message can name the file."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28) or images.ndim != 3:
        raise ValueError(
            f"{images_path}: expected uint8 of shape (N, 28, 28), got {images.dtype} of shape {images.shape}"
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(
            f"{labels_path}: expected uint8 of shape (N,), got {labels.dtype} of shape {labels.shape}"
        )
    if len(labels) != len(images):
        raise ValueError(
            f"{labels_path}: expected {len(images)} labels, as many as images in {images_path}, "
            f"got {len(labels)}"
        )
    if labels.max(initial=0) > 9:
        raise ValueError(f"{labels_path}: expected labels in 0..9, got {labels.max()}")
    return images[:, None], labels
