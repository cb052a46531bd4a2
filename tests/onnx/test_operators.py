"""What onnx's own tests leave out: older opsets, attributes that meet, and inputs that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx.checker", reason="needs onnx")

import onnx
from onnx import helper, numpy_helper

from convlet import functional
from convlet.onnx import Backend, UnsupportedError
from onnx_models import FLOAT, model
from tolerances import assert_same_bits


def run(op: str, *inputs: np.ndarray, opset: int = 17, outputs: int = 1, **attributes: Any) -> Any:
    """All outputs of one node."""
    names = [f"x{n}" for n in range(len(inputs))]
    node = helper.make_node(op, names, [f"y{n}" for n in range(outputs)], **attributes)
    return Backend.run_node(node, inputs, opset_version=opset)


def numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


@pytest.mark.parametrize("op, function", [("Softmax", "softmax"), ("LogSoftmax", "log_softmax")])
def test_softmax_flattens_before_opset_13(op: str, function: str, rng: np.random.Generator) -> None:
    x, along = numbers(rng, 2, 3, 4), getattr(functional, function)
    flat = along(x.reshape(2, 12), 1).reshape(x.shape)
    assert_same_bits(run(op, x, opset=12)[0], flat)
    assert_same_bits(run(op, x, opset=9, axis=1)[0], flat)
    assert_same_bits(run(op, x, opset=11, axis=-1)[0], along(x, 2))
    assert_same_bits(run(op, x, opset=12, axis=0)[0], along(x.reshape(1, 24), 1).reshape(x.shape))
    assert_same_bits(run(op, x, opset=13)[0], along(x, 2))
    assert_same_bits(run(op, x, opset=13, axis=1)[0], along(x, 1))


def test_dropout_gives_the_mask_of_its_opset(rng: np.random.Generator) -> None:
    x = numbers(rng, 3, 4)
    for opset, options, dtype in (
        (6, {"is_test": 1}, "float32"),
        (7, {"ratio": 0.3}, "float32"),
        (10, {}, "bool"),
        (12, {}, "bool"),
    ):
        y, mask = run("Dropout", x, opset=opset, outputs=2, **options)
        assert_same_bits(y, x)
        assert mask.dtype == dtype
        assert mask.shape == x.shape
        assert mask.all()


def test_dropout_in_training_is_refused_unless_it_drops_nothing(rng: np.random.Generator) -> None:
    x, off, on = numbers(rng, 3, 4), np.array(False), np.array(True)
    none, half = np.float32(0), np.float32(0.5)
    assert_same_bits(run("Dropout", x, half, off)[0], x)
    assert_same_bits(run("Dropout", x, none, on)[0], x)
    with pytest.raises(UnsupportedError, match="Dropout node of 'y0': dropout in training mode"):
        run("Dropout", x, half, on)
    with pytest.raises(UnsupportedError, match="is_test=0"):
        run("Dropout", x, opset=6)


def test_gemm_of_old_opsets_broadcasts_only_when_told_to(rng: np.random.Generator) -> None:
    a, b, c = numbers(rng, 2, 3), numbers(rng, 3, 4), numbers(rng, 4)
    expected = functional.linear(a, b.T, c)
    assert_same_bits(run("Gemm", a, b, c, opset=6, broadcast=1)[0], expected)
    assert_same_bits(run("Gemm", a, b, c, opset=7)[0], expected)
    with pytest.raises(ValueError, match=r"expected C of shape \(2, 4\) with broadcast=0, got \(4,\)"):
        run("Gemm", a, b, c, opset=6)


def test_reshape_by_attribute_before_opset_5(rng: np.random.Generator) -> None:
    x = numbers(rng, 2, 3, 4)
    assert_same_bits(run("Reshape", x, opset=4, shape=[0, -1])[0], x.reshape(2, 12))
    with pytest.raises(ValueError, match="Reshape node of 'y0': "):
        run("Reshape", x, np.array([5, -1]))
    with pytest.raises(ValueError, match=r"expected sizes of at least -1, got shape \[-2, 12\]"):
        run("Reshape", x, np.array([-2, 12]))
    with pytest.raises(ValueError, match="expected at most 3 axes to copy the sizes of"):
        run("Reshape", x, np.array([2, 3, 4, 0]))


@pytest.mark.parametrize("side", ["SAME_UPPER", "SAME_LOWER"])
def test_auto_pad_puts_the_odd_pixel_where_it_says(side: str, rng: np.random.Generator) -> None:
    x, weight = numbers(rng, 2, 2, 7, 8), numbers(rng, 3, 2, 2, 3)
    # 7 rows by stride 2 are 4 windows and 1 row of padding; 8 columns by stride 3 are 3, and 1 column
    padding = (0, 1, 0, 1) if side == "SAME_UPPER" else (1, 0, 1, 0)
    y = run("Conv", x, weight, auto_pad=side, strides=[2, 3])[0]
    assert_same_bits(y, functional.conv2d(x, weight, stride=(2, 3), padding=padding))
    y = run("MaxPool", x, auto_pad=side, kernel_shape=[2, 3], strides=[2, 3])[0]
    assert_same_bits(y, functional.max_pool2d(x, (2, 3), padding=padding))
    y = run("AveragePool", x, auto_pad=side, kernel_shape=[2, 3], strides=[2, 3], ceil_mode=1)[0]
    assert_same_bits(y, functional.avg_pool2d(x, (2, 3), padding=padding, count_include_pad=False))


def test_auto_pad_without_padding(rng: np.random.Generator) -> None:
    x, weight = numbers(rng, 1, 1, 6, 6), numbers(rng, 1, 1, 3, 3)
    y = run("Conv", x, weight, auto_pad="VALID", strides=[2, 2], pads=[0, 0, 0, 0])[0]
    assert_same_bits(y, functional.conv2d(x, weight, stride=2))
    with pytest.raises(ValueError, match="expected either pads or auto_pad, got both"):
        run("Conv", x, weight, auto_pad="SAME_UPPER", pads=[1, 1, 1, 1])
    with pytest.raises(UnsupportedError, match="ceil_mode=1 with auto_pad=VALID"):
        run("MaxPool", x, auto_pad="VALID", kernel_shape=[3, 3], ceil_mode=1)


def test_pads_are_beginnings_then_ends(rng: np.random.Generator) -> None:
    x, weight = numbers(rng, 2, 4, 6, 5), numbers(rng, 6, 2, 3, 2)
    y = run("Conv", x, weight, pads=[1, 0, 2, 3], group=2, dilations=[1, 2], strides=[2, 1])[0]
    assert_same_bits(y, functional.conv2d(x, weight, None, (2, 1), (1, 2, 0, 3), (1, 2), 2))


def test_one_spatial_axis_is_an_image_of_one_row(rng: np.random.Generator) -> None:
    x, weight, bias = numbers(rng, 2, 4, 9), numbers(rng, 6, 2, 3), numbers(rng, 6)
    y = run("Conv", x, weight, bias, pads=[2, 1], strides=[2], dilations=[2], group=2)[0]
    rows = functional.conv2d(x[:, :, None], weight[:, :, None], bias, (1, 2), (0, 0, 2, 1), (1, 2), 2)
    assert_same_bits(y, rows[:, :, 0])
    y, places = run("MaxPool", x, outputs=2, kernel_shape=[3], pads=[1, 0], strides=[2])
    assert_same_bits(y, x.ravel()[places])


def test_max_pool_tells_the_place_in_the_whole_input(rng: np.random.Generator) -> None:
    x = numbers(rng, 2, 3, 5, 6)
    y, rows_first = run("MaxPool", x, outputs=2, kernel_shape=[2, 3], pads=[1, 1, 0, 1])
    assert rows_first.dtype == np.int64
    assert_same_bits(x.ravel()[rows_first], y)
    _, columns_first = run("MaxPool", x, outputs=2, kernel_shape=[2, 3], pads=[1, 1, 0, 1], storage_order=1)
    assert_same_bits(np.ascontiguousarray(x.transpose(0, 1, 3, 2)).ravel()[columns_first], y)


def test_the_mean_of_a_loss_leaves_out_the_ignored(rng: np.random.Generator) -> None:
    scores, weight = numbers(rng, 4, 3), np.array([1, 2, 3], np.float32)
    labels = np.array([0, 7, 2, 1], np.int32)
    loss, log_prob = run(
        "SoftmaxCrossEntropyLoss", scores, labels, weight, outputs=2, ignore_index=7, opset=13
    )
    assert loss.shape == ()
    assert loss == functional.cross_entropy(scores, labels, weight, ignore_index=7)
    assert_same_bits(log_prob, functional.log_softmax(scores, 1))
    with pytest.raises(ValueError, match=r"expected labels in 0\.\.2, got -100 at position 1"):
        run("SoftmaxCrossEntropyLoss", scores, np.array([0, -100, 2, 1]))


@pytest.mark.parametrize(
    "op, shapes, attributes, says",
    [
        ("Conv", [(1, 2, 5, 5), (3, 1, 3, 3)], {}, "Conv node of 'y0': conv2d: "),
        ("Conv", [(1, 1, 5, 5), (3, 1, 3, 3)], {"kernel_shape": [2, 2]}, r"kernel_shape \(3, 3\)"),
        ("Conv", [(1, 1, 5, 5), (3, 1, 3, 3)], {"pads": [1, 1]}, r"expected 4 numbers as pads, got \[1, 1\]"),
        ("Conv", [(1, 1, 5, 5), (3, 1, 3, 3)], {"strides": [0, 1]}, "expected strides of at least 1, got 0"),
        ("Conv", [(1, 1, 5, 5), (3, 1, 3, 3)], {"auto_pad": "SOME"}, "got 'SOME'"),
        ("Conv", [(1, 1, 5, 5), (3, 1, 3, 3)], {"pads": [-1, 0, 0, 0]}, "pads of at least 0, got -1"),
        ("MaxPool", [(1, 1, 5)], {"kernel_shape": [2, 2]}, "expected 1 numbers as kernel_shape"),
        ("MaxPool", [(1, 1, 5, 5)], {"kernel_shape": [9, 9]}, "max_pool2d: "),
        ("Gemm", [(2, 3), (4, 5)], {}, "linear: "),
        ("Flatten", [(2, 3)], {"axis": 3}, r"expected it in -2\.\.1, got 3"),
        ("Softmax", [(2, 3)], {"axis": 2}, "softmax: "),
    ],
)
def test_what_does_not_fit_is_a_value_error_that_names_the_node(
    op: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        run(op, *(np.zeros(shape, np.float32) for shape in shapes), **attributes)
    assert str(caught.value).startswith(f"{op} node of 'y0': ")


def test_run_node_takes_what_the_node_names(rng: np.random.Generator) -> None:
    x = numbers(rng, 2, 3)
    assert_same_bits(Backend.run_node(helper.make_node("Relu", ["x"], ["y"]), [x])["y"], np.maximum(x, 0))
    training = helper.make_node(
        "Dropout",
        ["x", "", "t"],
        [
            "y",
            "",
        ],
    )
    assert_same_bits(Backend.run_node(training, [x, np.array(False)])[0], x)
    for node, inputs, says in (
        (helper.make_node("Relu", ["x"], ["y"]), [], "expected 1 inputs"),
        (helper.make_node("Relu", ["x"], ["y"], slope=2), [x], "run_node: not a valid node: Unrecognized"),
        (helper.make_node("Elu", ["x"], ["y"]), [x], "Elu node of 'y': convlet has no such operator"),
        (helper.make_node("Relu", ["x"], ["y"]), [x.astype(np.float16)], "type float32, got float16"),
    ):
        with pytest.raises(ValueError, match=says):
            Backend.run_node(node, inputs)


def test_devices() -> None:
    assert Backend.supports_device("CPU")
    assert Backend.supports_device("CPU:0")
    assert not Backend.supports_device("CUDA")
    relu = model([helper.make_node("Relu", ["x"], ["y"])], {"x": (2,)}, {"y": (2,)})
    assert Backend.is_compatible(relu)
    assert not Backend.is_compatible(relu, "CUDA")
    with pytest.raises(ValueError, match="expected the device 'CPU', got 'CUDA'"):
        Backend.prepare(relu, "CUDA")


def test_inputs_are_taken_by_position_or_by_name(rng: np.random.Generator) -> None:
    weight = numbers(rng, 3, 4)
    gemm = model(
        [helper.make_node("Gemm", ["x", "w"], ["y"])],
        {"x": ("N", 3), "w": (3, 4)},
        {"y": ("N", 4)},
        {"w": weight},
    )
    prepared, x, other = Backend.prepare(gemm), numbers(rng, 5, 3), numbers(rng, 3, 4)
    expected = functional.linear(x, weight.T)
    assert_same_bits(prepared.run([x])[0], expected)
    assert_same_bits(prepared.run({"x": x})["y"], expected)
    assert_same_bits(Backend.run_model(gemm, [x, other])[0], functional.linear(x, other.T))
    assert_same_bits(prepared.run({"w": other, "x": x})[0], functional.linear(x, other.T))
    for inputs, error, says in (
        ([], ValueError, r"expected 1 inputs \(x\), got 0"),
        ([x, other, x], ValueError, "got 3"),
        ({"w": other}, ValueError, "expected the input 'x', got w"),
        ({"x": x, "z": x}, ValueError, "expected the inputs x, w, got 'z'"),
        ([x.astype(np.float64)], TypeError, "expected 'x' of type float32, got float64"),
        ([x[:, :2]], ValueError, r"expected 'x' of shape \('\?', 3\), got \(5, 2\)"),
        ([x[0]], ValueError, r"got \(3,\)"),
    ):
        with pytest.raises(error, match=f"^run: .*{says}"):
            prepared.run(inputs)


def test_results_belong_to_the_caller(rng: np.random.Generator) -> None:
    x = numbers(rng, 2, 2)
    same = model([helper.make_node("Identity", ["x"], ["y"])], {"x": (2, 2)}, {"y": (2, 2)})
    y = Backend.run_model(same, [x])[0]
    assert not np.shares_memory(x, y)


def test_constants_are_nodes_too() -> None:
    nodes = [
        helper.make_node("Constant", [], ["shape"], value_ints=[0, -1]),
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones((1, 2), np.float32))),
        helper.make_node("Constant", [], ["eye"], value=numpy_helper.from_array(np.eye(2, dtype=np.float32))),
        helper.make_node("Reshape", ["x", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "eye", "c"], ["y"]),
    ]
    y = Backend.run_model(model(nodes, {"x": (3, 2, 1)}, {"y": (3, 2)}), [np.zeros((3, 2, 1), np.float32)])[0]
    assert (y == 1).all()


def test_invalid_models_are_value_errors() -> None:
    relu = helper.make_node("Relu", ["nowhere"], ["y"])
    with pytest.raises(ValueError, match="not a valid ONNX model: Nodes in a graph must be topologically"):
        Backend.prepare(model([relu], {"x": (2,)}, {"y": (2,)}))
    future = model([helper.make_node("Relu", ["x"], ["y"])], {"x": (2,)}, {"y": (2,)}, opset=999)
    assert not Backend.is_compatible(future)


def test_parts_of_onnx_that_are_refused_say_so() -> None:
    tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights")
    gemm = model([helper.make_node("Relu", ["w"], ["y"])], {"x": (2,)}, {"y": (2,)})
    gemm.graph.initializer.append(tensor)
    custom = helper.make_node("Relu", ["x"], ["y"], domain="com.example")
    strings = helper.make_node("Constant", [], ["s"], value_string="text")
    relu = helper.make_node("Relu", ["x"], ["y"])
    for refused, says in (
        (gemm, "tensor 'w' lies in another file and is not read"),
        (model([custom], {"x": (2,)}, {"y": (2,)}, domains=("com.example",)), "domain 'com.example'"),
        (model([strings, relu], {"x": (2,)}, {"y": (2,)}), "Constant node of 's': a constant given by"),
    ):
        with pytest.raises(Exception, match=says) as caught:
            Backend.prepare(refused)
        assert type(caught.value).__name__ == "BackendIsNotSupposedToImplementIt"
