"""All that is fuzzed, by name."""

from __future__ import annotations

from importlib.util import find_spec

from ..target import Target
from . import borders, commands, data, descriptions, pictures, records, weights

__all__ = ["TARGETS"]

_all = [*data.TARGETS, *weights.TARGETS, *descriptions.TARGETS, *records.TARGETS, *pictures.TARGETS]
_all += [*borders.TARGETS, *commands.TARGETS]
if find_spec("onnx") and find_spec("onnx.checker"):  # not tests/onnx
    from . import onnx_models

    _all += onnx_models.TARGETS

TARGETS: dict[str, Target] = {target.name: target for target in _all}
