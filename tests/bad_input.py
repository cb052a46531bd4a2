"""What a refusal must look like: the right type, the name of the op, what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest


class Bad(NamedTuple):
    """A call that must fail, with words that its message must hold: of the second, behind "got"."""

    what: str
    op: str
    call: Callable[[], Any]
    error: type[Exception]
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.op}: {self.what}"


def assert_refused(bad: Bad) -> None:
    """One line that begins with the name of the op; a `TypeError` is not taken for a `ValueError`."""
    with pytest.raises(bad.error) as caught:
        bad.call()
    message = str(caught.value)
    assert caught.type is bad.error, message
    assert message.startswith(f"{bad.op}: "), message
    assert "expected" in message, message
    assert bad.expected in message, message
    assert bad.got in message.partition("got ")[2], message
    assert "\n" not in message
