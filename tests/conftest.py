"""Fixtures that every test may use: seeded random numbers, each instruction set in turn, several threads."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument `isa` runs once for every instruction set of this machine."""
    if "isa" in metafunc.fixturenames:
        from convlet import _core

        metafunc.parametrize("isa", _core.available_isas(), indirect=True)


@pytest.fixture
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kernels of one instruction set, forced for the length of a test."""
    from convlet import _core

    before = _core.isa()
    assert _core.select_isa(request.param) == request.param
    yield request.param
    _core.select_isa(before)


@pytest.fixture(params=(1, 2, 3, 7))
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """A number of threads, set for the length of a test."""
    from convlet import _core

    before = _core.get_threads()
    _core.set_threads(request.param)
    yield request.param
    _core.set_threads(before)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that depend on the name of the test alone."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))
