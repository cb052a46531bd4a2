"""The skeletons of the ten digits, as strokes, and the matrices that make smooth curves of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["GLYPHS", "Skeletons", "skeletons"]

Point = tuple[int, int]
Stroke = tuple[Point, ...]

# The ways to write each digit. Unit: one hundredth of the digit's height; the origin is its middle, y points
# down. A stroke is a smooth curve through its points, a closed one where it ends as it began; a corner is
# where one stroke ends and the next begins. Equal points of a glyph are one point: they move together.
GLYPHS: tuple[tuple[tuple[Stroke, ...], ...], ...] = (
    (  # 0: an oval, or one whose ends pass each other
        (((0, -50), (22, -36), (31, 0), (22, 36), (0, 50), (-22, 36), (-31, 0), (-22, -36), (0, -50)),),
        (
            (
                (10, -47),
                (-12, -43),
                (-28, -18),
                (-28, 16),
                (-13, 44),
                (10, 46),
                (27, 20),
                (26, -18),
                (8, -47),
                (-6, -50),
            ),
        ),
    ),
    (  # 1: a stem; with a flag; with a flag and a foot
        (((0, -50), (0, -17), (0, 17), (0, 50)),),
        (((-20, -30), (-9, -39), (2, -50)), ((2, -50), (2, -17), (2, 17), (2, 50))),
        (
            ((-19, -31), (-9, -39), (1, -50)),
            ((1, -50), (1, -17), (1, 17), (1, 50)),
            ((-22, 50), (1, 50), (23, 50)),
        ),
    ),
    (  # 2: with a corner at the foot; with a loop
        (
            ((-28, -27), (-18, -44), (2, -50), (22, -41), (24, -20), (8, 4), (-12, 26), (-30, 50)),
            ((-30, 50), (0, 50), (31, 49)),
        ),
        (
            (
                (-27, -29),
                (-15, -46),
                (6, -49),
                (24, -35),
                (20, -10),
                (2, 16),
                (-16, 40),
                (-28, 45),
                (-27, 33),
                (-12, 33),
                (8, 46),
                (32, 44),
            ),
        ),
    ),
    (  # 3: two bowls; with a flat top
        (
            ((-27, -38), (-8, -50), (16, -45), (24, -27), (13, -10), (-7, -4)),
            ((-7, -4), (17, 1), (29, 22), (18, 43), (-5, 50), (-29, 37)),
        ),
        (
            ((-26, -50), (0, -50), (25, -50)),
            ((25, -50), (12, -30), (-3, -10)),
            ((-3, -10), (18, -5), (29, 17), (18, 42), (-5, 50), (-29, 38)),
        ),
    ),
    (  # 4: closed; open
        (
            ((12, -50), (-8, -17), (-31, 18)),
            ((-31, 18), (0, 18), (33, 18)),
            ((12, -50), (12, -17), (12, 17), (12, 50)),
        ),
        (
            ((-21, -48), (-25, -20), (-25, 8)),
            ((-25, 8), (3, 8), (32, 5)),
            ((18, -48), (16, -15), (14, 18), (12, 50)),
        ),
    ),
    (  # 5
        (
            ((27, -50), (4, -50), (-20, -50)),
            ((-20, -50), (-22, -30), (-24, -9)),
            ((-24, -9), (-2, -17), (20, -8), (29, 16), (17, 41), (-7, 50), (-30, 40)),
        ),
    ),
    (  # 6
        (
            (
                (19, -50),
                (-4, -38),
                (-21, -14),
                (-28, 18),
                (-16, 44),
                (5, 50),
                (25, 36),
                (24, 11),
                (5, -1),
                (-16, 4),
                (-28, 18),
            ),
        ),
    ),
    (  # 7: plain; with a bar
        (((-29, -50), (0, -50), (29, -50)), ((29, -50), (12, -20), (0, 14), (-9, 50))),
        (
            ((-28, -50), (0, -50), (29, -50)),
            ((29, -50), (12, -20), (0, 14), (-9, 50)),
            ((-16, 1), (5, 0), (26, -1)),
        ),
    ),
    (  # 8: one closed stroke that crosses itself
        (
            (
                (0, -50),
                (-20, -42),
                (-22, -23),
                (0, -3),
                (24, 16),
                (25, 38),
                (0, 50),
                (-25, 38),
                (-24, 16),
                (0, -3),
                (22, -23),
                (20, -42),
                (0, -50),
            ),
        ),
    ),
    (  # 9: with a straight tail; with a curled one
        (
            ((25, -27), (15, -46), (-5, -50), (-23, -38), (-24, -16), (-7, -3), (14, -9), (25, -27)),
            ((25, -27), (24, -2), (20, 24), (12, 50)),
        ),
        (
            ((25, -27), (15, -46), (-5, -50), (-23, -38), (-24, -16), (-7, -3), (14, -9), (25, -27)),
            ((25, -27), (26, 2), (20, 32), (4, 48), (-18, 46)),
        ),
    ),
)

_FINE = 64  # samples a span while the length of a curve is measured


class Skeletons(NamedTuple):
    """Every glyph as arrays; V glyphs, P points on each, at most K control points.

    ``basis @ controls`` are P points, evenly spaced along the strokes, in hundredths of the height times
    ``one``. Both factors hold integers, so the product has the same bits whatever the order of its sums.
    """

    first: tuple[int, ...]  # where the glyphs of each digit begin, and one more entry: V
    basis: npt.NDArray[np.float32]  # (V, P, K)
    controls: npt.NDArray[np.float32]  # (V, K, 2): x, y
    length: npt.NDArray[np.float64]  # (V,), of all strokes together, in heights
    one: int


def skeletons(points: int, one: int = 1024) -> Skeletons:
    """Every glyph at ``points`` places, the weights rounded to multiples of ``1 / one``."""
    glyphs = [glyph for ways in GLYPHS for glyph in ways]
    distinct = [tuple(dict.fromkeys(point for stroke in glyph for point in stroke)) for glyph in glyphs]
    most = max(map(len, distinct))
    basis = np.zeros((len(glyphs), points, most), np.float32)
    controls = np.zeros((len(glyphs), most, 2), np.float32)
    length = np.zeros(len(glyphs))
    for number, (glyph, corners) in enumerate(zip(glyphs, distinct, strict=True)):
        rows, length[number] = _sample(glyph, corners, points)
        basis[number, :, : len(corners)] = np.rint(rows * one)
        controls[number, : len(corners)] = corners
    first = np.cumsum([0, *map(len, GLYPHS)])
    return Skeletons(tuple(first.tolist()), basis, controls, length / 100, one)


def _sample(
    glyph: tuple[Stroke, ...], corners: tuple[Point, ...], points: int
) -> tuple[npt.NDArray[np.float64], float]:
    """The rows of the basis at ``points`` places, evenly spaced along all strokes, and the whole length."""
    place = np.array(corners, float)
    fine = [_spline([corners.index(point) for point in stroke], len(corners)) for stroke in glyph]
    steps = [np.sqrt((np.diff(rows @ place, axis=0) ** 2).sum(axis=1)) for rows in fine]
    ends = np.cumsum([0.0, *(step.sum() for step in steps)])
    wanted = (np.arange(points) + 0.5) * (ends[-1] / points)
    samples = np.zeros((points, len(corners)))
    for number, (rows, step) in enumerate(zip(fine, steps, strict=True)):
        mine = (wanted >= ends[number]) & (wanted < ends[number + 1])
        along = np.concatenate([[0.0], np.cumsum(step)]) + ends[number]
        position = np.interp(wanted[mine], along, np.arange(len(rows), dtype=float))
        left = np.minimum(position.astype(int), len(rows) - 2)
        share = (position - left)[:, None]
        samples[mine] = (1 - share) * rows[left] + share * rows[left + 1]
    return samples, float(ends[-1])


def _spline(stroke: list[int], corners: int) -> npt.NDArray[np.float64]:
    """Rows of weights of the control points along a Catmull-Rom spline through ``stroke``, ``_FINE`` a span.

    Source: E. Catmull, R. Rom, "A class of local interpolating splines", 1974, with tension 1/2. An open
    curve's missing neighbours are its end points continued in a straight line.
    """
    identity = np.eye(corners)
    nodes = identity[stroke]
    if stroke[0] == stroke[-1]:
        before, after = nodes[-2], nodes[1]
    else:
        before, after = 2 * nodes[0] - nodes[1], 2 * nodes[-1] - nodes[-2]
    nodes = np.concatenate([before[None], nodes, after[None]])
    t = (np.arange(_FINE) / _FINE)[:, None]
    spans = [
        0.5
        * (
            2 * p1
            + (p2 - p0) * t
            + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
            + (3 * p1 - p0 - 3 * p2 + p3) * t**3
        )
        for p0, p1, p2, p3 in zip(nodes, nodes[1:], nodes[2:], nodes[3:], strict=False)
    ]
    return np.concatenate([*spans, nodes[-2][None]])
