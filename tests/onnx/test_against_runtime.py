"""Sliding operators with random attributes, by the backend and by ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx.checker", reason="needs onnx")
runtime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

from convlet.onnx import Backend  # noqa: E402
from onnx_models import model  # noqa: E402


def sliding_attributes(rng: np.random.Generator, image: list[int]) -> dict[str, Any]:
    """Kernel, strides, dilations and padding that leave a pixel to every window.

    With SAME padding ONNX Runtime refuses dilation or leaves it out of account, and where a stride is larger
    than the kernel it crops the image: there is nothing to compare.
    """
    how = str(rng.choice(["pads", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    same = how.startswith("SAME")
    kernel = [int(rng.integers(1, min(4, size) + 1)) for size in image]
    strides = [int(rng.integers(1, 1 + (min(k, 3) if same else 3))) for k in kernel]
    dilations = [
        int(rng.integers(1, 3)) if not same and 2 * (k - 1) < size else 1
        for k, size in zip(kernel, image, strict=True)
    ]
    chosen: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
    if how == "pads":
        chosen["pads"] = [int(rng.integers(k)) for k in kernel + kernel]
    else:
        chosen["auto_pad"] = how
    return chosen


def node_with_inputs(op: str, rng: np.random.Generator) -> tuple[Any, dict[str, np.ndarray]]:
    channels, image = int(rng.integers(1, 5)), rng.integers(1, 12, rng.integers(1, 3)).tolist()
    inputs = {"x": rng.standard_normal((2, channels, *image), np.float32)}
    attributes = sliding_attributes(rng, image)
    outputs = ["y"]
    if op == "Conv":
        groups = channels if rng.integers(2) else 1
        shape = (2 * groups, channels // groups, *attributes["kernel_shape"])
        inputs["w"] = rng.standard_normal(shape, np.float32)
        attributes["group"] = groups
    elif attributes.get("auto_pad") != "VALID":
        attributes["ceil_mode"] = int(rng.integers(2))
    if op == "AveragePool":
        attributes["count_include_pad"] = int(rng.integers(2))
    if op == "MaxPool":
        attributes["storage_order"] = int(rng.integers(2))
        outputs.append("places")
    return helper.make_node(op, list(inputs), outputs, **attributes), inputs


@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool"])
def test_random_attributes_mean_the_same_to_onnx_runtime(op: str, rng: np.random.Generator) -> None:
    quiet = runtime.SessionOptions()
    quiet.log_severity_level = 4
    for _ in range(150):
        node, inputs = node_with_inputs(op, rng)
        shapes = {name: array.shape for name, array in inputs.items()}
        unknown = [None] * inputs["x"].ndim
        made = model([node], shapes, {"y": unknown}, opset=22)
        if op == "MaxPool":
            places = helper.make_tensor_value_info("places", TensorProto.INT64, unknown)
            made.graph.output.append(places)
        session = runtime.InferenceSession(
            made.SerializeToString(), quiet, providers=["CPUExecutionProvider"]
        )
        expected = session.run(None, inputs)
        for ours, theirs in zip(Backend.run_model(made, inputs), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5, err_msg=str(node))
