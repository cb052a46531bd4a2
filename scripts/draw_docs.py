"""Draws pictures of docs/ by running the code on its pages, some of it on Fashion-MNIST.

python scripts/draw_docs.py [FOLDER]    into docs/images, or another folder
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE = DOCS / "pictures-of-a-training.md"
TOUR = sorted(page for page in (DOCS / "tour").glob("*.md") if "](../images/" in page.read_text())


def blocks(page: Path = PAGE) -> list[str]:
    """The pieces of Python on a page, in order."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def draw(folder: Path, page: Path = PAGE) -> None:
    """Run a page; what it saves goes into the folder."""
    names: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        for number, block in enumerate(blocks(page)):
            exec(compile(block, f"{page.name}, block {number}", "exec"), names)
    finally:
        os.chdir(before)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "examples"))
    for each in (PAGE, *TOUR):
        draw(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "images", each)
