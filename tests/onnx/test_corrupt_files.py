"""Bytes that are no model, or no longer: a net or one clear ``ValueError``, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx.checker", reason="needs onnx")

import onnx

from convlet import nn
from convlet.onnx import export, load

FAR = (-(2**63), -(2**31), -1, 0, 1, 2, 7, 2**31 - 1, 2**31, 2**62, 2**63 - 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A small model."""
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AvgPool2d(2, 1),
        nn.Flatten(),
        nn.Linear(8, 3),
        nn.Softmax(),
    )
    export(net, tmp_path / "model.onnx", (1, 6, 6), metadata={"note": "small"})
    return tmp_path / "model.onnx"


def loads(path: Path) -> bool:
    """Whether there is a net in the file; else there is one sentence that names it."""
    refusal = ""
    try:
        load(path)
    except ValueError as error:
        refusal = str(error)
    assert not refusal or (refusal.startswith(f"{path}: ") and "\n" not in refusal), refusal
    return not refusal


@pytest.mark.parametrize("data", [b"", b"no model at all", b"\x89PNG\r\n\x1a\n", b"\x08\x08"])
def test_what_is_no_model_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.onnx: not a valid ONNX"):
        load(tmp_path / "model.onnx")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere")


def test_truncated_files(path: Path) -> None:
    data = path.read_bytes()
    loaded = 0
    for size in range(len(data)):
        path.write_bytes(data[:size])
        loaded += loads(path)
    assert loaded < 10  # between the last fields, which say nothing about the net


def test_files_with_changed_bits(path: Path, rng: np.random.Generator) -> None:
    data, loaded = path.read_bytes(), 0
    for _ in range(1000):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        loaded += loads(path)
    assert 10 < loaded < 500


def test_attributes_and_sizes_of_any_value(path: Path, rng: np.random.Generator) -> None:
    data, loaded = path.read_bytes(), 0
    for _ in range(500):
        model = onnx.load_from_string(data)
        graph = model.graph
        attributes = [attribute for node in graph.node for attribute in node.attribute]
        attribute = attributes[rng.integers(len(attributes))]
        if attribute.ints:
            attribute.ints[rng.integers(len(attribute.ints))] = int(rng.choice(FAR))
        else:
            attribute.i = int(rng.choice(FAR))
        if rng.integers(2):
            sizes = graph.input[0].type.tensor_type.shape.dim
            sizes[rng.integers(len(sizes))].dim_value = int(rng.choice(FAR))
        path.write_bytes(model.SerializeToString())
        loaded += loads(path)
    assert 10 < loaded < 400


def test_tensors_of_any_type_and_shape(path: Path, rng: np.random.Generator) -> None:
    data, loaded = path.read_bytes(), 0
    for _ in range(500):
        model = onnx.load_from_string(data)
        tensor = model.graph.initializer[rng.integers(len(model.graph.initializer))]
        change = rng.integers(4)
        if change == 0:
            tensor.data_type = int(rng.integers(0, 30))
        elif change == 1:
            tensor.dims[rng.integers(len(tensor.dims))] = int(rng.choice(FAR))
        elif change == 2:
            tensor.raw_data = tensor.raw_data[: rng.integers(len(tensor.raw_data))]
        else:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            location = str(rng.choice(["", ".", "..", "/etc/passwd", "../model.onnx", "model.onnx", "\0"]))
            tensor.external_data.add(key="location", value=location)
            tensor.external_data.add(key="offset", value=str(rng.choice(FAR)))
        path.write_bytes(model.SerializeToString())
        loaded += loads(path)
    assert loaded < 100
