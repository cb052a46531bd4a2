"""Digits in the fonts that matplotlib brings, as pictures of all kinds, read by a net of drawn digits."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from convlet import Trainer, datasets, nn, optim
from convlet.pictures import prepare

matplotlib = pytest.importorskip("matplotlib")
FONTS = [
    path
    for name in ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold", "DejaVuSans-Oblique")
    if (path := Path(matplotlib.get_data_path()) / f"fonts/ttf/{name}.ttf").exists()
]


@pytest.fixture(scope="module")
def check():
    """``scripts/check_pictures.py`` as a module."""
    path = Path(__file__).parents[2] / "scripts/check_pictures.py"
    spec = importlib.util.spec_from_file_location("check_pictures", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_pictures"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def net():
    """LeNet, some seconds of training away from nothing."""
    net = nn.LeNet().initialize("xavier_uniform", seed=0)
    trainer = Trainer(net, optim.Adam(lr=0.004), nn.CrossEntropyLoss())
    trainer.fit(datasets.Digits(size=12_000), epochs=6, batch_size=32)
    return net


@pytest.mark.skipif(not FONTS, reason="matplotlib has brought no fonts")
def test_four_in_five_printed_digits_are_read(check, net):
    drawn = check.drawings(FONTS, 200, seed=0)
    answers = net.predict(np.stack([prepare(drawing.picture) for drawing in drawn]))
    assert np.mean(answers == [drawing.digit for drawing in drawn]) >= 0.8


@pytest.mark.skipif(not FONTS, reason="matplotlib has brought no fonts")
def test_the_script_draws_the_same_pictures_again_and_of_all_kinds(check):
    first, again = (check.drawings(FONTS, 60, seed=3) for _ in range(2))
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(first, again, strict=True))
    sizes = np.array([drawing.picture.size for drawing in first])
    assert sizes.min() < 80
    assert sizes.max() > 400
    assert sorted({drawing.digit for drawing in first}) == list(range(10))
    assert {drawing.font for drawing in first} == {path.stem for path in FONTS}
