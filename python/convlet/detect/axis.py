"""Where the positions of a layer's output lie, in all windows along one axis of a picture.

A window of n pixels at place k of the picture begins at pixel k * step. At position i of the window a layer
sees what it would see in the picture, and then windows that overlap share the value: it stands once, at k *
step + i, for all of them. Unless i lies so near the window's end that the layer sees the zeros there which
its padding, or that of a layer before it, puts in place of the picture. Such a border position has a line of
its own, with one value for each window.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

__all__ = ["JOINED", "SHARED", "Axis", "Key", "Part", "Slide"]

SHARED = -1
"""The key of the line that overlapping windows share; other keys are border positions within a window."""
JOINED = -2
"""The key of a line that joins what one border position reads on several others."""
Key: TypeAlias = int


class Slide(NamedTuple):
    """How a layer's kernel slides along one axis."""

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1


class Part(NamedTuple):
    """Neighbouring taps of a kernel that lie on one line of the input."""

    key: Key
    taps: slice
    first: int
    """Where on the line the first tap of the first output lies."""
    outputs: int
    stride: int
    dilation: int

    @property
    def lines(self) -> slice:
        """All that the part reads."""
        span = (self.outputs - 1) * self.stride + self.dilation * (self.width - 1) + 1
        return slice(self.first, self.first + span)

    @property
    def width(self) -> int:
        """How many taps."""
        return int(self.taps.stop - self.taps.start)


class Axis(NamedTuple):
    """The positions of one layer's output along one axis."""

    size: int
    """Positions in a window."""
    windows: int
    step: int
    """Positions from one window to the next."""
    head: int = 0
    """Border positions at the window's beginning; at its end there are ``tail``."""
    tail: int = 0

    @property
    def shared(self) -> int:
        """The length of the shared line, which begins at position ``head`` of the first window."""
        inside = self.size - self.head - self.tail
        return (self.windows - 1) * self.step + inside if inside > 0 else 0

    @property
    def keys(self) -> tuple[Key, ...]:
        """The lines that there are."""
        borders = (*range(self.head), *range(self.size - self.tail, self.size))
        return borders if self.shared == 0 else (SHARED, *borders)

    @property
    def has_borders(self) -> bool:
        """Whether there are lines beside the shared one; a single position needs but one."""
        return self.size > 1 and self.keys != (SHARED,)

    def length(self, key: Key) -> int:
        """Of the line of that key."""
        return self.shared if key == SHARED else self.windows

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
        if head + tail == size:
            head, tail = size, 0
        return Axis(size, self.windows, self.step // stride, head, tail)

    def parts(self, slide: Slide, out: Axis, key: Key) -> list[Part]:
        """What the outputs on one line of ``out`` read of this axis; taps in the padding are left out."""
        if key == SHARED:
            first = out.head * slide.stride - slide.before - self.head
            stride = self.step // out.step
            taps = slice(0, slide.kernel)
            return [Part(SHARED, taps, first, out.shared, stride, slide.dilation)]
        return list(self._parts_of_border(slide, key))

    def _parts_of_border(self, slide: Slide, position: int) -> Iterator[Part]:
        inside = []
        for tap in range(slide.kernel):
            place = position * slide.stride - slide.before + tap * slide.dilation
            if self.head <= place < self.size - self.tail:
                inside.append((tap, place))
            elif 0 <= place < self.size:
                yield Part(place, slice(tap, tap + 1), 0, self.windows, 1, 1)
        if inside:
            taps = slice(inside[0][0], inside[-1][0] + 1)
            first = inside[0][1] - self.head
            yield Part(SHARED, taps, first, self.windows, self.step, slide.dilation)

    def taps(self, slide: Slide, key: Key, with_padding: bool) -> int:
        """How many taps an output of that line has on the window, or on the window and its padding."""
        if key == SHARED:
            return slide.kernel
        begin = key * slide.stride - slide.before
        low, high = (-slide.before, self.size + slide.after) if with_padding else (0, self.size)
        places = (begin + tap * slide.dilation for tap in range(slide.kernel))
        return sum(low <= place < high for place in places)
