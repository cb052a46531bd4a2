"""Every argument of every public callable refuses what it cannot be; a refusal has changed nothing."""

from __future__ import annotations

import pytest

from arguments import functions, layers, tools, training
from arguments.kinds import ZERO_BYTE, Path
from arguments.subject import Subject, WrongCall, state_of

SUBJECTS: list[Subject] = [
    *functions.SUBJECTS,
    *layers.SUBJECTS,
    *training.SUBJECTS,
    *tools.SUBJECTS,
]
WRONG = [call for subject in SUBJECTS for call in subject.wrong_calls()]


def check(call: WrongCall) -> None:
    """A `TypeError` or `ValueError` in one line that says who speaks about what, and what came."""
    subject = call.subject
    before = state_of(subject.about), state_of(subject.right)
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert caught.type in (TypeError, ValueError)
    assert (state_of(subject.about), state_of(subject.right)) == before, (
        "the refused call has changed something"
    )
    message = str(caught.value)
    if isinstance(subject.arguments[call.argument], Path):
        assert "PathLike" in message or call.kind == ZERO_BYTE or message.startswith(subject.name)
        return
    assert message.startswith((subject.name, *subject.voices))
    assert ("expected" in message and "got " in message) or "missing" in message or "unexpected" in message
    assert any(word in message for word in call.words), f"expected one of {call.words} in {message!r}"
    assert "\n" not in message


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_the_call_with_right_arguments_works(subject: Subject):
    subject.call(**subject.right)


@pytest.mark.parametrize(
    "subject, argument",
    [(subject, argument) for subject in SUBJECTS for argument in subject.arguments],
    ids=lambda value: value.name if isinstance(value, Subject) else value,
)
def test_wrong_values_are_refused(subject: Subject, argument: str):
    """One test an argument: thousands of tests would take longer to set up than to run."""
    problems = []
    for call in subject.wrong_calls():
        if call.argument == argument:
            try:
                check(call)
            except BaseException as error:  # whatever it is, the others are looked at too
                problems.append(f"{call}: {type(error).__name__}: {str(error).splitlines()[0]}")
    assert not problems, "\n".join(problems)


def test_the_survey_is_wide():
    kinds = {call.kind for call in WRONG}
    arguments = {(call.subject.name, call.argument) for call in WRONG}
    assert len(SUBJECTS) >= 100
    assert len(arguments) >= 250
    assert len(kinds) >= 100
    assert len(WRONG) >= 10_000
