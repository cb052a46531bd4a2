"""Nets written as ONNX files, and the same nets read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx.checker", reason="needs onnx")

import onnx

import convlet.onnx
from convlet import nn
from convlet.onnx import Backend, UnsupportedError, export, load
from networks import EXTRAS, LENET, NETWORKS, Network, random_network
from tolerances import assert_same_bits, assert_same_bits_by_name

WITHOUT_DIVISOR = [
    network
    for network in (*NETWORKS, *EXTRAS, *map(random_network, range(20)))
    if not any(getattr(op, "divisor_override", None) for op in network.make().ops().values())
]


def attributes(node: onnx.NodeProto) -> dict[str, object]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


@pytest.mark.parametrize("network", WITHOUT_DIVISOR, ids=lambda n: n.name)
def test_a_net_comes_back_with_the_same_bits_and_names(network: Network, tmp_path: Path) -> None:
    net, (images, _) = network.make(), network.data(3)
    export(net, tmp_path / "net.onnx", network.input_shape)
    again = load(tmp_path / "net.onnx")
    assert_same_bits_by_name(again.parameters(), net.parameters())
    assert list(again.ops()) == list(net.ops())
    assert [type(op) for op in again.ops().values()] == [type(op) for op in net.ops().values()]
    assert_same_bits(again(images), net(images))


@pytest.mark.parametrize("network", WITHOUT_DIVISOR, ids=lambda n: n.name)
def test_the_backend_gives_an_exported_net_its_own_bits(network: Network, tmp_path: Path) -> None:
    net, (images, _) = network.make(), network.data(3, "float32")
    export(net, tmp_path / "net.onnx", network.input_shape)
    y = Backend.run_model(onnx.load(tmp_path / "net.onnx"), [images])["output"]
    assert_same_bits(y, net(images))


@pytest.mark.parametrize("opset", [13, 17, 18, 20])
def test_the_checker_of_onnx_finds_nothing(opset: int, tmp_path: Path) -> None:
    for network in WITHOUT_DIVISOR:
        export(network.make(), tmp_path / "net.onnx", network.input_shape, opset)
        model = onnx.load(tmp_path / "net.onnx")
        onnx.checker.check_model(model, full_check=True)
        assert model.opset_import[0].version == opset


def test_the_model_of_lenet(tmp_path: Path) -> None:
    net = nn.LeNet(seed=3)
    assert export(net, tmp_path / "lenet.onnx", (1, 28, 28), metadata={"classes": "0-9"}) is None
    model = onnx.load(tmp_path / "lenet.onnx")
    graph = model.graph
    assert [tensor.name for tensor in graph.initializer] == list(net.parameters())
    assert [node.name for node in graph.node] == list(net.ops())
    assert [node.op_type for node in graph.node] == [
        *("Conv", "Sigmoid", "AveragePool", "Conv", "Sigmoid", "AveragePool", "Flatten"),
        *("Gemm", "Sigmoid", "Gemm", "Sigmoid", "Gemm"),
    ]
    assert "(float[N,1,28,28] input) => (float[N,10] output)" in onnx.printer.to_text(model)
    assert attributes(graph.node[2])["count_include_pad"] == 1
    assert (model.producer_name, model.ir_version, model.opset_import[0].version) == ("convlet", 8, 17)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"classes": "0-9"}


def test_every_option_of_a_layer_is_an_attribute(tmp_path: Path) -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(1, 2, 3, 0), dilation=(1, 2), groups=2, bias=False),
        nn.MaxPool2d((2, 3), stride=(1, 2), padding=1, dilation=(2, 1), ceil_mode=True),
        nn.AvgPool2d((3, 2), (2, 3), (1, 0), ceil_mode=True, count_include_pad=False),
    )
    export(net, tmp_path / "net.onnx", (4, 20, 20))
    assert repr(load(tmp_path / "net.onnx")) == repr(net)
    conv, largest, average = map(attributes, onnx.load(tmp_path / "net.onnx").graph.node)
    assert conv == {
        "kernel_shape": [3, 5],
        "strides": [2, 1],
        "pads": [1, 3, 2, 0],
        "dilations": [1, 2],
        "group": 2,
    }
    assert largest == {
        "kernel_shape": [2, 3],
        "strides": [1, 2],
        "pads": [1, 1, 1, 1],
        "dilations": [2, 1],
        "ceil_mode": 1,
    }
    assert average == {
        "kernel_shape": [3, 2],
        "strides": [2, 3],
        "pads": [1, 0, 1, 0],
        "ceil_mode": 1,
        "count_include_pad": 0,
    }


@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
def test_rounding_up_hangs_on_no_window_that_starts_in_the_padding(pool: type, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    for shape, kernel, stride, ceil, padding in (
        ((5, 5), 3, 2, True, (1, 1)),  # nothing is left over
        ((6, 6), 3, 2, True, (1, 1)),  # the row and column left over get a window
        ((2, 2), 3, 3, False, (1, 1)),  # it would start in the padding
        ((2, 3), 3, (3, 2), False, (1, 1)),  # nothing is left over across
        ((2, 4), 3, (3, 2), True, (1, 0, 1, 1)),  # only the column left over gets a window
    ):
        net = nn.Sequential(pool(kernel, stride, padding=1, ceil_mode=True))
        export(net, path, (1, *shape))
        again = load(path)
        assert (again[0].ceil_mode, again[0].padding) == (ceil, padding)
        images = np.arange(2 * np.prod(shape), dtype=np.float32).reshape(2, 1, *shape)
        assert_same_bits(again(images), net(images))
    net = nn.Sequential({"pool": pool((1, 2), stride=(2, 2), ceil_mode=True)})
    with pytest.raises(UnsupportedError, match="export: layer 'pool': ceil_mode=True, which images of"):
        export(net, path, (1, 2, 3))


def test_nested_nets_keep_their_names(tmp_path: Path) -> None:
    net = nn.Sequential(
        {
            "features": nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, 1))),
            "flat": nn.Flatten(),
            "classifier": nn.Sequential({"dense": nn.Linear(18, 2, bias=False), "p": nn.LogSoftmax(1)}),
        }
    )
    export(net, tmp_path / "net.onnx", (1, 6, 6))
    assert repr(load(tmp_path / "net.onnx")) == repr(net)


def test_a_net_of_nothing_is_an_identity(tmp_path: Path) -> None:
    export(nn.Sequential(), tmp_path / "net.onnx", (1, 2, 3))
    assert [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node] == ["Identity"]
    assert len(load(tmp_path / "net.onnx")) == 0


def test_equal_nets_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        export(nn.LeNet(seed=1), tmp_path / name, (1, 28, 28), metadata={"z": "1", "a": "2"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_refused_export_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    divided = nn.Sequential({"pool": nn.AvgPool2d(2, divisor_override=3)})
    wide = nn.Sequential(nn.Linear(2**15, 2**15))
    cases = (
        (divided, (1, 4, 4), {}, UnsupportedError, "layer 'pool': ONNX's AveragePool has no divisor"),
        (nn.LeNet(), (1, 27, 27), {}, ValueError, "expected images that the layers take"),
        (nn.LeNet(), (1, 28), {}, ValueError, "input_shape"),
        (nn.LeNet(), (1, 28, 28.0), {}, TypeError, "input_shape"),
        (nn.LeNet(), (1, 28, 28), {"opset": 12}, ValueError, "expected opset of at least 13, got 12"),
        (nn.LeNet(), (1, 28, 28), {"opset": 999}, ValueError, "expected opset of at most"),
        (nn.LeNet(), (1, 28, 28), {"opset": "17"}, TypeError, "expected opset to be an integer"),
        (nn.Conv2d(1, 1, 1), (1, 28, 28), {}, TypeError, "expected a net, .* got Conv2d"),
        (wide, (2**15,), {}, ValueError, "expected at most 2 GiB of weights, got 4,295,098,368 bytes"),
    )
    for net, shape, options, error, says in cases:
        with pytest.raises(error, match=says):
            export(net, path, shape, **options)
    assert path.read_bytes() == b"before"
    with pytest.raises(OSError, match="cannot write"):
        export(nn.LeNet(), tmp_path / "nowhere" / "net.onnx", (1, 28, 28))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("network", WITHOUT_DIVISOR, ids=lambda n: n.name)
def test_onnx_runtime_gives_the_same_outputs(network: Network, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    net, (images, _) = network.make(), network.data(5, "float32")
    export(net, tmp_path / "net.onnx", network.input_shape)
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    for batch in (images, images[:1]):
        (y,) = session.run(["output"], {"input": batch})
        np.testing.assert_allclose(y, net(batch), rtol=0, atol=1e-5)


def test_onnx_runtime_gives_lenet_its_logits(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    net = nn.LeNet().initialize("d2l", seed=0)
    images, _ = LENET.data(100)
    export(net, tmp_path / "lenet.onnx", (1, 28, 28))
    session = runtime.InferenceSession(tmp_path / "lenet.onnx", providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"input": (images / np.float32(255)).astype(np.float32)})
    np.testing.assert_allclose(y, net(images), rtol=0, atol=1e-5)


def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/onnx.md").read_text()
    images = LENET.data(2, "float32")[0]
    names = {"net": nn.LeNet(seed=1), "images": images}
    monkeypatch.chdir(tmp_path)
    exec(page.partition("```python\n")[2].partition("```")[0], names)
    assert_same_bits(names["outputs"][0], nn.LeNet(seed=1)(images))


def test_the_package_finds_the_module_by_itself() -> None:
    assert convlet.onnx.export is export
    assert "onnx" not in convlet.__all__  # which would need it to be installed
