"""What holds for every picture."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet import datasets, nn, plots

Draw = Callable[..., Any]

PICTURES: dict[str, Draw] = {
    "confusion_matrix": lambda net, data, path=None: plots.confusion_matrix(
        data.labels, net.predict(data.images), data.classes, path
    ),
    "feature_maps": lambda net, data, path=None: plots.feature_maps(net, data.images[0], path=path),
    "kernels": lambda net, data, path=None: plots.kernels(net, path=path),
    "mistakes": lambda net, data, path=None: plots.mistakes(net, data, path=path),
    "samples": lambda net, data, path=None: plots.samples(data, path=path),
}


def test_there_are_no_other_pictures():
    assert {*PICTURES, "LiveCurves", "curves", "learning_rates", "sweep"} == set(plots.__all__)


@pytest.mark.usefixtures("draws")
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_saved_as_its_path_says(
    name: str, net: nn.LeNet, digits: datasets.Digits, tmp_path: Path
):
    for ending, beginning in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        PICTURES[name](net, digits, tmp_path / f"picture{ending}")
        assert (tmp_path / f"picture{ending}").read_bytes().startswith(beginning)
    with pytest.raises(ValueError, match="xyz"):
        PICTURES[name](net, digits, tmp_path / "picture.xyz")
    with pytest.raises(OSError, match="nowhere"):
        PICTURES[name](net, digits, tmp_path / "nowhere" / "picture.png")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.usefixtures("draws")
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_shows_itself_in_a_notebook(name: str, net: nn.LeNet, digits: datasets.Digits):
    picture = PICTURES[name](net, digits)
    content, size = picture._repr_png_()
    assert content.startswith(b"\x89PNG")
    inches = picture.get_size_inches()
    assert size["width"] == pytest.approx(100 * inches[0], abs=1)
    assert size["height"] == pytest.approx(100 * inches[1], abs=1)
    assert picture.svg().startswith("<svg")


@pytest.mark.usefixtures("draws")
@pytest.mark.parametrize("name", PICTURES)
def test_without_matplotlib_the_error_says_what_to_install(
    name: str, net: nn.LeNet, digits: datasets.Digits, refuses: Draw
):
    refuses(PICTURES[name], net, digits)


@pytest.mark.usefixtures("draws")
def test_pictures_leave_pyplot_and_the_settings_alone():
    program = """
import sys
import matplotlib
from convlet import History, datasets, nn, plots
def settings():  # but for the one whose reading loads pyplot
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = settings()
net, data = nn.LeNet(seed=0), datasets.Digits(size=50)
row = dict(epoch=1, train_loss=2.0, train_accuracy=0.1, test_loss=None, test_accuracy=None, seconds=1.0,
           images_per_second=1.0)
plots.curves(History([row]))._repr_png_()
plots.kernels(net)._repr_png_()
plots.feature_maps(net, data.images[0])._repr_png_()
plots.confusion_matrix(data.labels, net.predict(data.images))._repr_png_()
plots.mistakes(net, data)._repr_png_()
plots.samples(data)._repr_png_()
print("matplotlib.pyplot" in sys.modules, settings() == before)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "True"]


def test_importing_the_pictures_loads_no_matplotlib():
    program = "import sys; from convlet import plots; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.usefixtures("draws")
class TestKernels:
    def test_pixels_are_the_weights(self, net: nn.LeNet):
        axes, bar = plots.kernels(net).axes
        (shown,) = axes.get_images()
        page = np.ma.filled(shown.get_array(), np.nan)
        assert page.shape == (5, 6 * 5 + 5)
        for number in range(6):
            np.testing.assert_array_equal(page[:, 6 * number : 6 * number + 5], net[0].weight[number, 0])
        assert np.isnan(page[:, 5]).all()
        largest = float(np.abs(net[0].weight).max())
        assert shown.get_clim() == (-largest, largest)
        assert bar.get_ylabel() == "weight"

    def test_several_channels_are_rows(self, net: nn.LeNet):
        axes, _ = plots.kernels(net, 1).axes
        page = np.ma.filled(axes.get_images()[0].get_array(), np.nan)
        np.testing.assert_array_equal(page[6:11, 12:17], net[3].weight[2, 1])
        assert axes.get_ylabel() == "input channel"
        assert axes.get_title() == "3 Conv2d"

    def test_a_layer_by_itself_and_many_kernels(self):
        assert plots.kernels(nn.Conv2d(1, 40, 3))._repr_png_()
        assert plots.kernels(nn.Conv2d(64, 128, 3))._repr_png_()

    def test_what_has_no_kernels_is_refused(self, net: nn.LeNet):
        with pytest.raises(ValueError, match="expected a net with convolution 2, got one with 2 of them"):
            plots.kernels(net, 2)
        with pytest.raises(TypeError, match="expected a net or a layer of convlet.nn, got int"):
            plots.kernels(7)  # type: ignore[arg-type]
        broken = nn.Conv2d(1, 1, 3)
        broken.weight[0, 0, 0, 0] = np.nan
        with pytest.raises(ValueError, match="finite weights"):
            plots.kernels(broken)


@pytest.mark.usefixtures("draws")
class TestFeatureMaps:
    def test_each_layer_has_a_line_with_its_numbers(self, net: nn.LeNet, digits: datasets.Digits):
        from convlet import reference

        picture = plots.feature_maps(net, digits.images[0])
        found = reference.activations(net, digits.images[:1])
        assert len(picture.axes) == len(found) == 13
        first = np.ma.filled(picture.axes[1].get_images()[0].get_array(), np.nan)
        np.testing.assert_array_equal(first[:, :28], found[1][0, 0])
        np.testing.assert_array_equal(first[:, 30:58], found[1][0, 1])
        last = picture.axes[-1].get_images()[0].get_array()
        np.testing.assert_array_equal(last, found[-1])
        texts = [text.get_text() for text in picture.texts]
        assert texts[:2] == ["image", "1 × 28 × 28"]  # noqa: RUF001
        assert "11 Linear" in texts

    def test_a_coloured_image_is_shown_in_colour(self, rng: np.random.Generator):
        image = rng.integers(0, 256, (3, 12, 10), np.uint8)
        picture = plots.feature_maps(nn.Sequential(nn.Conv2d(3, 2, 3)), image)
        shown = picture.axes[0].get_images()[0].get_array()
        np.testing.assert_allclose(shown, image.transpose(1, 2, 0) / 255, rtol=1e-6)

    def test_only_the_first_maps_are_drawn(self, digits: datasets.Digits):
        net = nn.Sequential(nn.Conv2d(1, 40, 3), nn.ReLU())
        picture = plots.feature_maps(net, digits.images[0, 0], most=4)
        assert any(text.get_text().startswith("4 of 40 maps; ") for text in picture.texts)

    def test_bad_input_is_refused(self, net: nn.LeNet, digits: datasets.Digits):
        with pytest.raises(
            ValueError, match=r"expected an image \(C, H, W\) or \(H, W\), got \(200, 1, 28, 28\)"
        ):
            plots.feature_maps(net, digits.images)
        with pytest.raises(ValueError, match=r"got \(1, 3, 28, 28\)"):
            plots.feature_maps(net, np.zeros((3, 28, 28), np.uint8))
        with pytest.raises(TypeError, match="expected a net, got Conv2d"):
            plots.feature_maps(net[0], digits.images[0])


@pytest.mark.usefixtures("draws")
class TestConfusionMatrix:
    def test_fields_count_the_images(self):
        picture = plots.confusion_matrix([0, 0, 0, 1, 2], [0, 0, 1, 1, 0], ["a", "b", "c"])
        axes = picture.axes[0]
        counts = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
        assert counts == {(0, 0): "2", (0, 1): "1", (1, 1): "1", (2, 0): "1"}
        share = axes.get_images()[0].get_array()
        np.testing.assert_allclose(share, [[2 / 3, 1 / 3, 0], [0, 1, 0], [1, 0, 0]])
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b", "c"]

    def test_many_classes_have_no_numbers(self):
        labels = np.arange(100)
        assert not plots.confusion_matrix(labels, labels[::-1]).axes[0].texts

    def test_bad_input_is_refused(self):
        with pytest.raises(ValueError, match=r"of one shape \(N,\)"):
            plots.confusion_matrix([0, 1], [0])
        with pytest.raises(ValueError, match="N of at least 1"):
            plots.confusion_matrix(np.zeros(0, int), np.zeros(0, int))
        with pytest.raises(ValueError, match="a name for each class up to 2, got 2 names"):
            plots.confusion_matrix([0, 2], [0, 1], ["a", "b"])
        with pytest.raises(ValueError, match="labels from 0, got -1"):
            plots.confusion_matrix([0, -1], [0, 1])
        with pytest.raises(TypeError, match="integer predicted"):
            plots.confusion_matrix([0, 1], [0.5, 1.0])


@pytest.mark.usefixtures("draws")
class TestMistakes:
    def test_the_wrongest_come_first(self, net: nn.LeNet, digits: datasets.Digits):
        probability = net.predict_proba(digits.images)
        own = probability[np.arange(200), digits.labels]
        wrong = probability.argmax(axis=1) != digits.labels
        expected = np.flatnonzero(wrong)[np.argsort(own[wrong], kind="stable")][:6]
        picture = plots.mistakes(net, digits, count=6, columns=3)
        assert len(picture.axes) == 6
        for axes, number in zip(picture.axes, expected, strict=True):
            shown = axes.get_images()[0].get_array()
            np.testing.assert_allclose(shown, digits.images[number, 0] / 255, rtol=1e-6)
            answer = probability[number].argmax()
            title = f"{digits.labels[number]}\nas {answer} {probability[number, answer]:.0%}"
            assert axes.get_title() == title

    def test_a_net_without_mistakes_is_refused(self, digits: datasets.Digits, net: nn.LeNet):
        right = net.predict(digits.images)
        with pytest.raises(ValueError, match="got all of 200 right"):
            plots.mistakes(net, (digits.images, right))

    def test_bad_input_is_refused(self, net: nn.LeNet, digits: datasets.Digits):
        with pytest.raises(ValueError, match="labels up to 10"):
            plots.mistakes(net, (digits.images, np.full(200, 10)))
        with pytest.raises(TypeError, match=r"a data set or \(images, labels\), got ndarray"):
            plots.mistakes(net, digits.images)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"outputs \(N, K\)"):
            plots.mistakes(nn.Sequential(nn.Conv2d(1, 10, 3)), digits)


@pytest.mark.usefixtures("draws")
class TestSamples:
    def test_images_stand_below_their_classes(self, digits: datasets.Digits):
        picture = plots.samples(digits, count=10, columns=4)
        assert [axes.get_title() for axes in picture.axes] == [str(label) for label in digits.labels[:10]]

    @pytest.mark.parametrize("shape", [(5, 8, 8), (5, 1, 8, 8), (5, 3, 8, 8)])
    def test_grey_and_coloured_images(self, shape: tuple[int, ...], rng: np.random.Generator):
        images = rng.integers(0, 256, shape, np.uint8)
        picture = plots.samples((images, np.arange(5)), classes=list("abcde"))
        shown = picture.axes[2].get_images()[0].get_array()
        expected = images[2] if len(shape) == 3 else np.moveaxis(images[2], 0, -1).squeeze()
        np.testing.assert_allclose(shown, expected / 255, rtol=1e-6)
        assert picture.axes[2].get_title() == "c"

    def test_real_numbers_are_stretched_only_if_need_be(self, rng: np.random.Generator):
        images = rng.random((2, 4, 4), np.float32)
        shown = plots.samples((images, [0, 1])).axes[0].get_images()[0].get_array()
        np.testing.assert_array_equal(shown, images[0])
        wide = plots.samples((images * 10 - 5, [0, 1]))
        shown = np.stack([axes.get_images()[0].get_array() for axes in wide.axes])
        assert (shown.min(), shown.max()) == (0, 1)

    def test_bad_input_is_refused(self):
        with pytest.raises(ValueError, match="grey or of 3 channels"):
            plots.samples((np.zeros((2, 5, 4, 4), np.uint8), [0, 1]))
        with pytest.raises(ValueError, match="one an image"):
            plots.samples((np.zeros((2, 4, 4), np.uint8), [0]))
        with pytest.raises(ValueError, match="count of at least 1"):
            plots.samples((np.zeros((2, 4, 4), np.uint8), [0, 1]), count=0)
