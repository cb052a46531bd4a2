"""Nets to and from ONNX files, and convlet as a backend that runs ONNX models. Needs onnx.

:func:`export` writes a net for ONNX Runtime and other engines, :func:`load` makes a net of a file that is a
chain of layers, and :class:`Backend` runs any graph of the operators that convlet has.
"""

from __future__ import annotations

try:
    import onnx as _onnx  # noqa: F401
except ImportError as error:
    raise ImportError('convlet.onnx: needs onnx; pip install "convlet[onnx]"') from error

from .backend import Backend, Prepared
from .export import DEFAULT_OPSET, export
from .load import load
from .model import UnsupportedError

__all__ = ["DEFAULT_OPSET", "Backend", "Prepared", "UnsupportedError", "export", "load"]
