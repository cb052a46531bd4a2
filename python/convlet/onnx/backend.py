"""convlet behind the interface by which ONNX runs and tests backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.backend import base

from . import operators
from .model import Graph, Type, UnsupportedError, checked, latest_opset, node_of

__all__ = ["Backend", "Prepared"]


class Prepared(base.BackendRep):
    """A model that is checked and ready to run; safe to use from several threads."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(self, inputs: Sequence[Any] | Mapping[str, Any], **kwargs: Any) -> tuple[NDArray[Any], ...]:
        """The model's outputs, as a tuple whose items are found by position or by name.

        Args:
            inputs: arrays in the order of the graph's inputs, or by name. Inputs with an initializer may be
                given too; in a sequence all or none of them.
            kwargs: of no effect; there for other backends' sake.

        Raises:
            TypeError: an input of another type than the model's.
            UnsupportedError: what only the values of the inputs ask for, dropout in training mode.
            ValueError: a missing or unknown input, or one whose shape does not fit.
        """
        values: dict[str, NDArray[Any]] = {**self.graph.constants, **self._given(inputs)}
        for node in self.graph.nodes:
            arrays = [values[name] if name else None for name in node.inputs]
            values.update(zip(node.outputs, operators.run(node, arrays), strict=False))
        results = [np.array(values[name]) for name in self.graph.outputs]
        return base.namedtupledict("Outputs", self.graph.outputs)(*results)

    def _given(self, inputs: Sequence[Any] | Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        required, every = self.graph.required, tuple(self.graph.inputs)
        if isinstance(inputs, Mapping):
            given = dict(inputs)
        else:
            names = required if len(inputs) == len(required) else every
            if len(inputs) != len(names):
                raise ValueError(
                    f"run: expected {len(required)} inputs ({', '.join(required)}), got {len(inputs)}"
                )
            given = dict(zip(names, inputs, strict=True))
        for name in given:
            if name not in every:
                raise ValueError(f"run: expected the inputs {', '.join(every)}, got {name!r}")
        for name in required:
            if name not in given:
                raise ValueError(f"run: expected the input {name!r}, got {', '.join(given) or 'none'}")
        return {name: _as_declared(name, given[name], self.graph.inputs[name]) for name in given}


class Backend(base.Backend):
    """Runs ONNX models of the operators that convlet has: float32, at most two spatial axes, inference.

    ``Backend.prepare(onnx.load("net.onnx")).run([images])`` gives a tuple of arrays. Nothing is scaled:
    images are numbers as they are.

    Source: ``onnx.backend.base.Backend``, whose interface it is.
    """

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether :meth:`prepare` would take the model."""
        try:
            _supported(model)
        except ValueError:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> Prepared:
        """Check a model, and make it ready to run several times.

        Args:
            model: with its weights; ``onnx.load`` reads those that lie in other files.
            device: ``"CPU"``.
            kwargs: of no effect; there for other backends' sake.

        Raises:
            onnx.backend.test.BackendIsNotSupposedToImplementIt: the model is valid and beyond convlet; the
                text names the node.
            ValueError: the model is not valid, or the device is another.
        """
        if not cls.supports_device(device):
            raise ValueError(f"prepare: expected the device 'CPU', got {device!r}")
        try:
            return Prepared(_supported(model))
        except UnsupportedError as error:
            from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

            raise BackendIsNotSupposedToImplementIt(f"convlet does not support this: {error}") from error

    @classmethod
    def run_model(
        cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any
    ) -> tuple[NDArray[Any], ...]:
        """Prepare a model and run it once; see :meth:`prepare` and :meth:`Prepared.run`."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[NDArray[Any], ...]:
        """Run one operator by itself.

        Args:
            node: the operator with its attributes.
            inputs: arrays for the inputs that the node names, in their order.
            device: ``"CPU"``.
            outputs_info: of no effect; there for other backends' sake.
            kwargs: ``opset_version``, by default the newest that the installed onnx knows.

        Returns:
            The outputs that the node names.

        Raises:
            UnsupportedError: the node is valid and beyond convlet.
            ValueError: the node is not valid, or the inputs do not fit it.
        """
        if not cls.supports_device(device):
            raise ValueError(f"run_node: expected the device 'CPU', got {device!r}")
        opset = int(kwargs.get("opset_version", latest_opset()))
        try:
            super().run_node(node, inputs, device, outputs_info, opset_version=opset)  # type: ignore[arg-type]
        except onnx.checker.ValidationError as error:
            raise ValueError(f"run_node: not a valid node: {' '.join(str(error).split())}") from error
        call = node_of(node, opset)
        names = [name for name in call.inputs if name]
        if len(inputs) != len(names):
            raise ValueError(
                f"run_node: expected {len(names)} inputs ({', '.join(names)}), got {len(inputs)}"
            )
        given = iter(inputs)
        arrays = [np.asarray(next(given)) if name else None for name in call.inputs]
        found = zip(call.outputs, operators.run(call, arrays), strict=False)
        outputs = {name: value for name, value in found if name}
        return base.namedtupledict("Outputs", list(outputs))(*outputs.values())

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether convlet runs models on it: ``"CPU"``."""
        return device.split(":")[0] == "CPU"


def _supported(model: onnx.ModelProto) -> Graph:
    graph = Graph.of(checked(model))
    operators.check_graph(graph)
    return graph


def _as_declared(name: str, value: Any, declared: Type) -> NDArray[Any]:
    array = np.asarray(value)
    if declared.dtype and array.dtype.name != declared.dtype:
        raise TypeError(f"run: expected {name!r} of type {declared.dtype}, got {array.dtype}")
    if declared.shape is not None:
        sizes = zip(declared.shape, array.shape, strict=False)
        if array.ndim != len(declared.shape) or any(size not in (None, got) for size, got in sizes):
            shape = tuple("?" if size is None else size for size in declared.shape)
            raise ValueError(f"run: expected {name!r} of shape {shape}, got {array.shape}")
    return array
