"""Draws digits in the fonts of given files, as pictures of all kinds, and counts how many a net reads.

    python scripts/check_pictures.py runs/digits/weights.safetensors Serif.ttf Sans.ttf --sheet digits.png

Sizes from 40 to 800 pixels, dark on light and light on dark, coloured, off centre, with noise, with uneven
light, as PNG and as JPEG; equal options give equal pictures. Each font draws every digit equally often.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from convlet import pictures
from convlet.checkpoint import load_net

LUMINANCE = np.array([0.299, 0.587, 0.114])


class Drawing(NamedTuple):
    """A picture of one digit."""

    picture: Image.Image
    digit: int
    font: str


def colours(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Paper and ink: black and white, gray, or two colours, of which a third have the same luminance."""
    kind = rng.integers(3)
    while True:
        if kind == 0:
            dark, light = rng.integers(0, 60), rng.integers(180, 256)
            paper, ink = (dark,) * 3, (light,) * 3
        else:
            paper, ink = tuple(rng.integers(0, 256, 3)), tuple(rng.integers(0, 256, 3))
        if rng.integers(2):
            paper, ink = ink, paper
        distance = np.linalg.norm(np.subtract(paper, ink))
        same = abs(LUMINANCE @ np.subtract(paper, ink)) < 10
        if distance > 100 and same == (kind == 2):
            return tuple(map(int, paper)), tuple(map(int, ink))


def draw(digit: int, font: Path, rng: np.random.Generator) -> Drawing:
    """A digit somewhere on a picture of some size."""
    width, height = (int(np.exp(rng.uniform(np.log(40), np.log(800)))) for _ in range(2))
    height = min(max(height, width // 2), 2 * width)
    paper, ink = colours(rng)
    kind = ImageFont.truetype(str(font), max(20, int(min(width, height) * rng.uniform(0.6, 1.1))))
    left, top, right, bottom = kind.getbbox(str(digit))
    x = rng.integers(min(0, width - right + left), max(1, width - right + left + 1)) - left
    y = rng.integers(min(0, height - bottom + top), max(1, height - bottom + top + 1)) - top
    picture = Image.new("RGB", (width, height), paper)
    ImageDraw.Draw(picture).text((float(x), float(y)), str(digit), font=kind, fill=ink)
    trouble = rng.integers(4)
    if trouble == 1:
        noisy = np.asarray(picture) + rng.normal(0, 8, (height, width, 1))
        picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    elif trouble == 2:
        light = 1 + 0.15 * (np.linspace(-1, 1, width)[None, :, None] * rng.uniform(-1, 1))
        picture = Image.fromarray((np.asarray(picture) * light).clip(0, 255).astype(np.uint8))
    elif trouble == 3:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=75)
        picture = Image.open(file).convert("RGB")
    return Drawing(picture, digit, font.stem)


def drawings(fonts: list[Path], count: int, seed: int) -> list[Drawing]:
    """Fonts and digits take turns, in no order."""
    rng = np.random.default_rng(seed)
    return [draw(n // len(fonts) % 10, fonts[n % len(fonts)], rng) for n in rng.permutation(count).tolist()]


def sheet(
    shown: list[Drawing], prepared: np.ndarray, answers: np.ndarray, shares: np.ndarray, font: Path
) -> Image.Image:
    """Each picture beside what the net saw, with its answer below: green if right, red if wrong."""
    side, columns, gap, line = 150, 4, 28, 22
    cell = 2 * side + 4 + gap, side + line + gap
    rows = -(-len(shown) // columns)
    paper = Image.new("RGB", (columns * cell[0] + gap, rows * cell[1] + gap), "white")
    pen = ImageDraw.Draw(paper)
    text = ImageFont.truetype(str(font), 15)
    for n, drawing in enumerate(shown):
        x, y = gap + n % columns * cell[0], gap + n // columns * cell[1]
        small = drawing.picture.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        if max(small.size) < side:
            factor = side / max(small.size)
            size = tuple(round(factor * length) for length in small.size)
            small = small.resize(size, Image.Resampling.NEAREST)
        left, top = x + (side - small.width) // 2, y + (side - small.height) // 2
        paper.paste(small, (left, top))
        pen.rectangle((left - 1, top - 1, left + small.width, top + small.height), outline="#aaaaaa")
        seen = Image.fromarray(prepared[n, 0]).resize((side, side), Image.Resampling.NEAREST)
        paper.paste(seen, (x + side + 4, y))
        right = answers[n] == drawing.digit
        words = f"{answers[n]}  {shares[n]:.0%}" + ("" if right else f"   wrong: it is a {drawing.digit}")
        pen.text((x, y + side + 3), words, fill="#00703c" if right else "#b00020", font=text)
    return paper


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("fonts", nargs="+", type=Path, help="TrueType or OpenType files")
    parser.add_argument("--count", type=int, default=200, help="pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--least", type=float, default=0.8, help="share of right answers to reach")
    parser.add_argument("--sheet", type=Path, help="where to draw some of the pictures")
    parser.add_argument("--shown", type=int, default=20, help="all wrong ones first")
    options = parser.parse_args()
    net = load_net(options.weights).net
    drawn = drawings(options.fonts, options.count, options.seed)
    prepared = np.stack([pictures.prepare(drawing.picture) for drawing in drawn])
    likelihoods = net.predict_proba(prepared)
    answers, digits = likelihoods.argmax(axis=1), np.array([drawing.digit for drawing in drawn])
    right = answers == digits
    for font in options.fonts:
        mine = np.array([drawing.font == font.stem for drawing in drawn])
        wrong = [f"{d} as {a}" for d, a in zip(digits[mine & ~right], answers[mine & ~right], strict=True)]
        print(f"{font.stem:30} {right[mine].sum():3} of {mine.sum():3}   {', '.join(wrong)}")
    print(f"{'all':30} {right.sum():3} of {len(right):3}   {right.mean():.1%}")
    if options.sheet is not None:
        chosen = np.argsort(right, kind="stable")[: options.shown]  # wrong ones first, so that none is hidden
        chosen.sort()
        some, shares = [drawn[n] for n in chosen], likelihoods.max(axis=1)[chosen]
        sheet(some, prepared[chosen], answers[chosen], shares, options.fonts[0]).save(options.sheet)
    return 0 if right.mean() >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
