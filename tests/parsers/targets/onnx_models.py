"""ONNX models, as nets and for the backend."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from convlet import nn
from convlet.onnx import Backend, export, load

from ..mutators.protobuf import mutate_model
from ..target import Target
from .weights import small_net

__all__ = ["TARGETS"]


@cache
def _models() -> list[bytes]:
    """Small nets as convlet exports them, and one by hand with what others write."""
    nets = [(small_net(), (1, 6, 6)), (nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.LogSoftmax(1)), (4,))]
    found = []
    with TemporaryDirectory() as folder:
        for net, shape in nets:
            export(net, Path(folder) / "model.onnx", shape)
            found.append((Path(folder) / "model.onnx").read_bytes())
    return [*found, _by_hand()]


def _by_hand() -> bytes:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], auto_pad="SAME_UPPER", strides=[2, 2], group=2),
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Constant", [], ["shape"], value_ints=[0, -1]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Reshape", ["c", "shape"], ["d"]),
        helper.make_node("Gemm", ["d", "m", "bias"], ["e"], transB=1),
        helper.make_node("Dropout", ["e"], ["f"]),
        helper.make_node("Softmax", ["f"], ["y"], axis=-1),
    ]
    arrays = {
        "w": np.ones((2, 1, 3, 3), np.float32),
        "m": np.ones((3, 2), np.float32),
        "bias": np.zeros(3, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "by hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def _load(data: bytes, folder: Path) -> object:
    (folder / "model.onnx").write_bytes(data)
    return load(folder / "model.onnx")


def _prepare(data: bytes, folder: Path) -> object:
    """The model as a backend gets it: parsed, and not yet looked at."""
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's, and no business of convlet's
        raise ValueError(f"no protobuf: {type(error).__name__}") from error
    from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

    try:
        return Backend.prepare(model)
    except BackendIsNotSupposedToImplementIt as error:
        raise ValueError(str(error)) from error


TARGETS = (
    Target("onnx", _models, _load, mutators=(mutate_model,), file="model.onnx"),
    Target("onnx-backend", _models, _prepare, mutators=(mutate_model,)),
)
