"""Nets from files: a description in TOML, which is data, or a Python program, which is run."""

from __future__ import annotations

import inspect
import os
import re
import runpy
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import nn
from .nn.initialize import SCHEMES
from .nn.module import Op

__all__ = ["LAYERS", "Model", "load_model", "net_from_toml"]

Shape = tuple[int, ...]

_IMAGE = (1, 28, 28)
_KEYS = ("input", "initialize", "layers")
LAYERS: dict[str, type[Op]] = {
    layer.__name__: layer
    for layer in (
        nn.AdaptiveAvgPool2d,
        nn.AdaptiveMaxPool2d,
        nn.AvgPool2d,
        nn.Conv2d,
        nn.Dropout,
        nn.Flatten,
        nn.Identity,
        nn.Linear,
        nn.LogSoftmax,
        nn.MaxPool2d,
        nn.Normalize,
        nn.ReLU,
        nn.Sigmoid,
        nn.Softmax,
        nn.Tanh,
    )
}
"""What a net in a file may consist of, by the names of the classes."""
_MOST_PARTS = 20
# A key like a.a.a.a; the parser's time grows with the square of the parts.
_LONG_KEY = re.compile(rf"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{_MOST_PARTS}}}""")
_INFERRED = {"Conv2d": "in_channels", "Linear": "in_features"}


@dataclass(frozen=True)
class Model:
    """A file that makes a net; :func:`load_model` reads it.

    Attributes:
        path: the file.
        input_shape: of an image, (C, H, W).
        scheme: how the weights are to be drawn, or ``None`` for the recipe's.
        content: the tables of a TOML file, or the names that a Python program has defined.
        text: of a TOML file, else empty.
    """

    path: str
    input_shape: Shape
    scheme: str | None
    content: Mapping[str, Any]
    text: str

    def build(self, classes: int) -> nn.Sequential:
        """The net, which gives an output for each of so many classes.

        Raises:
            TypeError: an option of another type, or a program that makes no net.
            ValueError: layers that do not fit each other, the images or the classes.
        """
        if self.text:
            return _checked(
                _from_tables(self.content, self.text, self.input_shape, classes, self.path), self, classes
            )
        net = self.content.get("net")
        if net is None:
            build = self.content["build"]
            arguments = len(inspect.signature(build).parameters)
            if arguments not in (0, 2):
                raise TypeError(
                    f"{self.path}: expected build() or build(input_shape, classes), got {arguments} arguments"
                )
            with _own_code(self.path):
                net = build(self.input_shape, classes) if arguments else build()
        if not isinstance(net, nn.Sequential):
            raise TypeError(f"{self.path}: expected a net of type nn.Sequential, got {type(net).__name__}")
        return _checked(net, self, classes)


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a file that makes a net: ``.toml`` is a description, ``.py`` a program.

    A program is run as any other on this machine, with all that it may do. It defines ``net``, or a function
    ``build()`` or ``build(input_shape, classes)`` that returns one, and may define ``input_shape``.

    Raises:
        OSError: the file cannot be read.
        TypeError: an entry of another type.
        ValueError: a file of another kind, no TOML, an unknown key, or a program that makes no net or fails.
    """
    name = os.fspath(path)
    if name.endswith(".toml"):
        text = _text(path)
        tables = _tables(text, name)
        return Model(
            name,
            _input_shape(tables.get("input", _IMAGE), name, "input"),
            _scheme(tables, name),
            tables,
            text,
        )
    if not name.endswith(".py"):
        raise ValueError(f"{name}: expected a file that ends with .py or .toml, got another")
    with _own_code(name):
        found = runpy.run_path(name, run_name=Path(name).stem)
    if "net" not in found and not callable(found.get("build")):
        raise ValueError(f"{name}: expected a program that defines net or build(), got neither")
    return Model(name, _input_shape(found.get("input_shape", _IMAGE), name, "input_shape"), None, found, "")


def net_from_toml(
    text: str, input_shape: Shape = _IMAGE, classes: int = 10, name: str = "model"
) -> nn.Sequential:
    """A net of the layers that a text describes, with new weights; ``docs/models.md`` has the keys.

    Args:
        text: TOML with a table ``[[layers]]`` for each layer.
        input_shape: of an image, (C, H, W), where the text does not say it.
        classes: how many outputs the net has.
        name: of the text, for messages.

    Raises:
        TypeError: an option of another type.
        ValueError: no TOML, an unknown key, or layers that do not fit; the message names line and layer.
    """
    tables = _tables(text, name)
    shape = _input_shape(tables.get("input", input_shape), name, "input")
    model = Model(name, shape, _scheme(tables, name), tables, text)
    net = model.build(classes)
    return net if model.scheme is None else net.initialize(model.scheme)


@contextmanager
def _own_code(path: str) -> Iterator[None]:
    """Run a program's code; what it raises becomes a ``ValueError`` that says where."""
    try:
        yield
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == path]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        place = path if line is None else f"{path}, line {line}"
        raise ValueError(f"{place}: {type(error).__name__}: {error}") from error


def _text(path: str | os.PathLike[str]) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{os.fspath(path)}: expected TOML in UTF-8, got {error}") from error


def _tables(text: str, name: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    if _LONG_KEY.search(text):
        raise ValueError(f"{name}: expected keys of one part, got one of more than {_MOST_PARTS}")
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{name}: expected TOML, got {error}") from error
    for key in tables:
        if key not in _KEYS:
            raise ValueError(f"{name}: expected keys among {', '.join(_KEYS)}, got {key!r}")
    layers = tables.get("layers")
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        raise ValueError(f"{name}: expected a table [[layers]] for each layer, got none")
    return tables


def _input_shape(value: Any, name: str, key: str) -> Shape:
    sizes = tuple(value) if isinstance(value, list | tuple) else ()
    if len(sizes) != 3 or not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError(f"{name}: expected {key} of three sizes, channels, rows and columns, got {value!r}")
    return sizes


def _scheme(tables: Mapping[str, Any], name: str) -> str | None:
    scheme = tables.get("initialize")
    if scheme is not None and scheme not in SCHEMES:
        raise ValueError(f"{name}: expected initialize to be one of {', '.join(SCHEMES)}, got {scheme!r}")
    return scheme


def _from_tables(
    tables: Mapping[str, Any], text: str, shape: Shape, classes: int, name: str
) -> nn.Sequential:
    layers: dict[str, Op] = {}
    entries = tables["layers"]
    lines = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*layers\s*\]\]", line)]
    for number, entry in enumerate(entries, 1):
        place = f"{name}, line {lines[number - 1]}" if len(lines) == len(entries) else name
        place += f", layer {number} ({entry.get('kind', 'of no kind')})"
        last = number == len(entries)
        try:
            own, kind, options = _options(entry, number, shape, classes if last else None)
            layer = kind(**options)
            shape = tuple(nn.Sequential(kind(**options)).plan(shape).output_shape)
            if own in layers:
                raise ValueError(f"expected a name of its own, got {own!r} for the second time")
            nn.Sequential({own: nn.Flatten()})  # refuses what is no name
        except (TypeError, ValueError) as error:
            raise type(error)(f"{place}: {error}") from error
        layers[own] = layer
    return nn.Sequential(layers)


def _options(
    entry: Mapping[str, Any], number: int, shape: Shape, classes: int | None
) -> tuple[str, type[Op], dict[str, Any]]:
    """The name, the class and the arguments of a layer for input of that shape."""
    options = dict(entry)
    kind, own = options.pop("kind", None), options.pop("name", str(number - 1))
    if not isinstance(kind, str) or kind not in LAYERS:
        raise ValueError(f"expected kind to be one of {', '.join(LAYERS)}, got {kind!r}")
    parameters = {n: p for n, p in inspect.signature(LAYERS[kind]).parameters.items() if n != "seed"}
    for option in options:
        if option not in parameters:
            known = ", ".join(parameters) or "none"
            raise ValueError(f"expected options among {known}, got {option!r}")
    if (inferred := _INFERRED.get(kind)) is not None:
        size = options.setdefault(inferred, shape[0])
        if size != shape[0]:
            raise ValueError(
                f"expected {inferred} {shape[0]}, as its input of shape {shape} has, got {size!r}"
            )
    if kind == "Linear" and classes is not None:
        options.setdefault("out_features", classes)
    for option, parameter in parameters.items():
        if parameter.default is parameter.empty and option not in options:
            raise ValueError(f"expected {option}, got none")
    return own, LAYERS[kind], options


def _checked(net: nn.Sequential, model: Model, classes: int) -> nn.Sequential:
    try:
        output = tuple(net.plan(model.input_shape).output_shape)
    except ValueError as error:
        raise ValueError(f"{model.path}: {error}") from error
    if output != (classes,):
        raise ValueError(
            f"{model.path}: expected an output for each of {classes} classes, got outputs of shape {output}"
        )
    return net
