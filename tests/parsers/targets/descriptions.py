"""Descriptions of nets: TOML by hand, JSON from a file's metadata."""

from __future__ import annotations

from pathlib import Path

from convlet import checkpoint, models

from ..mutators.json_text import mutate_json
from ..mutators.lines import lines_mutator
from ..target import Target
from .weights import small_net

__all__ = ["TARGETS", "TOML", "TOML_WORDS"]

TOML = (
    """input = [1, 6, 6]
initialize = "pytorch"
[[layers]]
kind = "Conv2d"
name = "first"
out_channels = 2
kernel_size = [3, 3]
padding = 1
groups = 1
[[layers]]
kind = "ReLU"
[[layers]]
kind = "MaxPool2d"
kernel_size = 2
stride = 2
[[layers]]
kind = "Flatten"
[[layers]]
kind = "Linear"
""",
    """[[layers]]
kind = "Normalize"
mean = [0.5]
std = [0.25]
[[layers]]
kind = "AvgPool2d"
kernel_size = 2
ceil_mode = true
[[layers]]
kind = "Dropout"
p = 0.5
[[layers]]
kind = "Flatten"
[[layers]]
kind = "Linear"
out_features = 10
""",
)
TOML_WORDS = (
    *(
        '"same"',
        '"valid"',
        "true",
        "nan",
        "inf",
        "[]",
        "{}",
        '""',
        "[1]",
        "[1, 2, 3, 4]",
        "[[1]]",
        "1979-05-27",
    ),
    *(
        'kind = "Identity"',
        'kind = "LogSoftmax"',
        'kind = "AdaptiveAvgPool2d"',
        'kind = "Sigmoid"',
        "dim = 0",
    ),
    *(
        "dilation = 2",
        "bias = false",
        'name = "a.b"',
        'name = ""',
        "name = 3",
        "seed = 1",
        "[layers]",
        "[[layers]]",
    ),
    *("a = " + "[" * 5000, "[a" + ".a" * 5000 + "]", "a" + ".a" * 5000 + " = 1", "a = " + "9" * 5000),
    *(
        '"""',
        "'''",
        "# only a comment",
        "\0",
        '"\\ud800"',
        "x = " + "{a=" * 3000,
        "out_features = 2147483647",
    ),
)


def _tables() -> list[bytes]:
    return [text.encode() for text in TOML]


def _load_model(data: bytes, folder: Path) -> object:
    (folder / "model.toml").write_bytes(data)
    return models.load_model(folder / "model.toml").build(10)


def _layers() -> list[bytes]:
    return [checkpoint.net_to_json(small_net()).encode()]


def _net_from_json(data: bytes, folder: Path) -> object:
    return checkpoint.net_from_json(data.decode(errors="surrogateescape"))


TARGETS = (
    Target(
        "toml",
        _tables,
        _load_model,
        (TypeError, ValueError),
        (lines_mutator(TOML_WORDS),),
        share=0,
        file="model.toml",
    ),
    Target("net-json", _layers, _net_from_json, mutators=(mutate_json,), share=2),
)
