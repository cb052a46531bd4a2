"""The other commands, and the exit status of all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convlet import _core, datasets, nn
from convlet.checkpoint import SavedNet, save_net, save_weights
from convlet.cli import main
from slower import SLOWER


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A net that knows nothing, of images on a dark background."""
    save_net(
        tmp_path / "w.safetensors",
        SavedNet(nn.LeNet(seed=0), (1, 28, 28), tuple("0123456789"), {"data": "mnist", "background": "dark"}),
    )
    return tmp_path / "w.safetensors"


def picture(path: Path, pixels: np.ndarray) -> Path:
    image = pytest.importorskip("PIL.Image")
    image.fromarray(pixels).save(path)
    return path


def brightness_net(path: Path, background: str) -> Path:
    """Two classes, dark and light, from the mean of all pixels."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    net[1].weight[0], net[1].weight[1] = -1, 1
    net[1].bias[...] = 18, -18
    save_net(path, SavedNet(net, (1, 6, 6), ("dark", "light"), {"background": background}))
    return path


def test_evaluate_prints_loss_and_accuracy(
    weights: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(weights), "--data-dir", str(data_dir), "--threads", "1"]) == 0
    test = datasets.MNIST(data_dir, train=False)
    loss, accuracy = nn.LeNet(seed=0).evaluate(test.images, test.labels)
    line = capsys.readouterr().out
    assert line.startswith(f"mnist  loss {loss:.3f}  test acc {accuracy:.3f}  200 images  ")


def test_evaluate_takes_weights_of_lenet_by_others(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_weights(tmp_path / "plain.safetensors", nn.LeNet(seed=0).state_dict(), {"format": "pt"})
    options = ["--data", "mnist", "--data-dir", str(data_dir)]
    assert main(["evaluate", str(tmp_path / "plain.safetensors"), *options]) == 0
    assert capsys.readouterr().out.startswith("mnist  loss ")


def test_evaluate_says_when_the_classes_are_others(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_net(tmp_path / "w", SavedNet(nn.LeNet(seed=0), (1, 28, 28), tuple("abcdefghij")))
    options = ["--data", "mnist", "--data-dir", str(data_dir)]
    assert main(["evaluate", str(tmp_path / "w"), *options]) == 0
    assert "trained on other classes: a, b, c" in capsys.readouterr().err
    save_net(tmp_path / "w", SavedNet(nn.LeNet(1, 3), (1, 28, 28), ("a", "b", "c")))
    assert main(["evaluate", str(tmp_path / "w"), *options]) == 1
    assert "expected a net for the 10 classes of mnist, got one for 3" in capsys.readouterr().err


def test_predict_prints_the_three_likeliest_classes_of_each_picture(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits = datasets.Digits(size=2)
    paths = [picture(tmp_path / f"{n}.png", digits.images[n, 0]) for n in (0, 1)]
    assert main(["predict", str(weights), *map(str, paths)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for path, line, row in zip(paths, lines, nn.LeNet(seed=0).predict_proba(digits.images), strict=True):
        best = np.argsort(-row)[:3]
        assert line == f"{path}  " + "  ".join(f"{k} {row[k]:.1%}" for k in best)


@pytest.mark.parametrize(
    "background, option, found",
    [
        ("light", [], "light"),
        ("dark", [], "dark"),
        ("mixed", [], "light"),
        ("light", ["--invert"], "dark"),
        ("dark", ["--no-invert"], "light"),
    ],
)
def test_predict_turns_dark_on_light_into_what_the_net_knows(
    background: str, option: list[str], found: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = np.full((30, 20), 250, np.uint8)
    page[12:18, 8:12] = 10
    net, path = brightness_net(tmp_path / "w", background), picture(tmp_path / "page.png", page)
    assert main(["predict", *option, str(net), str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{path}  {found} ")


def test_info_names_the_instruction_set_the_threads_and_the_device_or_why_there_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert _core.cpu_name() in text
    assert f"{_core.isa()} of {', '.join(_core.available_isas())}" in text
    assert f"threads          {_core.get_threads()}\n" in text
    assert (_core.cuda_status() or _core.cuda_info()["name"]) in text


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["train", "--data", "nonsense"], "expected digits, fashion-mnist, mnist, kmnist or a folder"),
        (["train", "--recipe", "nonsense"], "'nonsense' is not one of 'd2l', 'd2l-new', 'modern'"),
        (["train", "--epochs", "0"], "--epochs"),
        (["train", "--batch-size", "1.5"], "--batch-size"),
        (["train", "--lr", "nan"], "expected a finite number above 0, got nan"),
        (["train", "--lr", "-1"], "expected a finite number above 0, got -1.0"),
        (["train", "--threads", "0"], "--threads"),
        (["train", "--seed", "-1"], "--seed"),
        (["train", "--device", "tpu"], "--device"),
        (["train", "--resume"], "--resume needs --out"),
        (["evaluate"], "WEIGHTS"),
        (["evaluate", "nowhere.safetensors"], "does not exist"),
        (["predict", "nowhere.safetensors"], "does not exist"),
        (["nonsense"], "No such command 'nonsense'"),
        ([], "Usage: convlet"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_has_status_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


def test_help_and_version_have_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["--version"], ["train", "-h"], ["predict", "--help"]):
        assert main(arguments) == 0
    assert "convlet, version 0." in capsys.readouterr().out


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_cuda_without_a_device_is_told_in_one_line(
    command: str, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not _core.cuda_status():
        pytest.skip("this machine has a CUDA device")
    files = {"train": [], "evaluate": [weights], "predict": [weights, weights]}[command]
    assert main([command, *map(str, files), "--device", "cuda"]) == 1
    assert (
        capsys.readouterr().err == f"convlet: Trainer: device 'cuda' cannot be used: {_core.cuda_status()}\n"
    )


def test_corrupt_files_are_told_in_one_line_that_names_them(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(weights.read_bytes()[:-1])
    for arguments in (["evaluate", bad], ["predict", bad, weights], ["predict", weights, bad]):
        assert main([str(argument) for argument in arguments]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"convlet: {bad}: ")
        assert err.count("\n") == 1


def test_a_run_without_a_checkpoint_cannot_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", "--out", str(tmp_path)]) == 1
    path = tmp_path / "checkpoint.safetensors"
    assert capsys.readouterr().err == f"convlet: {path}: No such file or directory\n"


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(_core, "cpu_name", broken)
    with pytest.raises(ZeroDivisionError):
        main(["info"])


@pytest.mark.parametrize(
    "arguments, status", [(["info"], 0), (["train", "--lr", "x"], 2), (["predict", __file__, __file__], 1)]
)
def test_the_process_ends_with_the_status(arguments: list[str], status: int) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "convlet", *arguments], capture_output=True, text=True, timeout=60 * SLOWER
    )
    assert outcome.returncode == status
    assert "Traceback" not in outcome.stderr
    assert bool(outcome.stderr) == bool(status)


def test_a_command_loads_only_what_it_needs() -> None:
    program = """
import sys
from convlet.cli import main
main(["info"])
optional = ("matplotlib", "onnx", "PIL", "pooch", "requests", "rich", "safetensors")
print([name for name in optional if name in sys.modules])
"""
    outcome = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60 * SLOWER
    )
    assert outcome.stdout.splitlines()[-1] == "[]"
