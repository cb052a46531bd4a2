"""`convlet train` on disks that are full, fill up, or are read-only: what is told, and what is kept."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from convlet.checkpoint import load_checkpoint, load_net
from convlet.cli import main
from convlet.history import History
from slower import SLOWER
from small_mnist import write_small_mnist
from tolerances import assert_same_bits_by_name

FILES = ["checkpoint.safetensors", "history.json", "weights.safetensors"]
FULL, READ_ONLY = "No space left on device", "Read-only file system"
# As `convlet`; without matplotlib, whose first import would take longest.
CONVLET = f"{shlex.quote(sys.executable)} -c " + shlex.quote(
    "import sys; sys.modules['matplotlib'] = None; from convlet.cli import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_mnist(tmp_path_factory.mktemp("data"))


@dataclass
class Outcome:
    """How a shell script ended, with what was on the disk in the end, and the refuges that it used."""

    status: int
    out: str
    err: str
    disk: Path
    refuges: list[Path]


@pytest.fixture
def on_disk(tmp_path: Path, data_dir: Path):
    """Runs a script with a small disk of its own as $DISK, and `train` as a command that trains into it."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"]).returncode != 0:
        pytest.skip("may not mount a disk")

    def run(size: str, script: str, epochs: int = 3) -> Outcome:
        for name in ("disk", "copy", "temporary"):
            (tmp_path / name).mkdir()
        disk, copy, temporary = tmp_path / "disk", tmp_path / "copy", tmp_path / "temporary"
        data = f"--data mnist --data-dir {data_dir} --lr 0.5 --threads 1 --device cpu"
        text = f"""
            set -e
            export DISK={disk} TMPDIR={temporary} HOME={tmp_path}/nowhere
            mount -t tmpfs -o size={size} none $DISK
            fill() {{ head -c 100000000 /dev/zero > $DISK/filler 2> /dev/null || true; }}
            train() {{ {CONVLET} train {data} --epochs {epochs} --out $DISK/run; }}
            set +e
            {script}
            status=$?
            cp -r $DISK/. {copy}
            exit $status
        """
        found = subprocess.run(
            ["unshare", "-Urm", "bash", "-c", text],
            capture_output=True,
            text=True,
            timeout=120 * SLOWER,
            cwd=tmp_path,
        )
        return Outcome(found.returncode, found.stdout, found.stderr, copy, sorted(temporary.iterdir()))

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """The folder of the same run on a disk with room."""
    folder = tmp_path_factory.mktemp("whole")
    data = ["--data", "mnist", "--data-dir", str(data_dir), "--lr", "0.5", "--device", "cpu"]
    assert main(["train", *data, "--epochs", "3", "--out", str(folder)]) == 0
    return folder


def assert_whole_run(folder: Path, whole: Path) -> None:
    for name in FILES:
        assert (folder / name).exists(), name
    assert (folder / FILES[2]).read_bytes() == (whole / FILES[2]).read_bytes()
    one, two = (load_checkpoint(place / FILES[0]) for place in (folder, whole))
    assert_same_bits_by_name(one.weights, two.weights)
    assert one.epoch == two.epoch == len(History.load(folder / "history.json"))
    assert not list(folder.glob(".*.tmp"))


@pytest.mark.parametrize("spoil, reason", [("fill", FULL), ("mount -o remount,ro $DISK", READ_ONLY)])
def test_a_disk_that_takes_nothing_is_told_before_the_training(on_disk, spoil: str, reason: str) -> None:
    found = on_disk("1m", f"mkdir $DISK/run; {spoil}; train")
    assert found.status == 1
    assert found.out == ""
    assert found.err.startswith("convlet: cannot write to ")
    assert found.err.endswith(f"/disk/run: {reason}\n")
    assert found.err.count("\n") == 1


def test_what_the_disk_has_no_room_for_is_kept_in_another_place(on_disk, whole: Path, tmp_path: Path) -> None:
    found = on_disk("200k", "train")
    assert found.status == 1
    (refuge,) = found.refuges
    assert_whole_run(refuge, whole)
    run = tmp_path / "disk/run"
    goes_on = f"convlet: cannot write {run / FILES[0]}: {FULL}; the training goes on"
    instead = f"convlet: cannot write {run / FILES[2]}: {FULL}; the run is in {refuge} instead"
    assert found.err.splitlines() == [goes_on, goes_on, goes_on, instead]
    assert found.out.splitlines()[-1].endswith(f" in {refuge}")
    assert list((found.disk / "run").iterdir()) == []
    assert main(["train", "--resume", "--out", str(refuge), "--epochs", "4"]) == 0
    assert load_checkpoint(refuge / FILES[0]).epoch == 4


AFTER_FIRST_EPOCH = "train > out 2> err & until grep -q 'epoch  1' out; do sleep 0.01; done"
END = "wait %1; status=$?; cat out; cat err >&2; (exit $status)"


def test_a_disk_that_turns_read_only_keeps_the_last_checkpoint_and_the_run_is_kept_elsewhere(on_disk) -> None:
    remount = "until mount -o remount,ro $DISK 2> /dev/null; do :; done"
    found = on_disk("4m", f"{AFTER_FIRST_EPOCH}; {remount}; {END}", epochs=40)
    assert found.status == 1
    assert f": {READ_ONLY}; the training goes on\n" in found.err
    (refuge,) = found.refuges
    assert load_checkpoint(refuge / FILES[0]).epoch == 40
    before = load_checkpoint(found.disk / "run" / FILES[0])
    assert 1 <= before.epoch == len(before.history) < 40
    load_net(refuge / FILES[2])


def test_a_disk_that_gets_room_again_has_the_run_in_the_end(on_disk) -> None:
    told = "until grep -q 'goes on' err; do sleep 0.01; done"
    found = on_disk("1600k", f"{AFTER_FIRST_EPOCH}; fill; {told}; rm $DISK/filler; {END}", epochs=60)
    assert found.status == 0, found.err
    assert f": {FULL}; the training goes on\n" in found.err
    assert found.refuges == []
    assert sorted(path.name for path in (found.disk / "run").iterdir()) == FILES
    assert load_checkpoint(found.disk / "run" / FILES[0]).epoch == 60


def test_where_nothing_can_be_written_anywhere_one_line_says_so(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ["--data", "mnist", "--data-dir", str(data_dir), "--epochs", "1"]
    assert main(["train", *data, "--out", str(tmp_path / "run")]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    capsys.readouterr()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, FULL)

    monkeypatch.setattr("os.replace", full)
    assert main(["train", "--resume", "--out", str(tmp_path / "run"), "--epochs", "2"]) == 1
    goes_on, last = capsys.readouterr().err.splitlines()
    run = tmp_path / "run"
    assert goes_on == f"convlet: cannot write {run / FILES[0]}: {FULL}; the training goes on"
    assert last.startswith(f"convlet: cannot write {run / FILES[2]}: {FULL}; nor can anything be written in ")
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_full_disk_under_the_printed_lines_does_not_end_the_run(on_disk, whole: Path) -> None:
    found = on_disk("4m", "train > /dev/full")
    assert found.status == 1
    assert found.err == f"convlet: cannot write to the standard output: {FULL}\n"
    assert_whole_run(found.disk / "run", whole)
