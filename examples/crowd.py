"""Crowds of little people, drawn from a seed: one of them at least is Waldo, in red and white stripes, with a
bobble on his hat. Others wear stripes too, some of them red.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw

SIDE = 28  # pixels of a person's square
FINER = 4  # people are drawn larger and shrunk, so that edges are smooth
RED, WHITE = (204, 32, 39), (245, 245, 240)
CLOTHES = ((34, 87, 160), (46, 125, 50), (240, 190, 40), (120, 60, 140), (60, 60, 60), (225, 120, 40), RED)
SKIN = ((255, 219, 172), (224, 172, 105), (141, 85, 36), (241, 194, 125))


def person(rng: np.random.Generator, waldo: bool) -> Image.Image:
    """A person on a transparent square, a little turned and of some size."""
    side = SIDE * FINER
    image = Image.new("RGBA", (side, side))
    pen = ImageDraw.Draw(image)
    cloth, other = (CLOTHES[i] for i in rng.permutation(len(CLOTHES))[:2])
    striped = bool(rng.integers(2))
    first, second = (cloth, WHITE) if striped else (cloth, cloth)
    if waldo:
        first, second = RED, WHITE
    body, head = (34, 46, 78, 92), (38, 14, 74, 50)
    pen.rectangle((40, 88, 52, 110), fill=(40, 60, 120) if waldo else other)  # legs
    pen.rectangle((60, 88, 72, 110), fill=(40, 60, 120) if waldo else other)
    for number, top in enumerate(range(body[1], body[3], 8)):
        pen.rectangle((body[0], top, body[2], top + 7), fill=(first, second)[number % 2])
    pen.ellipse(head, fill=SKIN[rng.integers(len(SKIN))])
    if waldo or rng.integers(2):  # a hat, Waldo's with a bobble
        brim = first if waldo else other
        pen.pieslice((36, 6, 76, 42), 180, 360, fill=WHITE if waldo else brim)
        pen.rectangle((36, 20, 76, 26), fill=brim)
    if waldo:
        pen.ellipse((51, 1, 61, 11), fill=RED)
    for left in (44, 58):  # eyes, or glasses
        pen.ellipse((left, 28, left + 9, 37), outline="black", width=2, fill=WHITE if waldo else None)
    turned = image.rotate(rng.uniform(-9, 9), Image.Resampling.BICUBIC)
    size = int(SIDE * rng.uniform(0.9, 1.1))
    return turned.resize((size, size), Image.Resampling.LANCZOS)


@cache
def scene(
    seed: int, height: int = 300, width: int = 420, people: int = 150
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A crowd.

    Returns:
        The picture (3, height, width), uint8; the middle of every person, (people, 2), row and column; and
        whether it is Waldo, (people,).
    """
    rng = np.random.default_rng(seed)
    ground = rng.integers(90, 230, 3)
    picture = Image.new("RGB", (width, height), tuple(ground.tolist()))
    places = np.array(
        [(y, x) for y in range(16, height - 15, 25) for x in range(16, width - 15, 25)], dtype=float
    )
    places = places[rng.permutation(len(places))[:people]] + rng.integers(-3, 4, (people, 2))
    places = places[np.argsort(places[:, 0])]  # who stands in front is drawn last
    waldo = np.zeros(people, bool)
    waldo[rng.permutation(people)[: rng.integers(1, 6)]] = True
    for (row, column), is_waldo in zip(places, waldo, strict=True):
        one = person(rng, bool(is_waldo))
        picture.paste(one, (round(column) - one.width // 2, round(row) - one.height // 2), one)
    noisy = np.asarray(picture) + rng.normal(0, 6, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8).transpose(2, 0, 1), places, waldo


def windows(seed: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Windows of a crowd to train on, (N, 3, SIDE, SIDE), and their labels: 0 is Waldo, 1 is anything else.

    A window shows Waldo if its middle is within three pixels of his; those a little further off are left out.
    """
    picture, places, waldo = scene(seed)
    near = places[waldo].repeat(12, axis=0) + rng.integers(-3, 4, (12 * waldo.sum(), 2))
    off = places[waldo].repeat(8, axis=0) + rng.integers(-20, 21, (8 * waldo.sum(), 2))
    others = places[~waldo] + rng.integers(-6, 7, (len(places) - waldo.sum(), 2))
    middles = np.concatenate([near, off, others])
    corners = np.rint(middles).astype(int) - SIDE // 2
    inside = ((corners >= 0) & (corners <= np.array(picture.shape[1:]) - SIDE)).all(axis=1)
    distance = np.abs(middles[:, None] - places[waldo][None]).max(axis=2).min(axis=1)
    kept = inside & ((distance <= 3) | (distance >= 7))
    cut = [picture[:, y : y + SIDE, x : x + SIDE] for y, x in corners[kept]]
    return np.stack(cut), np.where(distance[kept] <= 3, 0, 1)
