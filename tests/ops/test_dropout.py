"""Dropout: its words are Philox's, its mask is that of the oracle, and its shares are what they should be."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import _core, functional
from finite_differences import assert_gradient
from oracle import dropout as oracle
from oracle.philox import philox
from tolerances import assert_same_bits

# The vectors for philox4x32, 10 rounds, of kat_vectors in Random123 1.14 (D. E. Shaw Research).
KNOWN = [
    ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        0x299F31D0A4093822,
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
DRAWS = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2**64 - 1, 2**40 + 7, 2**15 - 1)]


@pytest.mark.parametrize("counter, key, words", KNOWN)
def test_philox_gives_the_published_words(counter: tuple[int, ...], key: int, words: tuple[int, ...]):
    assert philox(key, np.array(counter, np.uint64)).tolist() == list(words)


@pytest.mark.parametrize("seed, step, layer", DRAWS)
@pytest.mark.parametrize("shape", [(3, 2, 5, 4), (33, 7), (1, 1), (2, 0), (0, 3)])
def test_mask_is_that_of_the_oracle(shape: tuple[int, ...], seed: int, step: int, layer: int):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for p in (0.0, 0.1, 0.5, 0.999, 1.0):
        expected = oracle.forward(x, p, seed, step, layer)
        assert_same_bits(functional.dropout(x, p, seed, step, layer), expected, f"p={p}")


def test_mask_does_not_depend_on_threads():
    x, before = np.ones((100, 999), np.float32), _core.get_threads()
    try:
        masks = []
        for threads in (1, 2, 3, 7):
            _core.set_threads(threads)
            masks.append(functional.dropout(x, 0.5, 3).tobytes())
    finally:
        _core.set_threads(before)
    assert len(set(masks)) == 1


def test_every_seed_step_layer_and_image_has_a_mask_of_its_own():
    x = np.ones((2, 256), np.float32)
    masks = [functional.dropout(x, 0.5, *draw)[n].tobytes() for draw in DRAWS for n in range(2)]
    assert len(set(masks)) == len(masks)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_shares_and_mean_are_those_of_the_definition(p: float):
    y = functional.dropout(np.ones((100, 10_000), np.float32), p, seed=5)
    spread = np.sqrt(p * (1 - p))
    assert abs((y == 0).mean() - p) < 5 * spread / 1000
    assert abs(y.mean(dtype=np.float64) - 1) < 5 * spread / 1000 / (1 - p)
    assert np.abs((y == 0).mean(axis=1) - p).max() < 5 * spread / 100, "of an image"
    assert np.abs((y == 0).mean(axis=0) - p).max() < 6 * spread / 10, "of an element"
    neighbours = np.corrcoef((y[:, :-1] == 0).ravel(), (y[:, 1:] == 0).ravel())[0, 1]
    assert abs(neighbours) < 5 / 1000


def test_gradient_is_the_same_function(rng: np.random.Generator):
    x, dy = rng.standard_normal((3, 5)), rng.standard_normal((3, 5)).astype(np.float32)
    claimed = functional.dropout(dy, 0.4, 1, 2, 3).astype(np.float64)
    keep = oracle.kept((3, 5), 0.4, 1, 2, 3)
    scale = float(np.float32(1 / 0.6))
    assert_gradient(claimed, lambda x: float((np.where(keep, x * scale, 0) * dy).sum()), x)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"p": 1.5}, "dropout: expected p"),
        ({"p": float("nan")}, "dropout: expected p"),
        ({"seed": -1}, "dropout: expected seed"),
        ({"step": 2**48}, "dropout: expected step"),
        ({"layer": 2**15}, "dropout: expected layer"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, float], expected: str):
    with pytest.raises(ValueError, match=expected):
        functional.dropout(np.ones((1, 1), np.float32), **options)
