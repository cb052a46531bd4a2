"""The book's small helpers."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from convlet import d2l, datasets, functional, nn
from notebook_cell import enter_notebook


@pytest.fixture
def pyplot():
    """Matplotlib's module without a screen, and as it was before afterwards."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with matplotlib.rc_context():
        yield plt
    plt.close("all")


def test_every_name_is_there():
    for name in d2l.__all__:
        assert callable(getattr(d2l, name)), name
    with pytest.raises(AttributeError, match="no attribute 'transformer'"):
        _ = d2l.transformer


def test_importing_loads_neither_matplotlib_nor_pillow():
    program = (
        "import sys; from convlet import d2l; print([m for m in ('matplotlib', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_corr2d_is_the_articles_first_example():
    X, K = np.arange(9.0).reshape(3, 3), np.arange(4.0).reshape(2, 2)
    np.testing.assert_array_equal(d2l.corr2d(X, K), [[19, 25], [37, 43]])
    assert d2l.corr2d is functional.corr2d


def test_accuracy_counts_right_answers():
    scores = np.array([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5], [0.8, 0.1, 0.1]])
    assert d2l.accuracy(scores, [2, 1, 0]) == 2.0
    assert d2l.accuracy([2, 2, 0], [2, 1, 0]) == 2.0
    with pytest.raises(ValueError, match="a prediction for each"):
        d2l.accuracy(scores, [2, 1])


def test_evaluate_accuracy_is_the_share_of_all_batches():
    digits, net = datasets.Digits(size=130), nn.LeNet(seed=0)
    loader = d2l.DataLoader(digits, 50)
    expected = net.evaluate(digits.images, digits.labels)[1]
    assert d2l.evaluate_accuracy(net, loader) == pytest.approx(expected)
    assert d2l.evaluate_accuracy_gpu(net, loader, d2l.try_gpu()) == pytest.approx(expected)
    with pytest.raises(ValueError, match="at least one image"):
        d2l.evaluate_accuracy(net, [])


def test_accumulator_adds_up():
    metric = d2l.Accumulator(3)
    metric.add(1, 2.5, 3)
    metric.add(1, np.float32(0.5), 0)
    assert (metric[0], metric[1], metric[2]) == (2.0, 3.0, 3.0)
    metric.reset()
    assert metric.data == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="expected 3 numbers, got 2"):
        metric.add(1, 2)


def test_timer_measures(monkeypatch: pytest.MonkeyPatch):
    clock = iter([0.0, 2.0, 10.0, 14.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    timer = d2l.Timer()
    assert timer.stop() == 2.0
    timer.start()
    assert timer.stop() == 4.0
    assert (timer.avg(), timer.sum(), timer.cumsum()) == (3.0, 6.0, [2.0, 6.0])


def test_timer_without_a_time_has_no_mean():
    with pytest.raises(ValueError, match="at least one call of stop"):
        d2l.Timer().avg()


def test_devices_are_names():
    assert d2l.cpu() == "cpu"
    assert d2l.gpu(1) == "cuda:1"
    assert d2l.try_gpu(10) == "cpu"
    assert d2l.try_gpu() == ("cuda:0" if d2l.num_gpus() else "cpu")
    assert d2l.try_all_gpus() == ([d2l.gpu(0)] if d2l.num_gpus() else ["cpu"])


def test_plot_draws_one_line_for_each_list(pyplot):
    x = np.arange(4.0)
    d2l.plot(x, [x**2, 2 * x], "x", "f(x)", legend=["f", "g"], xlim=[0, 3], yscale="linear")
    axes = pyplot.gca()
    np.testing.assert_array_equal(axes.get_lines()[0].get_xydata(), np.stack([x, x**2], axis=1))
    np.testing.assert_array_equal(axes.get_lines()[1].get_ydata(), 2 * x)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim()) == ("x", "f(x)", (0, 3))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["f", "g"]
    assert tuple(pyplot.rcParams["figure.figsize"]) == (3.5, 2.5)


def test_plot_of_heights_alone_and_on_given_axes(pyplot):
    _, axes = pyplot.subplots()
    d2l.plot([3, 1, 2], axes=axes)
    np.testing.assert_array_equal(axes.get_lines()[0].get_xydata(), [[0, 3], [1, 1], [2, 2]])
    with pytest.raises(ValueError, match="X for 1 or 3 lines, got 2"):
        d2l.plot([[1, 2], [1, 2]], [[1, 2], [1, 2], [1, 2]], axes=axes)


def test_show_images_returns_the_axes(pyplot):
    images = datasets.Digits(size=5).images[:, 0]
    axes = d2l.show_images(images, 2, 3, titles=list("abcde"), scale=1.0)
    assert axes.shape == (6,)
    np.testing.assert_array_equal(axes[4].get_images()[0].get_array(), images[4])
    assert axes[4].get_title() == "e"
    assert d2l.show_images(images, 1, 1).shape == (1,)
    assert d2l.plt is pyplot


def test_visualize_names_what_it_shows(pyplot, folder):
    data = d2l.FashionMNIST(root=folder)
    batch = next(iter(data.val_dataloader()))
    data.visualize(batch)
    shown = [axes.get_title() for axes in pyplot.gcf().axes]
    assert shown == d2l.get_fashion_mnist_labels(batch[1][:8])


def test_animator_follows_its_points(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("matplotlib")
    cell = enter_notebook(monkeypatch)
    animator = d2l.Animator(xlabel="epoch", xlim=[1, 3], legend=["train loss", "train acc", "test acc"])
    animator.add(1, (2.0, 0.1, None))
    animator.add(2, (1.0, 0.5, 0.4))
    assert animator.X == [[1, 2], [1, 2], [2]]
    assert animator.Y == [[2.0, 1.0], [0.1, 0.5], [0.4]]
    assert cell.shown == [[animator.fig, animator.fig]]
    assert [len(line.get_xdata()) for line in animator.axes[0].get_lines()] == [2, 2, 1]
    assert animator.axes[0].get_xlabel() == "epoch"
    with pytest.raises(ValueError, match="for each of 3 lines, got 2 and 2"):
        animator.add(3, (1.0, 2.0))


@pytest.mark.parametrize("name", ["plot", "show_images", "set_figsize", "Animator", "plt"])
def test_without_matplotlib_the_error_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch):
    for module in ("matplotlib", "matplotlib.pyplot", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    calls = {
        "plot": lambda: d2l.plot([1, 2]),
        "show_images": lambda: d2l.show_images([], 1, 1),
        "set_figsize": d2l.set_figsize,
        "Animator": d2l.Animator,
        "plt": lambda: d2l.plt,
    }
    with pytest.raises(ImportError, match=rf'{name}: needs matplotlib; pip install "convlet\[plots\]"'):
        calls[name]()
