"""``convlet predict`` on files of all kinds, good and bad."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from convlet import nn
from convlet.checkpoint import SavedNet, save_net
from convlet.cli import main
from convlet.pictures import as_text, prepare

Captured = pytest.CaptureFixture[str]


def save(path: Path, shape: tuple[int, ...], **notes: str) -> Path:
    """A net that knows nothing."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 3)).initialize("pytorch", 0)
    save_net(path, SavedNet(net, shape, ("a", "b", "c"), notes))
    return path


def sevens(path: Path, ink: str = "navy", paper: str = "orange") -> Path:
    picture = Image.new("RGB", (140, 90), paper)
    ImageDraw.Draw(picture).line([(30, 20), (70, 20), (45, 80)], fill=ink, width=9)
    picture.save(path)
    return path


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    return save(tmp_path / "digits.safetensors", (1, 28, 28), data="digits", background="dark")


def answers(net: Path, image: np.ndarray) -> list[str]:
    """What the command should say of an image as the net takes it."""
    from convlet.checkpoint import load_net

    row = load_net(net).net.predict_proba(image[None])[0]
    return [f"{'abc'[k]} {row[k]:.1%}" for k in np.argsort(-row)]


def test_a_net_of_digits_sees_the_digit_cut_out_and_centred(
    digits: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = sevens(tmp_path / "7.png")
    assert main(["predict", str(digits), str(path)]) == 0
    assert capsys.readouterr().out == f"{path}  {'  '.join(answers(digits, prepare(path)))}\n"


def test_top_says_how_many_classes_are_shown(digits: Path, tmp_path: Path, capsys: Captured) -> None:
    path = sevens(tmp_path / "7.png")
    assert main(["predict", "--top", "1", str(digits), str(path)]) == 0
    assert capsys.readouterr().out == f"{path}  {answers(digits, prepare(path))[0]}\n"


@pytest.mark.parametrize(
    "notes, how",
    [
        ({"data": "mnist"}, "digit"),
        ({"data": "kmnist"}, "digit"),
        ({"data": "fashion-mnist"}, "resize"),
        ({"data": "/home/me/birds"}, "resize"),
        ({"data": "/home/me/birds", "prepare": "digit"}, "digit"),
        ({"data": "digits", "prepare": "resize"}, "resize"),
        ({"data": "digits", "prepare": "something new"}, "digit"),
        ({}, "resize"),
    ],
)
def test_the_data_that_a_net_was_trained_on_say_how_pictures_are_prepared(
    notes: dict[str, str], how: str, tmp_path: Path, capsys: Captured
) -> None:
    net, path = save(tmp_path / "net", (1, 28, 28), **notes), sevens(tmp_path / "7.png")
    assert main(["predict", str(net), str(path)]) == 0
    by_itself = capsys.readouterr().out
    assert main(["predict", "--prepare", how, str(net), str(path)]) == 0
    assert capsys.readouterr().out == by_itself
    other = "resize" if how == "digit" else "digit"
    assert main(["predict", "--prepare", other, str(net), str(path)]) == 0
    assert capsys.readouterr().out != by_itself


def test_a_net_of_colours_and_another_size_gets_them(tmp_path: Path, capsys: Captured) -> None:
    net, path = save(tmp_path / "net", (3, 45, 70)), sevens(tmp_path / "7.png")
    whole = np.asarray(Image.open(path).resize((70, 45), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    for options in ([], ["--prepare", "resize"], ["--prepare", "crop"]):  # of the same proportions
        assert main(["predict", *options, str(net), str(path)]) == 0
        assert capsys.readouterr().out == f"{path}  {'  '.join(answers(net, whole))}\n"
    Image.fromarray(np.ascontiguousarray(whole.transpose(1, 2, 0))).save(tmp_path / "small.png")
    assert main(["predict", "--prepare", "none", str(net), str(tmp_path / "small.png")]) == 0
    assert capsys.readouterr().out.endswith(f"  {'  '.join(answers(net, whole))}\n")


def test_a_picture_of_another_size_is_refused_where_nothing_is_done_to_it(
    tmp_path: Path, capsys: Captured
) -> None:
    net, path = save(tmp_path / "net", (3, 45, 70)), sevens(tmp_path / "7.png")
    assert main(["predict", "--prepare", "none", str(net), str(path)]) == 1
    assert capsys.readouterr().err == f"convlet: {path}: expected 45x70 pixels, got 90x140\n"
    assert main(["predict", "--prepare", "digit", str(net), str(path)]) == 1
    assert "expected a net for square gray pictures, got (3, 45, 70)" in capsys.readouterr().err


def test_explain_shows_what_the_net_saw(digits: Path, tmp_path: Path, capsys: Captured) -> None:
    path = sevens(tmp_path / "7.png")
    assert main(["predict", "--explain", str(digits), str(path)]) == 0
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert first.startswith(str(path))
    assert rest == as_text(prepare(path)) + "\n"


def test_explain_to_draws_each_picture_beside_what_the_net_saw(
    digits: Path, tmp_path: Path, capsys: Captured
) -> None:
    paths = [sevens(tmp_path / "a.png"), sevens(tmp_path / "b.png", "white", "black")]
    out = tmp_path / "seen.png"
    assert main(["predict", str(digits), *map(str, paths), "--explain-to", str(out)]) == 0
    with Image.open(out) as file:
        drawn = file.copy()
    assert drawn.getpixel((20, 20)) == (255, 165, 0)  # the first picture's paper
    assert drawn.getpixel((20, 260)) == (0, 0, 0)
    seen = np.asarray(drawn.crop((256, 16, 256 + 224, 16 + 224)).convert("L").resize((28, 28), 0))
    np.testing.assert_array_equal(seen, prepare(paths[0])[0])
    assert main(["predict", str(digits), str(paths[0]), "--explain-to", str(tmp_path / "seen.doc")]) == 1
    assert "expected a name that ends as a picture's, .png or .jpg" in capsys.readouterr().err


def bomb(path: Path) -> Path:
    """A PNG of some hundred bytes that claims 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


def bad_files(folder: Path) -> dict[str, Path]:
    """A file of every kind that cannot be answered, by a part of what is said."""
    whole = sevens(folder / "whole.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    Image.new("RGB", (50, 40), "red").save(folder / "uniform.png")
    return {
        "No such file or directory": folder / "nowhere.png",
        "Is a directory": folder,
        "truncated or corrupt picture": folder / "cut.png",
        "expected a picture of PNG, JPEG": folder / "empty.png",
        "expected a picture of a figure on a background, got a uniform one": folder / "uniform.png",
        "expected a picture of at most 67108864 pixels": bomb(folder / "bomb.png"),
    }


def test_a_bad_file_among_several_hides_no_answer(digits: Path, tmp_path: Path, capsys: Captured) -> None:
    good = [sevens(tmp_path / "first.png"), sevens(tmp_path / "last.png")]
    bad = bad_files(tmp_path)
    files = [good[0], *bad.values(), good[1]]
    out = tmp_path / "seen.png"
    assert main(["predict", str(digits), *map(str, files), "--explain-to", str(out)]) == 1
    shown, told = capsys.readouterr()
    assert [line.split("  ")[0] for line in shown.splitlines()] == list(map(str, good))
    assert len(told.splitlines()) == len(bad)
    for line, (says, path) in zip(told.splitlines(), bad.items(), strict=True):
        assert line.startswith(f"convlet: {path}: ")
        assert says in line
    with Image.open(out) as drawn:
        assert drawn.height == 16 + 2 * 240


def test_only_bad_files_leave_no_picture(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "seen.png"
    assert main(["predict", str(digits), str(tmp_path / "nowhere.png"), "--explain-to", str(out)]) == 1
    assert not out.exists()
