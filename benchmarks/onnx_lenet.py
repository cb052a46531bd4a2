"""The article's LeNet as an ONNX model, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measure import UnavailableError

Array = NDArray[np.float32]


def model(state: Mapping[str, Array]) -> bytes:
    """Logits of images (N, 1, 28, 28), with the weights of `state`; needs the package onnx."""
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    current = "images"

    def add(kind: str, *weights: str, **attributes: object) -> None:
        nonlocal current
        output = f"{kind.lower()}{len(nodes)}"
        nodes.append(helper.make_node(kind, [current, *weights], [output], **attributes))
        current = output

    for name, padding in (("0", 2), ("3", 0)):
        add("Conv", f"{name}.weight", f"{name}.bias", kernel_shape=[5, 5], pads=[padding] * 4)
        add("Sigmoid")
        add("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    add("Flatten")
    for name in ("7", "9", "11"):
        add("Gemm", f"{name}.weight", f"{name}.bias", transB=1)
        if name != "11":
            add("Sigmoid")
    graph = helper.make_graph(
        nodes,
        "lenet",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info(current, TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(array, name) for name, array in state.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def session(state: Mapping[str, Array], threads: int) -> Callable[[Array], Array]:
    """The model as a function of images, or `UnavailableError` where a package is missing."""
    try:
        import onnxruntime
    except ImportError:
        raise UnavailableError("ONNX Runtime is not installed") from None
    try:
        content = model(state)
    except ImportError:
        raise UnavailableError("its model is written with the package onnx, which is not installed") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    made = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda images: made.run(None, {"images": images})[0]
