"""Callbacks of one's own: when they are called, how they stop a run, and what their errors leave behind."""

from __future__ import annotations

from typing import Any

import pytest

from convlet import Trainer
from convlet.callbacks import Callback, StopTraining
from convlet.history import Row
from convlet.trainer import Progress
from tolerances import assert_same_bits_by_name


class Recorder(Callback):
    """Keeps what it is called with."""

    def __init__(self, calls: list[Any], name: str = "") -> None:
        self.calls, self.name = calls, name

    def on_start(self, trainer: Trainer) -> None:
        self.calls.append((self.name, "start", trainer.history.config["epochs"]))

    def on_epoch(self, row: Row, trainer: Trainer) -> None:
        assert trainer.history[-1] is row
        self.calls.append((self.name, "epoch", row.epoch))

    def on_end(self, trainer: Trainer, error: BaseException | None) -> None:
        self.calls.append((self.name, "end", type(error)))


class Raising(Callback):
    """Raises an error at one of its turns."""

    def __init__(self, error: type[Exception], turn: str) -> None:
        self.error, self.turn = error, turn

    def _at(self, turn: str) -> None:
        if turn == self.turn:
            raise self.error(turn)

    def on_start(self, trainer: Trainer) -> None:
        self._at("start")

    def on_epoch(self, row: Row, trainer: Trainer) -> None:
        if row.epoch == 2:
            self._at("epoch")

    def on_progress(self, progress: Progress, trainer: Trainer) -> None:
        self._at("progress")

    def on_end(self, trainer: Trainer, error: BaseException | None) -> None:
        self._at("end")


def test_callbacks_are_called_in_their_order_after_the_plain_functions(train: Any, trainer_of: Any) -> None:
    calls: list[Any] = []
    trainer_of().fit(
        train,
        epochs=2,
        on_epoch=lambda row: calls.append(("plain", "epoch", row.epoch)),
        callbacks=[Recorder(calls, "a"), Recorder(calls, "b")],
    )
    epochs = [(name, "epoch", epoch) for epoch in (1, 2) for name in ("plain", "a", "b")]
    ends = [("a", "end", type(None)), ("b", "end", type(None))]
    assert calls == [("a", "start", 2), ("b", "start", 2), *epochs, *ends]


def test_a_callback_sees_progress_within_an_epoch(train: Any, trainer_of: Any) -> None:
    seen: list[tuple[int, bool]] = []

    class Watching(Callback):
        def on_progress(self, progress: Progress, trainer: Trainer) -> None:
            seen.append((progress.images, trainer is own))

    own = trainer_of()
    images, labels = train
    own.fit((images.repeat(400, 0), labels.repeat(400)), epochs=1, batch_size=1, callbacks=[Watching()])
    assert seen
    assert all(0 < count <= 80_000 and known for count, known in seen)


def test_stop_training_after_an_epoch_ends_the_run_as_if_it_had_been_short(
    train: Any, trainer_of: Any
) -> None:
    calls: list[Any] = []
    stopped, short = trainer_of(), trainer_of()
    history = stopped.fit(train, epochs=9, callbacks=[Raising(StopTraining, "epoch"), Recorder(calls)])
    short.fit(train, epochs=2)
    assert [row.epoch for row in history] == [1, 2]
    assert calls[-1] == ("", "end", type(None))
    assert_same_bits_by_name(stopped.net.parameters(), short.net.parameters())


def test_a_run_that_was_stopped_within_an_epoch_goes_on_to_the_same_bits(train: Any, trainer_of: Any) -> None:
    images, labels = train[0].repeat(400, 0), train[1].repeat(400)
    stopped, again, whole = trainer_of(0.01), trainer_of(0.01), trainer_of(0.01)
    history = stopped.fit(
        (images, labels), epochs=1, batch_size=1, callbacks=[Raising(StopTraining, "progress")]
    )
    state = stopped.checkpoint()
    assert len(history) == 0
    assert 0 < state.totals[1] < 80_000
    again.fit((images, labels), epochs=1, batch_size=1, resume=state)
    whole.fit((images, labels), epochs=1, batch_size=1)
    assert_same_bits_by_name(again.net.parameters(), whole.net.parameters())


def test_a_run_may_be_stopped_before_it_begins(train: Any, trainer_of: Any) -> None:
    calls: list[Any] = []
    history = trainer_of().fit(train, callbacks=[Recorder(calls), Raising(StopTraining, "start")])
    assert len(history) == 0
    assert [what for _, what, _ in calls] == ["start", "end"]


def test_callbacks_behind_one_that_stops_see_the_row_too(train: Any, trainer_of: Any) -> None:
    calls: list[Any] = []
    trainer_of().fit(train, epochs=9, callbacks=[Raising(StopTraining, "epoch"), Recorder(calls)])
    assert [epoch for _, what, epoch in calls if what == "epoch"] == [1, 2]


def test_a_plain_function_may_stop_the_run_too(train: Any, trainer_of: Any) -> None:
    def stop(row: Row) -> None:
        raise StopTraining

    assert len(trainer_of().fit(train, epochs=5, on_epoch=stop)) == 1


@pytest.mark.parametrize("turn, rows", [("start", 0), ("epoch", 2), ("end", 3)])
def test_an_error_in_a_callback_leaves_net_and_history_usable(
    train: Any, trainer_of: Any, turn: str, rows: int
) -> None:
    calls: list[Any] = []
    broken, whole = trainer_of(), trainer_of()
    with pytest.raises(RuntimeError, match=turn):
        broken.fit(
            train,
            epochs=3,
            callbacks=[Recorder(calls, "a"), Raising(RuntimeError, turn), Recorder(calls, "b")],
        )
    assert len(broken.history) == rows
    ended = [name for name, what, _ in calls if what == "end"]
    assert ended == [name for name, what, _ in calls if what == "start"]  # whoever started was ended
    broken.fit(train, epochs=3, resume=broken.checkpoint())
    whole.fit(train, epochs=3)
    assert_same_bits_by_name(broken.net.parameters(), whole.net.parameters())


@pytest.mark.parametrize(
    "callbacks, says", [([print], "expected callbacks of"), (Callback(), "to be a list, got Callback")]
)
def test_what_is_no_callback_is_refused(train: Any, trainer_of: Any, callbacks: Any, says: str) -> None:
    with pytest.raises(TypeError, match=f"fit: .*{says}"):
        trainer_of().fit(train, callbacks=callbacks)
