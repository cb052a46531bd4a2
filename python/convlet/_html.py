"""Tables for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["table"]


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    """A ``<table>`` of escaped text.

    Args:
        caption: above it, or nothing.
        head: the names of the columns.
        rows: the cells, row after row.
        words: how many columns, from the left, hold words; numbers go to the right.
    """
    from html import escape  # what is not shown in a notebook goes without

    def line(kind: str, cells: Sequence[str]) -> str:
        sides = ["left" if n < words else "right" for n in range(len(cells))]
        inner = (
            f'<{kind} style="text-align:{side}">{escape(cell)}</{kind}>'
            for cell, side in zip(cells, sides, strict=True)
        )
        return f"<tr>{''.join(inner)}</tr>"

    title = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    body = "".join(line("td", cells) for cells in rows)
    return f"<table>{title}<thead>{line('th', head)}</thead><tbody>{body}</tbody></table>"
