"""Folders of pictures: what is read, in which order, and what is refused by name."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from convlet.datasets import ImageFolder, read_image


def draw(path, gray=0, size=(4, 6), mode="L", **options):
    """A picture of one tone; size is (H, W)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    color = gray if mode in ("L", "P", "I;16") else (gray,) * len(mode)
    Image.new(mode, size[::-1], color).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    for tone, name in enumerate(("b/2.png", "b/10.png", "a/x.jpg", "c d/y.bmp", "c d/z.GIF"), start=1):
        draw(tmp_path / "set" / name, 20 * tone)
    return tmp_path / "set"


def test_pictures_come_by_class_and_name(folder):
    data = ImageFolder(folder)
    assert data.images.shape == (5, 1, 4, 6)
    assert data.images.dtype == np.uint8
    assert data.images[:, 0, 0, 0].tolist() == [60, 40, 20, 80, 100]
    assert data.labels.tolist() == [0, 1, 1, 2, 2]
    assert data.classes == ("a", "b", "c d")
    assert (data.name, data.train) == ("set", True)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".PNG"])
def test_every_format_is_read(tmp_path, suffix):
    if suffix == ".webp":
        pytest.importorskip("PIL._webp", reason="this Pillow reads no WebP")
    draw(tmp_path / f"a/picture{suffix}", 100)
    assert abs(int(ImageFolder(tmp_path).images[0, 0, 2, 3]) - 100) <= 2


def test_other_and_hidden_files_are_left_out(folder):
    (folder / "a" / "notes.txt").write_text("no picture")
    (folder / "a" / "._x.jpg").write_bytes(b"no picture")
    (folder / ".git").mkdir()
    (folder / "__MACOSX").mkdir()
    (folder / "readme.md").write_text("no folder")
    assert len(ImageFolder(folder)) == 5


def test_mode_and_size_are_those_asked_for(folder):
    data = ImageFolder(folder, size=(3, 5), mode="RGB")
    assert data.images.shape == (5, 3, 3, 5)
    assert data.images[0].tolist() == np.full((3, 3, 5), 60).tolist()
    assert ImageFolder(folder, size=28).images.shape == (5, 1, 28, 28)


def test_rows_and_columns_stay_where_they_are(tmp_path, rng):
    pixels = rng.integers(0, 256, (5, 7, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", mode="RGB"), pixels.transpose(2, 0, 1))
    gray = read_image(tmp_path / "a.png")
    assert gray.shape == (1, 5, 7)
    np.testing.assert_allclose(gray[0], pixels @ [0.299, 0.587, 0.114], atol=1)
    assert gray.flags.c_contiguous
    assert gray.flags.writeable


def test_parts_are_told_apart(tmp_path):
    for part, tone in (("train", 10), ("test", 200)):
        for name in ("cat", "dog"):
            draw(tmp_path / part / name / "1.png", tone)
    draw(tmp_path / "train" / "ape" / "1.png", 10)
    train, test = ImageFolder(tmp_path), ImageFolder(tmp_path, train=False)
    assert train.classes == test.classes == ("ape", "cat", "dog")
    assert train.labels.tolist() == [0, 1, 2]
    assert test.labels.tolist() == [1, 2]
    assert (train.images.max(), test.images.min()) == (10, 200)
    assert (train.train, test.train) == (True, False)


def test_class_called_train_is_a_class(tmp_path):
    for name in ("bus", "train"):
        draw(tmp_path / name / "1.png")
    assert ImageFolder(tmp_path).classes == ("bus", "train")


def test_missing_part_is_named(tmp_path):
    draw(tmp_path / "train" / "cat" / "1.png")
    with pytest.raises(FileNotFoundError, match="test"):
        ImageFolder(tmp_path, train=False)


def test_class_that_only_the_test_has_is_refused(tmp_path):
    for name in ("train/cat", "test/cat", "test/cow"):
        draw(tmp_path / name / "1.png")
    with pytest.raises(ValueError, match="cow: expected a class of train, cat, got cow"):
        ImageFolder(tmp_path, train=False)


def test_missing_folder_and_file_instead_of_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ImageFolder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file"):
        ImageFolder(tmp_path / "file")


def test_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a folder of pictures for each class, got no folders"):
        ImageFolder(tmp_path)
    draw(tmp_path / "picture.png")
    with pytest.raises(ValueError, match="expected a folder of pictures for each class, got no folders"):
        ImageFolder(tmp_path)


def test_class_without_pictures_is_named(folder):
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: expected pictures \(\.png.*got none"):
        ImageFolder(folder)


def test_pictures_of_two_sizes_are_refused_by_name_or_stretched(folder):
    draw(folder / "b" / "wide.png", size=(4, 9))
    with pytest.raises(ValueError, match=r"one size.*got 4x6 in .*x\.jpg and 4x9 in .*wide\.png"):
        ImageFolder(folder)
    assert ImageFolder(folder, size=(4, 6)).images.shape == (6, 1, 4, 6)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp"])
def test_truncated_picture_is_named(tmp_path, rng, suffix):
    path = tmp_path / "a" / f"cut.{suffix}"
    path.parent.mkdir()
    Image.fromarray(rng.integers(0, 256, (40, 40), np.uint8)).save(path)
    content = path.read_bytes()
    for kept in (len(content) // 2, len(content) * 3 // 4):
        path.write_bytes(content[:kept])
        with pytest.raises(ValueError, match=rf"cut\.{suffix}: truncated or corrupt picture"):
            ImageFolder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\0\0\x08\x03", b"%PDF-1.7"])
def test_file_that_is_no_picture_is_named(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.png: expected a picture of PNG, JPEG, BMP, GIF, WEBP"):
        read_image(tmp_path / "a.png")


def test_missing_picture_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_image(tmp_path / "nowhere.png")


@pytest.mark.parametrize("side", [8193, 9500, 14_000, 60_000])
def test_picture_of_too_many_pixels_is_refused_unread(tmp_path, side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    with pytest.raises(
        ValueError, match=r"bomb\.png: expected a picture of at most (1048576|67108864) pixels, got"
    ):
        read_image(tmp_path / "bomb.png")


def test_transparent_pixels_lie_on_white(tmp_path):
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(tmp_path / "a.png")
    Image.new("LA", (2, 2), (100, 128)).save(tmp_path / "b.png")
    Image.new("L", (2, 2), 7).save(tmp_path / "c.png", transparency=7)
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(tmp_path / "d.png", transparency=1)
    values = [int(read_image(tmp_path / f"{name}.png").max()) for name in "abcd"]
    assert values[0] == values[2] == values[3] == 255
    assert abs(values[1] - (100 * 128 + 255 * 127) / 255) < 1


def test_sixteen_bits_are_cut_to_their_upper_eight(tmp_path):
    pixels = np.array([[0, 255, 256, 65535]], np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[0, 0, 1, 255]]]


def test_camera_that_was_held_upright_gives_an_upright_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    pixels = np.zeros((2, 3), np.uint8)
    pixels[0, 0] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    assert read_image(tmp_path / "a.png").tolist() == [[[0, 200], [0, 0], [0, 0]]]


def test_bilinear_stretching_averages_what_it_shrinks(tmp_path):
    pixels = np.indices((32, 32)).sum(axis=0) % 2 * np.uint8(255)
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "chess.png")
    assert np.all(np.abs(read_image(tmp_path / "chess.png", size=4).astype(int) - 127) <= 8)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"size": 0}, ValueError, "size of at least 1, got 0"),
        ({"size": 28.0}, TypeError, "size to be an integer or a pair"),
        ({"size": (1, 2, 3)}, ValueError, "size to be an integer or a pair"),
        ({"size": 10_000}, ValueError, "a size of at most 67108864 pixels, got 10000x10000"),
        ({"mode": "CMYK"}, ValueError, "mode to be one of L, RGB, got 'CMYK'"),
        ({"mode": 1}, TypeError, "mode to be one of L, RGB, got 1"),
        ({"train": 1}, TypeError, "train to be True or False, got 1"),
    ],
)
def test_wrong_arguments_are_refused(folder, arguments, error, message):
    with pytest.raises(error, match=f"expected {message}"):
        ImageFolder(folder, **arguments)
