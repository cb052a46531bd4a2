"""ONNX files of others as nets, and what no net can be."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx.checker", reason="needs onnx")

import onnx
from onnx import helper, numpy_helper

from convlet import functional, nn
from convlet.onnx import UnsupportedError, export, load
from onnx_models import model
from tolerances import assert_same_bits, assert_same_bits_by_name

IMAGE = {"x": ("N", 2, 6, 8)}
ROWS = {"x": ("N", 4)}
node = helper.make_node


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def net_of(path: Path, *arguments: Any, **options: Any) -> nn.Sequential:
    """The net of a model by :func:`onnx_models.model`."""
    onnx.save(model(*arguments, **options), path / "model.onnx")
    return load(path / "model.onnx")


def test_a_file_of_another_program_has_numbered_layers(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "conv.w", "conv.b"], ["a"], "conv", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        node("Identity", ["a"], ["b"]),
        node("Relu", ["b"], ["c"], "relu"),
        node("Dropout", ["c"], ["d"], "dropout"),
        node("MaxPool", ["d"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["e"], ["f"]),
        node("Gemm", ["f", "dense.w"], ["y"], "dense", transB=1),
    ]
    weights = {"conv.w": numbers(3, 2, 3, 3), "conv.b": numbers(3), "dense.w": numbers(5, 36)}
    net = net_of(tmp_path, nodes, IMAGE, {"y": ("N", 5)}, weights)
    assert [type(layer).__name__ for layer in net] == ["Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"]
    assert list(net.parameters()) == ["0.weight", "0.bias", "4.weight"]
    for ours, theirs in zip(net.parameters().values(), weights.values(), strict=True):
        assert_same_bits(ours, theirs)


@pytest.mark.parametrize(
    "names",
    [
        ("a.0", "b", "a.1"),  # nested, it would be another order
        ("a", "a.0", "b"),  # a layer and a net of one name
        ("a", "a", "b"),
        ("", "a", "b"),
        ("a..0", "b", "c"),
        ("." * 5000, "b", "c"),
    ],
)
def test_names_that_others_have_changed_become_numbers(names: tuple[str, ...], tmp_path: Path) -> None:
    net, path = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)), tmp_path / "net.onnx"
    export(net, path, 4)
    changed = onnx.load(path)
    for each, name in zip(changed.graph.node, names, strict=True):
        each.name = name
    onnx.save(changed, path)
    again = load(path)
    assert list(again.ops()) == ["0", "1", "2"]
    assert_same_bits(again(numbers(2, 4)), net(numbers(2, 4)))


@pytest.mark.parametrize(
    "bias, transposed", [(None, 0), ((3,), 1), ((1, 3), 0), ((1,), 1), ((), 1), ((1, 1), 1)]
)
def test_gemm_is_a_dense_layer(bias: tuple[int, ...] | None, transposed: int, tmp_path: Path) -> None:
    weight = numbers(3, 4)
    constants = {"w": weight if transposed else np.ascontiguousarray(weight.T)}
    if bias is not None:
        constants["b"] = numbers(*bias)
    net = net_of(
        tmp_path,
        [node("Gemm", ["x", *constants], ["y"], transB=transposed)],
        ROWS,
        {"y": ("N", 3)},
        constants,
    )
    x = numbers(5, 4)
    added = None if bias is None else np.broadcast_to(constants["b"].reshape(-1), (3,))
    assert_same_bits(net(x), functional.linear(x, weight, added))
    assert ("0.bias" in net.parameters()) == (bias is not None)


def test_matmul_is_a_dense_layer_without_a_bias(tmp_path: Path) -> None:
    net = net_of(tmp_path, [node("MatMul", ["x", "w"], ["y"])], ROWS, {"y": ("N", 3)}, {"w": numbers(4, 3)})
    assert_same_bits(net[0].weight, numbers(4, 3).T)
    assert net[0].bias is None


@pytest.mark.parametrize(
    "images, sizes, options",
    [
        (IMAGE, [0, -1], {}),
        (IMAGE, [-1, 96], {}),
        (IMAGE, [-1, 96], {"allowzero": 1}),
        (IMAGE, [0, 96], {}),
        ({"x": (1, 2, 6, 8)}, [1, -1], {}),
        ({"x": ("N", 2, "H", "W")}, [0, -1], {}),
    ],
)
def test_reshape_that_flattens_is_a_flatten(
    images: Any, sizes: list[int], options: dict[str, int], tmp_path: Path
) -> None:
    nodes = [node("Reshape", ["x", "s"], ["y"], **options)]
    net = net_of(tmp_path, nodes, images, {"y": ("N", "F")}, {"s": np.array(sizes)})
    assert_same_bits(net(numbers(3, 2, 6, 8)), numbers(3, 96))


@pytest.mark.parametrize(
    "images, sizes, options",
    [
        (IMAGE, [3, -1], {}),
        (IMAGE, [-1, 48], {}),
        (IMAGE, [0, 2, -1], {}),
        (IMAGE, [-1], {}),
        (IMAGE, [0, -1], {"allowzero": 1}),
        ({"x": ("N", 2, "H", "W")}, [-1, 96], {}),
        (IMAGE, [-1, -1], {}),
    ],
)
def test_reshape_that_does_not_flatten_is_refused(
    images: Any, sizes: list[int], options: dict[str, int], tmp_path: Path
) -> None:
    nodes = [node("Reshape", ["x", "s"], ["y"], "view", **options)]
    with pytest.raises(UnsupportedError, match="Reshape node 'view': expected a shape .*all the rest"):
        net_of(tmp_path, nodes, images, {"y": ("N", "F")}, {"s": np.array(sizes)})


def test_global_pooling_is_pooling_with_a_window_of_the_image(tmp_path: Path) -> None:
    nodes = [node("GlobalMaxPool", ["x"], ["m"]), node("GlobalAveragePool", ["m"], ["y"])]
    net = net_of(tmp_path, nodes, IMAGE, {"y": ("N", 2, 1, 1)})
    assert [type(layer) for layer in net] == [nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d]
    assert_same_bits(net(numbers(3, 2, 6, 8)), numbers(3, 2, 6, 8).max(axis=(2, 3), keepdims=True))


def test_layers_that_do_nothing_come_back_from_convlets_own_files(tmp_path: Path) -> None:
    net = nn.Sequential({"drop": nn.Dropout(0.25), "same": nn.Identity(), "act": nn.ReLU()})
    export(net, tmp_path / "net.onnx", (2, 6, 8))
    again = load(tmp_path / "net.onnx")
    assert repr(again) == repr(net)
    theirs = onnx.load(tmp_path / "net.onnx")
    theirs.producer_name = "another"
    onnx.save(theirs, tmp_path / "theirs.onnx")
    assert [type(layer) for layer in load(tmp_path / "theirs.onnx")] == [nn.ReLU]


@pytest.mark.parametrize("shape", [(2, 1, 1), (1, 2, 1, 1)])
def test_a_difference_over_a_quotient_is_a_normalization(shape: tuple[int, ...], tmp_path: Path) -> None:
    mean, std = np.float32([0.1, 0.3]).reshape(shape), np.float32([0.5, 3]).reshape(shape)
    nodes = [node("Sub", ["x", "m"], ["c"]), node("Div", ["c", "s"], ["y"])]
    net = net_of(tmp_path, nodes, IMAGE, {"y": ("N", 2, 6, 8)}, {"m": mean, "s": std})
    assert [type(layer) for layer in net] == [nn.Normalize]
    x = numbers(3, 2, 6, 8)
    assert_same_bits(net(x), (x - mean) / std)
    scaled = net_of(tmp_path, nodes[1:], {"c": IMAGE["x"]}, {"y": ("N", 2, 6, 8)}, {"s": np.float32(255)})
    assert_same_bits(scaled(x), x / np.float32(255))


@pytest.mark.parametrize(
    "op, constant, expected",
    [
        ("Sub", np.ones((2, 6, 8)), r"a number for each channel in a Sequential, got \(2, 6, 8\)"),
        ("Sub", np.ones(8), r"a number for each channel in a Sequential, got \(8,\)"),
        ("Sub", np.ones((1, 2, 1)), r"a number for each channel in a Sequential, got \(1, 2, 1\)"),
        ("Div", np.float32([[[1]], [[-1]]]), "divisors above 0 in a Sequential"),
    ],
)
def test_other_differences_and_quotients_are_refused(
    op: str, constant: Any, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedError, match=f"{op} node of 'y': expected {expected}"):
        net_of(
            tmp_path,
            [node(op, ["x", "m"], ["y"])],
            IMAGE,
            {"y": ("N", 2, 6, 8)},
            {"m": constant.astype(np.float32)},
        )


@pytest.mark.parametrize("side, sides", [("SAME_UPPER", (0, 1, 1, 1)), ("SAME_LOWER", (1, 0, 1, 1))])
def test_auto_pad_becomes_padding(side: str, sides: tuple[int, ...], tmp_path: Path) -> None:
    # 6 rows by stride 5 are 2 windows of 2, and 1 row of padding; 8 columns by stride 7 are 2 of 3, and 2
    pool = node("MaxPool", ["x"], ["y"], kernel_shape=[2, 3], strides=[5, 7], auto_pad=side)
    net = net_of(tmp_path, [pool], IMAGE, {"y": ("N", 2, 2, 2)})
    assert net[0].window.padding == sides
    unknown = {"x": ("N", 2, "H", "W")}
    with pytest.raises(UnsupportedError, match="auto_pad=SAME with a stride on an image of unknown size"):
        net_of(tmp_path, [pool], unknown, {"y": ("N", 2, "a", "b")})


@pytest.mark.parametrize(
    "opset, axis, shape, fits",
    [
        (13, 1, ("N", 4), True),
        (13, None, ("N", 4), True),
        (12, None, ("N", 4), True),
        (11, -1, ("N", 4), True),
        (13, 1, ("N", 2, 6, 8), True),
        (13, -3, ("N", 2, 6, 8), True),
        (13, None, ("N", 2, 6, 8), False),
        (12, 1, ("N", 2, 6, 8), False),
        (13, 0, ("N", 4), False),
    ],
)
def test_softmax_is_a_layer_along_axis_1_alone(
    opset: int, axis: int | None, shape: Any, fits: bool, tmp_path: Path
) -> None:
    softmax = node("Softmax", ["x"], ["y"], "end", **({} if axis is None else {"axis": axis}))
    if fits:
        net = net_of(tmp_path, [softmax], {"x": shape}, {"y": shape}, opset=opset)
        assert [repr(layer) for layer in net] == ["Softmax(dim=1)"]
        return
    with pytest.raises(UnsupportedError, match="Softmax node 'end': expected axis 1 alone"):
        net_of(tmp_path, [softmax], {"x": shape}, {"y": shape}, opset=opset)


def test_weights_may_be_constants_their_copies_or_inputs_with_a_default(tmp_path: Path) -> None:
    weight, bias = numbers(3, 4), numbers(3)
    nodes = [
        node("Constant", [], ["c"], value=numpy_helper.from_array(bias)),
        node("Identity", ["w"], ["v"]),
        node("Identity", ["v"], ["u"]),
        node("Gemm", ["x", "u", "c"], ["y"], transB=1),
    ]
    net = net_of(tmp_path, nodes, {**ROWS, "w": (3, 4)}, {"y": ("N", 3)}, {"w": weight})
    assert_same_bits_by_name(net.parameters(), {"0.weight": weight, "0.bias": bias})


def test_weights_may_lie_in_a_file_beside_the_model(tmp_path: Path) -> None:
    net, path = nn.LeNet(seed=1), tmp_path / "lenet.onnx"
    export(net, path, (1, 28, 28))
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0)
    assert_same_bits_by_name(load(path).parameters(), net.parameters())
    weights = (tmp_path / "weights").read_bytes()
    (tmp_path / "weights").write_bytes(weights[:-1])
    with pytest.raises(ValueError, match=r"lenet\.onnx: "):
        load(path)
    (tmp_path / "weights").unlink()
    with pytest.raises(ValueError, match=r"lenet\.onnx: "):
        load(path)


SQUARE = np.eye(4, dtype=np.float32)
REFUSED = {
    "two inputs": (
        ([node("Relu", ["x"], ["y"])], {"x": (2, 4), "z": (2, 4)}, {"y": (2, 4)}),
        "expected a Sequential's one input and one output, got the inputs x, z and the outputs y",
    ),
    "two outputs": (
        ([node("Relu", ["x"], ["y"]), node("Tanh", ["y"], ["z"])], ROWS, {"y": ("N", 4), "z": ("N", 4)}),
        "the outputs y, z",
    ),
    "the indices of max pooling": (
        ([node("MaxPool", ["x"], ["m", "y"], kernel_shape=[2, 2])], IMAGE, {"y": ("N", 2, 5, 7)}),
        "expected the output 'm' of the last layer, got 'y'",
    ),
    "a branch": (
        ([node("Relu", ["x"], ["a"]), node("Tanh", ["x"], ["y"], "second")], ROWS, {"y": ("N", 4)}),
        "Tanh node 'second': expected the output 'a' of the layer before, got 'x'; a Sequential is one chain",
    ),
    "a computed weight": (
        (
            [node("Relu", ["w"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
            ROWS,
            {"y": ("N", 4)},
            {"w": SQUARE},
        ),
        "Relu node of 'v': expected the output 'x' of the layer before, got 'w'",
    ),
    "an input as a weight": (
        ([node("Gemm", ["x", "x"], ["y"], "square")], {"x": (4, 4)}, {"y": (4, 4)}),
        "Gemm node 'square': expected a constant as 'x', got a computed value",
    ),
    "another operator": (
        ([node("Add", ["x", "x"], ["y"], "twice")], ROWS, {"y": ("N", 4)}),
        "Add node 'twice': convlet has no such operator",
    ),
    "a loss": (
        (
            [node("SoftmaxCrossEntropyLoss", ["x", "t"], ["y"], "loss")],
            ROWS,
            {"y": ()},
            {"t": np.zeros(1, np.int64)},
        ),
        "SoftmaxCrossEntropyLoss node 'loss': a Sequential has no such layer",
    ),
    "dropout in training": (
        (
            [node("Dropout", ["x", "r", "t"], ["y"], "d")],
            ROWS,
            {"y": ("N", 4)},
            {"r": np.float32(0.5), "t": np.array(True)},
        ),
        "Dropout node 'd': dropout in training mode",
    ),
    "a scaled product": (
        ([node("Gemm", ["x", "w"], ["y"], alpha=0.5)], ROWS, {"y": ("N", 4)}, {"w": SQUARE}),
        "Gemm node of 'y': expected transA=0, alpha=1 and beta=1 in a Sequential, got 0, 0.5 and 1",
    ),
    "a bias for each image": (
        (
            [node("Gemm", ["x", "w", "b"], ["y"])],
            {"x": (3, 4)},
            {"y": (3, 4)},
            {"w": SQUARE, "b": np.ones((3, 4), np.float32)},
        ),
        r"expected a bias of 4 numbers in a Sequential, got \(3, 4\)",
    ),
    "a bias in a column": (
        (
            [node("Gemm", ["x", "w", "b"], ["y"])],
            {"x": (4, 4)},
            {"y": (4, 4)},
            {"w": SQUARE, "b": np.ones((4, 1), np.float32)},
        ),
        r"expected a bias of 4 numbers in a Sequential, got \(4, 1\)",
    ),
    "one spatial axis": (
        (
            [node("MaxPool", ["x"], ["y"], kernel_shape=[2])],
            {"x": (1, 2, 6)},
            {"y": (1, 2, 5)},
        ),
        "expected images .* as 'x', got rank 3",
    ),
    "average pooling with dilation": (
        (
            [node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2])],
            IMAGE,
            {"y": ("N", 2, 4, 6)},
            None,
            19,
        ),
        r"AveragePool node of 'y': expected dilations of 1 in a Sequential, got \(2, 2\)",
    ),
    "flattening from another axis": (
        ([node("Flatten", ["x"], ["y"], axis=2)], IMAGE, {"y": ("a", "b")}),
        "Flatten node of 'y': expected axis=1 in a Sequential, got 2",
    ),
    "other numbers": (
        (
            [
                node("Constant", [], ["w"], value=numpy_helper.from_array(np.eye(4))),
                node("Gemm", ["x", "w"], ["y"]),
            ],
            ROWS,
            {"y": ("N", 4)},
        ),
        "expected 'w' of type float32, got float64",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_sequential_is_refused_by_name(name: str, tmp_path: Path) -> None:
    arguments, says = REFUSED[name]
    with pytest.raises(UnsupportedError, match=says) as caught:
        net_of(tmp_path, *arguments)
    assert str(caught.value).startswith(f"{tmp_path / 'model.onnx'}: ")


def test_layers_that_do_not_fit_each_other_are_a_value_error(tmp_path: Path) -> None:
    nodes = [node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "w"], ["y"])]
    with pytest.raises(ValueError, match=r"model\.onnx: .*expected a flat input of shape \(4,\)"):
        net_of(tmp_path, nodes, IMAGE, {"y": ("N", 4)}, {"w": SQUARE})


@pytest.mark.torch
@pytest.mark.parametrize("exporter", ["torch.export", "TorchScript"])
def test_pytorch_exports_lenet_and_convlet_loads_it(exporter: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if exporter == "torch.export":
        pytest.importorskip("onnxscript")
    from torch_steps import in_torch

    mine, path, x = nn.LeNet(seed=1), tmp_path / "lenet.onnx", numbers(3, 1, 28, 28)
    theirs = in_torch(mine).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both exporters use what PyTorch itself deprecates
        torch.onnx.export(theirs, (torch.tensor(x),), path, dynamo=exporter == "torch.export", verbose=False)
    net = load(path)
    assert_same_bits_by_name(net.parameters(), mine.parameters())
    assert_same_bits(net(x), mine(x))
    with torch.no_grad():
        np.testing.assert_allclose(net(x), theirs(torch.tensor(x)).numpy(), rtol=0, atol=1e-5)
