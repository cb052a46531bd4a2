"""The object files of the instruction sets, compiled as CMake compiles them, for the checks that need them.

Usage: python scripts/isa_objects.py FOLDER    (needs CMake and the C++ compiler)
leaves avx512.o, avx2.o, ... and dispatch.o there; the checks take the folder as `--objects FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def compile_objects(folder: Path) -> dict[str, Path]:
    """Compile the files of `cpp/isa` that CMake chooses for this machine; the objects by name."""
    options = ["-DCONVLET_PYTHON=OFF", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    objects = {}
    with tempfile.TemporaryDirectory() as build:
        subprocess.run(["cmake", "-S", ROOT, "-B", build, *options], check=True, stdout=subprocess.DEVNULL)
        for entry in json.loads(Path(build, "compile_commands.json").read_text()):
            file, command = Path(entry["file"]), shlex.split(entry["command"])
            if file.parent != ROOT / "cpp/isa":
                continue
            objects[file.stem] = folder / f"{file.stem}.o"
            command[command.index("-o") + 1] = str(objects[file.stem])
            subprocess.run(command, cwd=entry["directory"], check=True)
    return objects


@contextmanager
def objects_in(folder: Path | None) -> Iterator[dict[str, Path]]:
    """The objects that lie in a folder, or new ones for as long as they are needed."""
    if folder is not None:
        yield {path.stem: path for path in sorted(folder.glob("*.o"))}
        return
    with tempfile.TemporaryDirectory() as work:
        yield compile_objects(Path(work).resolve())


def check_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the option that all the checks share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    text = "what isa_objects.py left there, instead of compiling anew"
    parser.add_argument("--objects", type=Path, metavar="FOLDER", help=text)
    return parser


if __name__ == "__main__":
    compile_objects(Path(sys.argv[1]).resolve())
