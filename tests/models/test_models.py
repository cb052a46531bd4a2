"""Nets that TOML describes: what is inferred, and errors that say where they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convlet import nn
from convlet.checkpoint import net_from_json, net_to_json
from convlet.models import load_model, net_from_toml

LENET = """
initialize = "d2l"
[[layers]]
kind = "Conv2d"
out_channels = 6
kernel_size = 5
padding = 2
[[layers]]
kind = "Sigmoid"
[[layers]]
kind = "AvgPool2d"
kernel_size = [2, 2]
[[layers]]
kind = "Conv2d"
out_channels = 16
kernel_size = 5
[[layers]]
kind = "Sigmoid"
[[layers]]
kind = "AvgPool2d"
kernel_size = 2
[[layers]]
kind = "Flatten"
[[layers]]
kind = "Linear"
out_features = 120
[[layers]]
kind = "Sigmoid"
[[layers]]
kind = "Linear"
out_features = 84
[[layers]]
kind = "Sigmoid"
[[layers]]
kind = "Linear"
"""


def test_lenet_can_be_described() -> None:
    net = net_from_toml(LENET)
    assert repr(list(net)) == repr(list(nn.LeNet()))
    assert net_to_json(net) == net_to_json(nn.LeNet())


def test_input_and_outputs_follow_the_data() -> None:
    net = net_from_toml(
        'input = [3, 32, 32]\n[[layers]]\nkind = "Flatten"\n[[layers]]\nkind = "Linear"', classes=7
    )
    assert net[1].weight.shape == (7, 3 * 32 * 32)


def test_layers_may_have_names_and_all_options_of_their_class() -> None:
    text = """
input = [4, 9, 9]
[[layers]]
name = "edges"
kind = "Conv2d"
in_channels = 4
out_channels = 8
kernel_size = [3, 5]
stride = 2
padding = [1, 2, 0, 1]
groups = 2
bias = false
[[layers]]
kind = "ReLU"
[[layers]]
kind = "MaxPool2d"
kernel_size = 2
stride = 1
ceil_mode = true
[[layers]]
kind = "Flatten"
[[layers]]
kind = "Linear"
"""
    net = net_from_toml(text)
    assert list(net.parameters()) == ["edges.weight", "4.weight", "4.bias"]
    assert net.edges.weight.shape == (8, 2, 3, 5)
    assert net.edges.padding == (1, 2, 0, 1)
    again = net_from_json(net_to_json(net))
    assert again.plan((4, 9, 9)).output_shape == (10,)


def layer(text: str) -> str:
    """A net whose second layer, at line 4, is that."""
    return f'[[layers]]\nkind = "ReLU"\n\n[[layers]]\n{text}\n'


@pytest.mark.parametrize(
    "text, error, says",
    [
        ("[[layers]\n", ValueError, "m.toml: expected TOML, got .*line 1"),
        ("", ValueError, r"m.toml: expected a table \[\[layers\]\] for each layer, got none"),
        ("layers = 3", ValueError, r"expected a table \[\[layers\]\]"),
        ("layer = 3", ValueError, "m.toml: expected keys among input, initialize, layers, got 'layer'"),
        (
            'input = [28, 28]\n[[layers]]\nkind = "ReLU"',
            ValueError,
            r"expected input of three sizes.*got \[28, 28\]",
        ),
        ('input = [1, 28, 2.5]\n[[layers]]\nkind = "ReLU"', ValueError, "expected input of three sizes"),
        (
            'initialize = "zeros"\n[[layers]]\nkind = "ReLU"',
            ValueError,
            "expected initialize to be one of pytorch, ",
        ),
        (
            layer("name = 'x'"),
            ValueError,
            r"m.toml, line 4, layer 2 \(of no kind\): expected kind to be one of AdaptiveAvgPool2d, ",
        ),
        (layer("kind = 'Conv3d'"), ValueError, r"layer 2 \(Conv3d\): expected kind .*, got 'Conv3d'"),
        (layer("kind = 'ReLU'\nslope = 1"), ValueError, "expected options among none, got 'slope'"),
        (
            layer("kind = 'Conv2d'\nout_channels = 6\nkernal_size = 5"),
            ValueError,
            r"m.toml, line 4, layer 2 \(Conv2d\): expected options among in_channels, .*, got 'kernal_size'",
        ),
        (
            layer("kind = 'Conv2d'\nout_channels = 6"),
            ValueError,
            r"\(Conv2d\): expected kernel_size, got none",
        ),
        (
            layer("kind = 'Conv2d'\nout_channels = 6\nkernel_size = 5\nin_channels = 3"),
            ValueError,
            r"expected in_channels 1, as its input of shape \(1, 28, 28\) has, got 3",
        ),
        (
            layer("kind = 'Conv2d'\nout_channels = 6\nkernel_size = 2.5"),
            TypeError,
            r"line 4, layer 2 \(Conv2d\): Conv2d: expected kernel_size to be an integer or .*, got 2.5",
        ),
        (
            layer("kind = 'Conv2d'\nout_channels = 6\nkernel_size = 29"),
            ValueError,
            r"line 4, layer 2 \(Conv2d\): ",
        ),
        (layer("kind = 'Linear'"), ValueError, r"line 4, layer 2 \(Linear\): "),
        (
            layer("kind = 'Flatten'\nname = '0'"),
            ValueError,
            "expected a name of its own, got '0' for the second time",
        ),
        (layer("kind = 'Flatten'\nname = 'a.b'"), ValueError, "hold no dot, got 'a.b'"),
        (layer("kind = 'Flatten'\nname = 3"), TypeError, "expected names of type str, got 3"),
        (
            layer("kind = 'Flatten'"),
            ValueError,
            r"m.toml: expected an output for each of 10 classes, got .*\(784,\)",
        ),
    ],
)
def test_errors_name_line_layer_expected_and_got(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        net_from_toml(text, name="m.toml")
    assert re.match("m.toml", str(raised.value))


@pytest.mark.parametrize(
    "program, shape",
    [
        ("net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))", (1, 28, 28)),
        ("def build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))", (1, 28, 28)),
        (
            "input_shape = (3, 8, 8)\n"
            "def build(shape, classes):\n"
            "    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * 64, classes))",
            (3, 8, 8),
        ),
    ],
)
def test_a_program_makes_a_net(tmp_path: Path, program: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / "model.py"
    path.write_text(f"from convlet import nn\n{program}\n")
    model = load_model(path)
    assert model.input_shape == shape
    assert model.build(10).plan(shape).output_shape == (10,)


@pytest.mark.parametrize(
    "program, error, says",
    [
        ("x = 1", ValueError, "expected a program that defines net or build"),
        ("build = lambda shape: None", TypeError, r"expected build\(\) or .*, got 1 arguments"),
        ("net = nn.Conv2d(0, 1, 1)", ValueError, "ValueError: Conv2d: expected in_channels of at least 1"),
        ("net = 3", TypeError, "expected a net of type nn.Sequential, got int"),
        ("build = lambda: None", TypeError, "expected a net of type nn.Sequential, got NoneType"),
        (
            "net = nn.Sequential(nn.Flatten(), nn.Linear(784, 9))",
            ValueError,
            "expected an output for each of 10 classes",
        ),
        (
            "net = nn.Sequential(nn.Flatten(), nn.Linear(7, 10))",
            ValueError,
            "plan: expected images that the layers take",
        ),
        ("input_shape = 3\nnet = nn.LeNet()", ValueError, "expected input_shape of three sizes"),
    ],
)
def test_a_program_that_makes_no_net_is_told_of(
    tmp_path: Path, program: str, error: type[Exception], says: str
) -> None:
    path = tmp_path / "model.py"
    path.write_text(f"from convlet import nn\n{program}\n")
    with pytest.raises(error, match=f"{re.escape(str(path))}(, line 2)?: {says}"):
        load_model(path).build(10)


def test_lazy_layers_of_a_program_see_the_images(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text("from convlet import nn\nnet = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))\n")
    assert load_model(path).build(10).initialize("d2l", 0)[1].weight.shape == (10, 784)


def test_a_description_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}: expected TOML in UTF-8, got"):
        load_model(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a file that ends with .py or .toml"):
        load_model(tmp_path / "model.json")
