"""Where the positions of a layer's output lie, in all windows along one axis of a picture.

A window of n pixels at place k of the picture begins at pixel k * step. At position i of the window a layer
sees what it would see in the picture, and then windows that overlap share the value: it stands once, at k *
step + i, for all of them. Unless i lies so near the window's end that the layer sees the zeros there which
its padding, or that of a layer before it, puts in place of the picture. Such a border position has a value of
its own in each window.

The values form lines that advance as the windows do. Shared positions k * step + i are told apart by their
remainder by ``step``: one line for each, on which position i of window k is number k + i // step. Each border
position has a line with one number for each window.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

__all__ = ["Axis", "Lines", "Slide"]

Tap: TypeAlias = tuple[int, int, int, int]
Lines: TypeAlias = tuple[list[int], list[int], list[Tap]]
"""As the compiled module takes them: of each line the numbers beyond one a window, and the cells that an
average divides by; and taps (line, tap of the kernel, line of the input, number there of window 0)."""


class Slide(NamedTuple):
    """How a layer's kernel slides along one axis."""

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1


class Axis(NamedTuple):
    """The positions of one layer's output along one axis."""

    size: int
    """Positions in a window."""
    step: int
    """Positions from one window to the next."""
    head: int = 0
    """Border positions at the window's beginning; at its end there are ``tail``."""
    tail: int = 0

    @property
    def inside(self) -> int:
        """Positions between the borders."""
        return self.size - self.head - self.tail

    @property
    def firsts(self) -> list[int]:
        """The first position of window 0 on each line."""
        shared = range(self.head, self.head + min(self.step, self.inside))
        return [*shared, *range(self.head), *range(self.size - self.tail, self.size)]

    @property
    def extra(self) -> list[int]:
        """What each line holds beyond one number for each window."""
        shared = [(self.inside - 1 - r) // self.step for r in range(min(self.step, self.inside))]
        return shared + [0] * (self.head + self.tail)

    def place(self, position: int) -> tuple[int, int]:
        """The line of a position, and its number there in window 0."""
        shared = min(self.step, self.inside)
        if position < self.head:
            return shared + position, 0
        if position >= self.size - self.tail:
            return shared + self.head + position - (self.size - self.tail), 0
        number, line = divmod(position - self.head, self.step)
        return line, number

    def through(self, slide: Slide, size: int) -> Axis:
        """The axis behind a layer whose output has ``size`` positions in a window.

        Raises:
            ValueError: the layer's stride does not divide the step, so windows share nothing.
        """
        stride = self.step if size == 1 else slide.stride  # a single output never moves
        if self.step % stride:
            raise ValueError(f"expected a step that the stride {stride} divides, got {self.step}")
        reach = slide.dilation * (slide.kernel - 1)
        begins = [i * slide.stride - slide.before for i in range(size)]
        head = sum(begin < self.head for begin in begins)
        tail = sum(begin + reach >= self.size - self.tail for begin in begins[head:])
        return Axis(size, self.step // stride, head, tail)

    def lines(self, slide: Slide, out: Axis, counts_padding: bool = True) -> Lines:
        """The lines of a layer's output ``out``, and what they read of this axis.

        Taps in the padding are left out.

        Args:
            slide: how the layer slides.
            out: the axis behind it.
            counts_padding: whether an average divides by taps in the padding too.
        """
        taps = []
        cells = []
        for line, position in enumerate(out.firsts):
            begin = position * slide.stride - slide.before
            places = [begin + tap * slide.dilation for tap in range(slide.kernel)]
            inside = [(tap, place) for tap, place in enumerate(places) if 0 <= place < self.size]
            taps += [(line, tap, *self.place(place)) for tap, place in inside]
            padded = sum(-slide.before <= place < self.size + slide.after for place in places)
            cells.append(padded if counts_padding else len(inside))
        return out.extra, cells, taps
