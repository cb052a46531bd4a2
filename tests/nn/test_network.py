"""What a whole net does: logits, classes, probabilities, figures on a data set, gradients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from convlet import functional, nn, reference

LENET = nn.LeNet(seed=3)


def dense() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 4, seed=1))


def test_bytes_are_scaled_and_every_floating_type_is_taken(rng: np.random.Generator):
    pixels = rng.integers(0, 256, (5, 1, 28, 28), np.uint8)
    logits = LENET(pixels)
    assert logits.dtype == np.float32
    assert logits.shape == (5, 10)
    scaled = (pixels / 255).astype(np.float32)
    np.testing.assert_allclose(LENET(scaled), logits, rtol=1e-5, atol=1e-6)
    for same in (
        scaled.astype(np.float64),
        scaled[::-1].copy()[::-1],
        np.asfortranarray(scaled),
        scaled.tolist(),
    ):
        assert np.array_equal(LENET(same), LENET(scaled))


@pytest.mark.parametrize("kind", ["i1", "i4", "i8", "u2", "?", "c8", "O"])
def test_other_numbers_are_refused(kind: str):
    with pytest.raises(TypeError, match="LeNet: expected uint8 or floating-point numbers for x, got dtype"):
        LENET(np.zeros((1, 1, 28, 28), kind))


@pytest.mark.torch
def test_tensors_of_other_libraries_are_taken():
    torch = pytest.importorskip("torch")
    x = torch.rand(3, 1, 28, 28)
    assert np.array_equal(LENET(x), LENET(x.numpy()))


class Lent:
    """An array that speaks DLPack alone."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: object) -> object:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def test_memory_lent_by_dlpack_is_taken(rng: np.random.Generator):
    x = rng.random((3, 1, 28, 28), np.float32)
    assert np.array_equal(LENET(Lent(x)), LENET(x))


def test_one_image_without_a_batch_gives_one_row(rng: np.random.Generator):
    x = rng.random((1, 28, 28), np.float32)
    assert LENET(x).shape == (10,)
    assert np.array_equal(LENET(x), LENET(x[None])[0])
    assert LENET.predict(x) == LENET.predict(x[None])[0]
    assert LENET.predict_proba(x).shape == (10,)
    row = nn.Sequential(nn.ReLU(), nn.Linear(4, 3))
    assert row(np.zeros(4, np.float32)).shape == (3,)
    assert row(np.zeros((1, 4), np.float32)).shape == (1, 3)


def test_a_net_that_begins_by_flattening_takes_any_rows(rng: np.random.Generator):
    net, x = dense(), rng.random((6, 3, 4), np.float32)
    expected = x.reshape(6, 12) @ net[1].weight.T + net[1].bias
    for shape in ((6, 12), (6, 3, 4), (6, 1, 3, 4), (6, 1, 1, 3, 4)):
        np.testing.assert_allclose(net(x.reshape(shape)), expected, rtol=1e-5, atol=1e-6)
    assert net(np.zeros((0, 3, 4), np.float32)).shape == (0, 4)


SHAPES = {
    "a picture": (LENET, (28, 28), "(N, 1, H, W)"),
    "no images but pictures": (LENET, (5, 28, 28), "(1, H, W)"),
    "two channels": (LENET, (5, 2, 28, 28), "(N, 1, H, W)"),
    "five axes": (LENET, (1, 1, 1, 28, 28), "(N, 1, H, W)"),
    "another size": (LENET, (5, 1, 32, 32), "linear"),
    "too small": (LENET, (5, 1, 4, 4), "conv2d"),
    "images into a dense layer": (nn.Sequential(nn.Linear(4, 2)), (3, 1, 2, 2), "(N, 4)"),
    "rows of another length": (nn.Sequential(nn.Linear(4, 2)), (3, 5), "(N, 4)"),
    "a single number": (dense(), (), "(N,"),
    "pooling of rows": (nn.Sequential(nn.MaxPool2d(2)), (3, 4), "(N, C, H, W)"),
    "activations of three axes": (nn.Sequential(nn.ReLU()), (3, 4, 5), "(N, C, H, W) or (N, F)"),
}


@pytest.mark.parametrize("net, shape, expected", SHAPES.values(), ids=SHAPES)
def test_images_that_do_not_fit_are_refused(net: nn.Sequential, shape: tuple[int, ...], expected: str):
    with pytest.raises(ValueError, match=rf"^{type(net).__name__}: expected .*got ") as caught:
        net(np.zeros(shape, np.float32))
    assert expected in str(caught.value)
    if len(shape) < 4:
        assert str(shape) in str(caught.value)


@pytest.mark.parametrize("call", ["predict", "predict_proba", "evaluate", "loss_and_gradients"])
def test_every_method_names_itself_in_its_errors(call: str):
    arguments = (np.zeros(5, int),) if call in ("evaluate", "loss_and_gradients") else ()
    with pytest.raises(ValueError, match=rf"^{call}: expected x of shape \(N, 1, H, W\)"):
        getattr(LENET, call)(np.zeros((5, 2, 28, 28), np.float32), *arguments)
    with pytest.raises(TypeError, match=rf"^{call}: expected uint8 or floating-point"):
        getattr(LENET, call)(np.zeros((5, 1, 28, 28), np.int64), *arguments)


def test_classes_and_probabilities_follow_the_logits(rng: np.random.Generator):
    x = rng.random((7, 1, 28, 28), np.float32)
    classes, probabilities = LENET.predict(x), LENET.predict_proba(x)
    assert classes.dtype == np.int64
    assert np.array_equal(classes, LENET(x).argmax(axis=1))
    np.testing.assert_allclose(probabilities, functional.softmax(LENET(x)), rtol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("last", [nn.Softmax(dim=1), nn.LogSoftmax(dim=1)], ids=repr)
def test_a_net_that_ends_in_probabilities_gives_them_itself(last: nn.Layer, rng: np.random.Generator):
    net = dense()
    ended, x = nn.Sequential(*net, last), rng.random((5, 12), np.float32)
    np.testing.assert_allclose(ended.predict_proba(x), net.predict_proba(x), rtol=1e-5)


def test_outputs_that_are_images_have_a_class_at_every_place(rng: np.random.Generator):
    net, x = nn.Sequential(nn.Conv2d(1, 3, 3, seed=1)), rng.random((2, 1, 6, 7), np.float32)
    assert net.predict(x).shape == (2, 4, 5)
    np.testing.assert_allclose(net.predict_proba(x).sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(
        ValueError, match=r"expected a net with outputs \(N, K\), got outputs of shape \(3, 4, 5\)"
    ):
        net.loss_and_gradients(x, np.array([0, 1]))
    value, gradients = reference.loss_and_gradients(net, x, np.zeros((2, 4, 5), int), nn.CrossEntropyLoss())
    assert value > 0
    assert gradients["0.weight"].shape == (3, 1, 3, 3)


LOSSES = {
    "mean": nn.CrossEntropyLoss(),
    "sum": nn.CrossEntropyLoss(reduction="sum"),
    "weighted": nn.CrossEntropyLoss(np.linspace(0.5, 2, 10)),
    "ignoring": nn.CrossEntropyLoss(ignore_index=3),
    "smoothed": nn.CrossEntropyLoss(np.linspace(0.5, 2, 10), ignore_index=-1, label_smoothing=0.2),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_evaluation_is_the_loss_and_the_share_of_right_answers(
    loss: nn.CrossEntropyLoss, rng: np.random.Generator
):
    x, y = rng.random((40, 1, 28, 28), np.float32), rng.integers(0, 10, 40)
    y[:5] = LENET.predict(x[:5])
    if loss.ignore_index == -1:
        y[30:] = -1
    value, accuracy = LENET.evaluate(x, y, loss)
    logits, counts = LENET(x), y != loss.ignore_index
    assert value == pytest.approx(float(loss(logits, y)), rel=1e-5)
    assert accuracy == (logits.argmax(axis=1) == y)[counts].mean()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients_are_those_of_the_walk_through_the_layers(
    loss: nn.CrossEntropyLoss, rng: np.random.Generator
):
    x, y = rng.integers(0, 256, (9, 1, 28, 28), np.uint8), rng.integers(4, 10, 9)
    value, gradients = LENET.loss_and_gradients(x, y, loss)
    expected_value, expected = reference.loss_and_gradients(LENET, x, y, loss)
    assert value == pytest.approx(expected_value, rel=1e-6)
    assert list(gradients) == list(expected) == list(LENET.parameters())
    for name, gradient in gradients.items():
        assert gradient.dtype == np.float32
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-4, atol=1e-6 * abs(expected[name]).max())


def test_plain_cross_entropy_is_the_default_loss(rng: np.random.Generator):
    x, y = rng.random((4, 1, 28, 28), np.float32), [1, 2, 3, 4]
    assert LENET.evaluate(x, y) == LENET.evaluate(x, y, nn.CrossEntropyLoss())
    assert LENET.loss_and_gradients(x, y)[0] == LENET.loss_and_gradients(x, y, nn.CrossEntropyLoss())[0]


def test_bad_labels_and_losses_are_refused():
    x = np.zeros((3, 1, 28, 28), np.float32)
    for method in (LENET.evaluate, LENET.loss_and_gradients):
        op = method.__name__
        for error, labels, loss, message in (
            (ValueError, [1, 2], None, r"expected labels of shape \(3,\), one an image, got \(2,\)"),
            (ValueError, [1, 2, 12], None, r"expected labels in 0\.\.9, got 12 at position 2"),
            (ValueError, [1, -100, -1], None, r"expected labels in 0\.\.9, got -1 at position 2"),
            (ValueError, [-100] * 3, None, r"expected a label that counts for the mean, got 0 of 3"),
            (TypeError, [1.0, 2.0, 3.0], None, "expected integer labels, got dtype float64"),
            (TypeError, [True] * 3, None, "expected integer labels, got dtype bool"),
            (
                ValueError,
                [1] * 3,
                nn.CrossEntropyLoss(reduction="none"),
                "expected a loss with reduction 'mean' or 'sum', got 'none'",
            ),
            (
                ValueError,
                [1] * 3,
                nn.CrossEntropyLoss([1, 2]),
                r"expected a loss with weight \(10,\), got \(2,\)",
            ),
            (TypeError, [1] * 3, "mse", "expected a loss of convlet.nn, got str"),
        ):
            with pytest.raises(error, match=f"{op}: {message}"):
                method(x, labels, loss)


def test_nothing_has_a_sum_but_no_mean():
    x, y = np.zeros((0, 1, 28, 28), np.uint8), np.zeros(0, int)
    assert LENET(x).shape == (0, 10)
    assert LENET.predict(x).shape == (0,)
    assert LENET.evaluate(x, y, nn.CrossEntropyLoss(reduction="sum")) == (0, 0)
    value, gradients = LENET.loss_and_gradients(x, y, nn.CrossEntropyLoss(reduction="sum"))
    assert value == 0
    assert not any(gradient.any() for gradient in gradients.values())
    with pytest.raises(ValueError, match="evaluate: expected a label that counts for the mean, got 0 of 0"):
        LENET.evaluate(x, y)


def test_threads_share_a_net(rng: np.random.Generator):
    """Several shapes at once, more of them than the net remembers, from several threads."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, seed=1), nn.ReLU(), nn.AvgPool2d(2))
    batches = [rng.random((3, 1, 4 + n, 6), np.float32) for n in range(12)]
    expected = [nn.Sequential(*net)(x) for x in batches]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            for result, wanted in zip(pool.map(net, batches), expected, strict=True):
                assert np.array_equal(result, wanted)


def test_threads_that_meet_a_new_net_draw_its_weights_once(rng: np.random.Generator):
    x = rng.random((2, 1, 28, 28), np.float32)
    for _ in range(5):
        net = nn.LeNet()
        with ThreadPoolExecutor(6) as pool:
            first, *others = pool.map(net, [x] * 6)
        assert all(np.array_equal(first, other) for other in others)


def test_softmax_in_a_net_is_along_the_channels(rng: np.random.Generator):
    x = rng.random((2, 3, 4, 5), np.float32)
    np.testing.assert_allclose(nn.Sequential(nn.Softmax(dim=1))(x), functional.softmax(x, dim=1), rtol=1e-6)
    np.testing.assert_allclose(nn.Sequential(nn.Softmax(dim=-3))(x), functional.softmax(x, dim=1), rtol=1e-6)
    with pytest.raises(
        ValueError, match=r"Softmax: expected dim=1, .* got dim=-1 for images of shape \(3, 4, 5\)"
    ):
        nn.Sequential(nn.Softmax(dim=-1))(x)
    rows = rng.random((2, 7), np.float32)
    np.testing.assert_allclose(
        nn.Sequential(nn.LogSoftmax(-1))(rows), functional.log_softmax(rows), rtol=1e-6
    )
