"""The watch itself: a parser that crashes, hangs, dawdles, allocates or says the wrong words is found out."""

from __future__ import annotations

from random import Random

import pytest

from parsers import campaign, watch
from parsers.mutators import json_text
from parsers.target import make_input
from parsers.targets import TARGETS
from parsers.watch import run_target
from slower import SANITIZED


@pytest.mark.skipif(SANITIZED, reason="a sanitizer has its own way to die")
@pytest.mark.parametrize(
    "name, told", [("planted-death", "died of SIGSEGV"), ("planted-hang", "hung for 3 s")]
)
def test_death_and_hanging_cost_the_input_and_the_others_are_run(name: str, told: str, monkeypatch):
    monkeypatch.setattr(watch, "_HUNG_SECONDS", 3.0)
    report = run_target(name, 0, 40, module="parsers.planted")
    assert 1 <= len(report.problems) <= 3
    assert all(problem.text.startswith(told) for problem in report.problems), report.problems
    assert report.tally.inputs == 40


@pytest.mark.skipif(SANITIZED, reason="a sanitizer has its own way to die")
def test_slowness_allocations_and_wrong_words_are_told():
    report = run_target("planted-words", 0, 40, module="parsers.planted")
    told = {problem.text.partition(":")[0].partition(".")[0] for problem in report.problems}
    assert told == {
        "took 1",
        "undocumented MemoryError",
        "undocumented KeyError",
        "a refusal of several lines",
        "a refusal without a word",
    }
    assert report.tally.inputs == 40
    assert report.tally.peak_megabytes > 10


def test_parser_without_a_fault_has_no_problems_and_its_inputs_repeat():
    report = run_target("idx", 0, 600)
    assert (report.problems, report.tally.inputs) == ([], 600)
    assert 0 < report.tally.outcomes["accepted"] < 600
    assert report.tally.outcomes["ValueError"] == 600 - report.tally.outcomes["accepted"]
    seeds = TARGETS["idx"].seeds()
    assert make_input(TARGETS["idx"], seeds, 0, 7) == make_input(TARGETS["idx"], seeds, 0, 7)
    assert make_input(TARGETS["idx"], seeds, 0, 7) != make_input(TARGETS["idx"], seeds, 1, 7)


def test_failing_input_is_kept_and_told_as_a_command(tmp_path, capsys, monkeypatch: pytest.MonkeyPatch):
    problem = watch.Problem("idx", 3, "took 2.00 s")
    monkeypatch.setattr(campaign, "run_target", lambda name, *_: watch.Report(name, problems=[problem]))
    assert campaign.run([TARGETS["idx"]], 10, 0, 5, 1, tmp_path / "kept") == 1
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.read_bytes() == make_input(TARGETS["idx"], TARGETS["idx"].seeds(), 5, 3)
    told = capsys.readouterr().out
    assert "python -m tests.parsers --target idx --seed 5 --number 3" in told
    assert f"python -m tests.parsers --target idx --file {kept}" in told
    assert campaign.repeat(TARGETS["idx"], 0, None, kept) == 0


def test_every_target_gets_the_least_and_the_rest_goes_by_shares():
    targets = list(TARGETS.values())
    counts = campaign.shares(targets, 1_000_000, 20_000)
    assert min(counts) == 20_000
    assert sum(counts) == 1_000_000
    assert sum(campaign.shares(targets[-1:], 100, 0)) == 100


def test_json_comes_back_as_it_was_and_mutated_otherwise():
    text = '{"a": [1, {"b": null}], "c": "{\\"d\\": [2.5, true]}", "e": "[no"}'
    whole = json_text.parse(text)
    assert json_text.parse(json_text.dump(whole)) is not whole
    assert json_text.dump(json_text.parse(json_text.dump(whole))) == json_text.dump(whole)
    rng = Random(0)
    assert len({json_text.mutate_json(rng, text.encode()) for _ in range(100)}) > 50
