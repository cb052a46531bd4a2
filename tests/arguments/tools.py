"""Everything around the nets: data sets, pictures, plots, detection, estimators, files, ONNX, sweeps."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path as Folder
from typing import Any

import numpy as np
from PIL import Image

from arguments.arrays import Bytes, Classes, Images, Reals
from arguments.functions import ones
from arguments.kinds import (
    Flag,
    Instance,
    Integer,
    Name,
    Names,
    Number,
    Path,
    Scales,
    Shape,
    Share,
    Size,
    Word,
)
from arguments.layers import net
from arguments.subject import Subject
from convlet import (
    LeNetClassifier,
    NetClassifier,
    datasets,
    detect,
    nn,
    onnx,
    pictures,
    plots,
    sweep,
)
from convlet.datasets import class_weights, stratified_split
from convlet.detect import natural_stride, score_map

PIXELS = np.arange(4 * 36, dtype=np.uint8).reshape(4, 1, 6, 6)
NUMBERS = np.array([0, 1, 2, 0])
DATA = datasets.Dataset(PIXELS, NUMBERS)
NET = net()
PLACE = Folder(tempfile.mkdtemp(prefix="convlet-survey-"))
PNG = str(PLACE / "picture.png")
NO_NUMBER = frozenset({"None"})
SAVED = {"path": Path(PNG, optional=True)}
SEED = Integer(0, low=0, high=2**64 - 1)
NAMES = Names(("a", "b", "c"), optional=True)
LABELS = Classes(NUMBERS)
ANY_LABELS = Classes(NUMBERS, free=(0,))
SHORTER = {"labels": frozenset({"a number too few"})}
NAMED = {"classes": ("class",), "data": ("data set",)}
ENDS = frozenset({"one below the least", "one above the most"})  # an IndexError
GREY = {"image": frozenset({"an axis less"})}  # (H, W) will do for one channel
IMAGES = Images(ones(4, 1, 6, 6), free=(0,))


def _datasets() -> list[Subject]:
    datasets.write_idx(PLACE / "numbers-idx", PIXELS)
    Image.fromarray(PIXELS[0, 0]).save(PNG)
    given = {"images": Bytes(PIXELS, free=(0, 1, 2, 3)), "labels": Classes(NUMBERS, count=3)}
    about = (DATA,)
    written = {"path": Path(str(PLACE / "copy-idx")), "array": Reals(ones(2, 2), any_shape=True)}
    return [
        Subject(
            "Dataset",
            datasets.Dataset,
            {**given, "classes": NAMES, "name": Name("mine"), "train": Flag(True)},
            {"labels": ("label",), "images": ("label",), "classes": ("label",)},
            {"name": frozenset({"an empty word"}), "images": frozenset({"nothing along axis 0"})},
        ),
        Subject(
            "subset",
            DATA.subset,
            {"indices": Classes(np.array([0, 1, 2, 3]), free=(0,))},
            {"indices": ("integers",)},
            {"indices": frozenset({"a number too few", "booleans"})},
            about,
        ),
        Subject(
            "Dataset",
            DATA.__getitem__,
            {"index": Integer(0, low=-(2**400), high=2**1400)},
            accepts={"index": ENDS},
            about=about,
        ),
        Subject(
            "Digits",
            datasets.Digits,
            {
                "train": Flag(True),
                "size": Integer(1, optional=True, low=0),
                "seed": Integer(0, low=0, high=2**63 - 1),
            },
        ),
        Subject(
            "load",
            datasets.load,
            {"name": Path("digits"), "train": Flag(True), "count": Integer(3, optional=True, low=0)},
            {"name": ("folder",)},
        ),
        Subject(
            "class_weights",
            class_weights,
            {"labels": ANY_LABELS, "classes": Integer(3, optional=True)},
            {"classes": ("labels",)},
            SHORTER,
        ),
        Subject(
            "stratified_split",
            stratified_split,
            {"labels": ANY_LABELS, "share": Share(0.5), "seed": SEED},
            {"share": ("second part",)},
            SHORTER,
        ),
        Subject("write_idx", datasets.write_idx, written),
        Subject("read_idx", datasets.read_idx, {"path": Path(str(PLACE / "numbers-idx"))}),
        Subject(
            "read_image",
            datasets.read_image,
            {"path": Path(PNG), "size": Size(4), "mode": Word("L")},
            accepts={"size": NO_NUMBER},
        ),
    ]


def _pictures() -> list[Subject]:
    sheet = np.full((28, 28), 255, np.uint8)
    sheet[8:20, 12:16] = 0
    image = Bytes(sheet, free=(0, 1))
    return [
        Subject(
            "prepare",
            pictures.prepare,
            {"image": image, "size": Integer(28, low=8, high=4096), "figure": Word("either")},
            accepts={"image": frozenset({"an axis more in front", "a word", "bytes"})},
        ),
        Subject(
            "figure_of",
            pictures.figure_of,
            {"pixels": Bytes(np.stack([sheet] * 3), free=(0, 1, 2)), "figure": Word("either")},
        ),
        Subject("crop", pictures.crop, {"image": Bytes(sheet[None], free=(0, 1, 2)), "size": Size((4, 4))}),
        Subject("as_text", pictures.as_text, {"image": Bytes(sheet[None], free=(0, 1, 2))}),
    ]


def _plots() -> list[Subject]:
    found = {"labels": LABELS, "predicted": LABELS}
    tiles = {"count": Integer(2), "columns": Integer(2), "classes": NAMES}
    about = (NET, DATA)
    return [
        Subject("confusion_matrix", plots.confusion_matrix, {**found, "classes": NAMES, **SAVED}, NAMED),
        Subject("samples", plots.samples, {"data": Instance(DATA), **tiles, **SAVED}, NAMED, about=about),
        Subject(
            "mistakes",
            plots.mistakes,
            {"net": Instance(NET), "data": Instance(DATA), **tiles, **SAVED},
            NAMED,
            about=about,
        ),
        Subject(
            "feature_maps",
            plots.feature_maps,
            {"net": Instance(NET), "image": Images(ones(1, 6, 6)), "most": Integer(2), **SAVED},
            {"image": ("x", "kernel")},
            GREY,
            about,
            voices=("reference", "conv2d", "linear"),
        ),
        Subject(
            "kernels", plots.kernels, {"net": Instance(NET), "layer": Integer(0, low=0), **SAVED}, about=about
        ),
        Subject(
            "LiveCurves",
            plots.LiveCurves,
            {"epochs": Integer(1, optional=True), "images": Integer(1, optional=True)},
        ),
        Subject("curves", plots.curves, {"history": Instance(_history()), **SAVED}),
    ]


def _history() -> Any:
    from convlet.history import History, Row

    return History([Row(1, 1.0, 0.5, None, None, 1.0, 1.0)])


def _detection() -> list[Subject]:
    sliding = {
        "net": Instance(NET),
        "image": Images(ones(1, 12, 12), free=(0, 1, 2)),
        "window": Size(6),
        "stride": Size(2),
    }
    options = {
        "threshold": Number(0.5, high=1),
        "overlap": Number(0.5, high=1),
        "background": Integer(0, optional=True, low=0, high=2),
        "scales": Scales((1.0,)),
    }
    says = {"image": ("window", "x"), "window": ("image",), "scales": ("scale",)}
    return [
        Subject(
            "detect", detect.detect, {**sliding, **options}, says, {"stride": NO_NUMBER, **GREY}, about=(NET,)
        ),
        Subject("score_map", score_map, sliding, says, {"stride": NO_NUMBER, **GREY}, about=(NET,)),
        Subject(
            "natural_stride",
            natural_stride,
            {"net": Instance(NET), "input_shape": Shape((1, 6, 6))},
            says={"input_shape": ("images",)},
            accepts={"input_shape": frozenset()},
            about=(NET,),
            voices=("plan",),
        ),
    ]


def _estimators() -> list[Subject]:
    images, classes = np.tile(ones(4, 1, 6, 6), (2, 1, 1, 1)), np.tile(NUMBERS, 2)

    def fitted(**given: Any) -> object:
        return (
            NetClassifier(random_state=0)
            .set_params(**{"epochs": 1, "scheme": "d2l", **given})
            .fit(images, classes)
        )

    parameters = {
        "lr": Number(0.1),
        "epochs": Integer(1),
        "batch_size": Integer(2),
        "device": Word("cpu"),
        "threads": Integer(1, optional=True, high=1024),
        "verbose": Flag(False),
        "random_state": Integer(0, optional=True, low=0, high=2**64 - 1),
        "scheme": Word("d2l", optional=True),
        "optimizer": Word("sgd"),
        "net": Instance(NET, optional=True),
        "image_shape": Shape((1, 6, 6)),
    }
    says = {name: (name, "Trainer", "fit") for name in parameters}
    return [
        Subject(
            "",
            fitted,
            parameters,
            says,
            {"image_shape": NO_NUMBER, "net": frozenset({"a class"})},
            about=(NET,),
        ),
        Subject(
            "",
            lambda X: LeNetClassifier(epochs=1).fit(X, NUMBERS),
            {"X": Reals(ones(4, 1, 12, 12), free=(2, 3))},
            {"X": ("samples",)},
            {"X": CONVERTED},
        ),
    ]


def _files() -> list[Subject]:
    from convlet.checkpoint import SavedNet, load_net, save_net

    file = str(PLACE / "net.safetensors")
    model = str(PLACE / "net.onnx")
    texts = {"metadata": frozenset({"a dict"})}
    saved = {"path": Path(file), "metadata": Instance({"a": "b"}, optional=True)}
    return [
        Subject("save_weights", NET.save, saved, {}, texts, about=(NET,)),
        Subject("load", NET.load, {"path": Path(file), "strict": Flag(True)}, about=(NET,)),
        Subject(
            "save_net",
            save_net,
            {"path": Path(file), "saved": Instance(SavedNet(NET, (1, 6, 6), ("a", "b", "c")))},
        ),
        Subject("load_net", load_net, {"path": Path(file)}),
        Subject(
            "export",
            onnx.export,
            {
                "net": Instance(NET),
                "path": Path(model),
                "input_shape": Shape((1, 6, 6)),
                "opset": Integer(17, low=13),
                "metadata": Instance({"a": "b"}, optional=True),
            },
            {"input_shape": ("images",)},
            texts,
            voices=("plan",),
        ),
        Subject("load", onnx.load, {"path": Path(model)}),
    ]


# scikit-learn demands that these become numbers, or fail in words of its own or of NumPy.
CONVERTED = frozenset(
    {
        "nothing along axis 0",
        "nothing along axis 1",
        "objects",
        "booleans",
        "integers past 64 bits",
        "one more along axis 1",
        "objects that are None",
        "None in lists",
        "a dict",
        "a set",
        "a generator",
        "an object",
        "a class",
    }
)
ONE_OR_MORE = frozenset({"a list", "a set", "a range", "an array of one", "an array of two"})
SEVERAL = {"seeds": frozenset({"a number"}), "lr": ONE_OR_MORE, "batch_size": ONE_OR_MORE}


def _sweeps() -> list[Subject]:
    arguments = {
        "data": Instance("digits"),
        "seeds": Instance([0]),
        "lr": Number(0.1, optional=True),
        "batch_size": Integer(8, optional=True),
        "recipe": Word("d2l"),
        "epochs": Integer(1, optional=True),
        "train_size": Integer(8, optional=True),
        "net": Instance(nn.LeNet(), optional=True),
        "resume": Flag(False),
        "workers": Integer(1, optional=True),
        "executor": Instance(ThreadPoolExecutor(1), optional=True),
        "on_result": Instance(print, optional=True),
    }
    return [Subject("sweep", sweep, arguments, {"data": ("data", "train")}, SEVERAL)]


SUBJECTS = [*_datasets(), *_pictures(), *_plots(), *_detection(), *_estimators(), *_files(), *_sweeps()]
