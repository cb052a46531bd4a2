"""Kills trainings at random moments: `python -m tests.faults.kills --kills 300 --seed 0`.

Each is killed by SIGKILL after its first checkpoint, in turn at a moment that is uniform over the rest of the
run, within one of its saves, or shortly after Ctrl-C. Then every file in its folder must be whole, and the
training must go on from there to the same bits as one that nobody has killed: weights, optimizer, history.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .variants import CHECKPOINT, EPOCHS, VARIANTS, Reference, assert_whole, begin, reference, result_of
from .watch import CREATED, RENAMED, Watch, watched

MOMENTS = ("any", "save", "after Ctrl-C")
_LONGEST_SECONDS = 300.0
_TRIES = 20  # a training may be over before its kill comes;
_SOONER = 0.8  # then the next one is killed after so much of the time, since the machine has become faster


def killed(
    moment: str, variant: str, work: Path, folder: Path, whole: Reference, chance: random.Random, pace: float
) -> bool:
    """Start a training and kill it, ``pace`` times as late as was drawn; whether it was still running."""
    folder.mkdir()
    with watched(folder) as watch:
        process = begin(variant, work, folder)
        assert watch.wait(RENAMED, _LONGEST_SECONDS, CHECKPOINT), process.communicate()[0]
        _sleep_until(moment, process, watch, whole, chance, pace)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return process.returncode == -signal.SIGKILL


def _sleep_until(
    moment: str,
    process: subprocess.Popen[str],
    watch: Watch,
    whole: Reference,
    chance: random.Random,
    pace: float,
) -> None:
    if moment == "save":
        for _ in range(chance.randrange(1, EPOCHS - 1)):
            watch.wait(CREATED, _LONGEST_SECONDS)
        time.sleep(pace * chance.uniform(0, 1.5 * whole.save))
        return
    time.sleep(pace * chance.uniform(0, whole.rest))
    if moment == "after Ctrl-C":
        process.send_signal(signal.SIGINT)
        time.sleep(pace * chance.uniform(0, 4 * whole.save))


def check_kill(
    moment: str, variant: str, work: Path, whole: Reference, chance: random.Random
) -> Counter[str]:
    """Kill once and go on to the end; what there was to see."""
    folder = work / "killed"
    for attempt in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if killed(moment, variant, work, folder, whole, chance, _SOONER**attempt):
            break
    else:
        raise AssertionError(f"{variant}: not one of {_TRIES} trainings could be killed in time")
    checkpoint = assert_whole(folder)
    left_over = sum(path.suffix == ".tmp" for path in folder.iterdir())
    process = begin(variant, work, folder)
    told, _ = process.communicate(timeout=_LONGEST_SECONDS)
    assert process.returncode == 0, told
    found = result_of(folder)
    differing = [name for name in whole.result if found.get(name) != whole.result[name]]
    assert not differing, f"{variant}, {moment}: {', '.join(differing)} differ after epoch {checkpoint.epoch}"
    return Counter(
        {
            "kills": 1,
            f"kills, {moment}": 1,
            f"kills, {variant}": 1,
            "kills within the writing of a file": left_over > 0,
            f"checkpoints after epoch {checkpoint.epoch}": 1,
            "checkpoints within an epoch": bool(checkpoint.totals.any()),
            "checkpoints that were whole": 1,
            "resumed to the same bits": 1,
        }
    )


def run(kills: int, seed: int, work: Path) -> Counter[str]:
    """All kills, through the variants and moments in turn; how many of what there were."""
    chance, counts = random.Random(seed), Counter[str]()
    wholes = {variant: reference(variant, work / str(n)) for n, variant in enumerate(VARIANTS)}
    for number in range(kills):
        moment, variant = _turn(number)
        place = work / str(list(VARIANTS).index(variant))
        counts += check_kill(moment, variant, place, wholes[variant], chance)
        if number % 20 == 19:
            print(f"{number + 1} of {kills}", flush=True)
    return counts


def _turn(number: int) -> tuple[str, str]:
    """Every moment and every variant within three kills, every pair within nine."""
    variants = list(VARIANTS)
    return MOMENTS[number % len(MOMENTS)], variants[(number + number // len(MOMENTS)) % len(variants)]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        counts = run(given.kills, given.seed, Path(work))
    for what in sorted(counts):
        print(f"{counts[what]:>5}  {what}")
    print(f"{time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
