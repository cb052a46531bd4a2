"""Draws the pictures of docs/pictures-of-a-training.md by running the code on that page, on Fashion-MNIST.

python scripts/draw_docs.py [FOLDER]    into docs/images, or another folder
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "pictures-of-a-training.md"


def blocks() -> list[str]:
    """The pieces of Python on the page, in order."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def draw(folder: Path) -> None:
    """Run the page; what it saves goes into the folder."""
    names: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        for number, block in enumerate(blocks()):
            exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    finally:
        os.chdir(before)


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "images")
