"""`functional.cross_entropy` and its backward, with every option."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from configurations import BATCHES, reals
from convlet import functional
from oracle import cross_entropy as oracle
from tolerances import CHAIN, assert_close, assert_same_bits

OPTIONS = [
    {"weight": weight, "ignore_index": ignore_index, "reduction": reduction, "label_smoothing": smoothing}
    for weight, ignore_index, reduction, smoothing in itertools.product(
        (None, np.array([0.5, 2.0, 0.0, 1.5, 1.0], np.float32)),
        (-100, 3),
        ("mean", "sum", "none"),
        (0.0, 0.1),
    )
]


def name(options: dict) -> str:
    weighted = "plain" if options["weight"] is None else "weighted"
    return (
        f"{weighted}, ignore {options['ignore_index']}, {options['reduction']}, {options['label_smoothing']}"
    )


def case(rng: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of five classes, and targets of which the first is never the ignored one."""
    target = rng.integers(0, 5, batch)
    target[:1] = 1
    return 3 * reals(rng, (batch, 5)), target


@pytest.mark.parametrize("options", OPTIONS, ids=name)
@pytest.mark.parametrize("batch", [1, 2, 15, 16, 17, 33])
def test_every_option(options: dict, batch: int, isa: str, rng: np.random.Generator):
    logits, target = case(rng, batch)
    expected = oracle.forward(logits, target, **options)
    loss = functional.cross_entropy(logits, target, **options)
    assert_close(np.asarray(loss), expected, 2 * (abs(expected) + 1), batch, CHAIN, "loss")
    actual = functional.cross_entropy_backward(logits, target, **options)
    assert_close(actual, oracle.backward(logits, target, **options), 2.0, 1, CHAIN, "dlogits")


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_is_a_number(reduction: str, rng: np.random.Generator):
    loss = functional.cross_entropy(*case(rng, 4), reduction=reduction)
    assert np.ndim(loss) == 0
    assert np.asarray(loss).dtype == np.float32


@pytest.mark.parametrize("options", OPTIONS, ids=name)
def test_the_same_bits_for_any_number_of_threads(options: dict, threads: int, rng: np.random.Generator):
    from convlet import _core

    logits, target = case(np.random.default_rng(5), 1003)
    loss = np.asarray(functional.cross_entropy(logits, target, **options))
    dlogits = functional.cross_entropy_backward(logits, target, **options)
    _core.set_threads(1)
    assert_same_bits(loss, np.asarray(functional.cross_entropy(logits, target, **options)), "loss")
    assert_same_bits(dlogits, functional.cross_entropy_backward(logits, target, **options), "dlogits")


@pytest.mark.torch
@pytest.mark.parametrize("options", OPTIONS, ids=name)
def test_agrees_with_torch(options: dict, rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    logits, target = case(rng, 37)
    weight = options["weight"]
    translated = options | {"weight": None if weight is None else torch.tensor(weight)}
    tlogits = torch.tensor(logits, requires_grad=True)
    tloss = torch.nn.functional.cross_entropy(tlogits, torch.tensor(target), **translated)
    tloss.sum().backward()
    loss = functional.cross_entropy(logits, target, **options)
    np.testing.assert_allclose(loss, tloss.detach().numpy(), rtol=1e-5, atol=1e-6)
    dlogits = functional.cross_entropy_backward(logits, target, **options)
    np.testing.assert_allclose(dlogits, tlogits.grad.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_mean_over_nothing_is_refused_and_a_sum_is_zero(batch: int):
    logits, target = np.zeros((batch, 3), np.float32), np.zeros(batch, np.int64)
    if batch:
        assert functional.cross_entropy(logits, target) == pytest.approx(np.log(3))
        return
    with pytest.raises(ValueError, match=r"cross_entropy: .*mean"):
        functional.cross_entropy(logits, target)
    assert functional.cross_entropy(logits, target, reduction="sum") == 0
    assert functional.cross_entropy(logits, target, reduction="none").shape == (0,)
    assert functional.cross_entropy_backward(logits, target, reduction="sum").shape == (0, 3)


def test_confident_mistakes_have_a_large_but_finite_loss(isa: str):
    logits = np.array([[1000, 0, -1000], [3e38, 0, 0]], np.float32)
    losses = functional.cross_entropy(logits, np.array([2, 0]), reduction="none")
    assert losses.tolist() == [2000, 0]


def test_an_ignored_image_adds_no_gradient_even_where_its_logits_are_no_numbers(isa: str):
    logits = np.array([[0, 1], [np.nan, np.inf]], np.float32)
    dlogits = functional.cross_entropy_backward(logits, np.array([1, -100]))
    assert np.isfinite(dlogits[0]).all()
    assert (dlogits[1] == 0).all()
    assert np.isfinite(functional.cross_entropy(logits, np.array([1, -100])))


def test_targets_of_any_integer_type_give_the_same(rng: np.random.Generator):
    logits, target = case(rng, 19)
    expected = functional.cross_entropy(logits, target)
    for kind in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.uint64, ">i4"):
        assert functional.cross_entropy(logits, target.astype(kind)) == expected
    assert functional.cross_entropy(logits, target[::-1].copy()[::-1]) == expected


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_class_for_every_place_of_an_image(reduction: str, rng: np.random.Generator):
    """(N, K, d1, d2) with (N, d1, d2) is one row of logits a place."""
    logits, target = reals(rng, (3, 5, 4, 2)), rng.integers(0, 5, (3, 4, 2))
    rows = np.ascontiguousarray(logits.transpose(0, 2, 3, 1)).reshape(-1, 5)
    loss = np.asarray(functional.cross_entropy(logits, target, reduction=reduction))
    expected = np.asarray(functional.cross_entropy(rows, target.ravel(), reduction=reduction))
    assert_same_bits(loss, expected.reshape(loss.shape))
    dlogits = functional.cross_entropy_backward(logits, target, reduction=reduction)
    expected = functional.cross_entropy_backward(rows, target.ravel(), reduction=reduction)
    assert_same_bits(dlogits, np.ascontiguousarray(expected.reshape(3, 4, 2, 5).transpose(0, 3, 1, 2)))


def test_one_image_without_a_batch(rng: np.random.Generator):
    logits = reals(rng, (5,))
    assert functional.cross_entropy(logits, 3) == functional.cross_entropy(logits[None], [3])
    assert functional.cross_entropy_backward(logits, 3).shape == (5,)
