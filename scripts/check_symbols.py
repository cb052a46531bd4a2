"""Check that the files of an instruction set share no code with the rest of the library.

A function that two object files define (an inline function, a template) is kept once by the linker, and that
once may be the copy compiled for AVX-512: an older CPU would die on it. So every object of `cpp/isa` but the
dispatch must define its table of kernels and nothing else that other objects see, run nothing at load time,
and call only the C library.

Usage: python scripts/check_symbols.py    (needs CMake, the C++ compiler and nm)
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
C_LIBRARY = {
    "memcpy",
    "memmove",
    "memset",
    "log",
    "__assert_fail",
    "__stack_chk_fail",
    "_GLOBAL_OFFSET_TABLE_",
}


def compile_commands(build: Path) -> dict[str, tuple[list[str], str]]:
    """Configure the library as CMake builds it; command and folder for each file of an instruction set."""
    options = ["-DCONVLET_PYTHON=OFF", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    subprocess.run(["cmake", "-S", ROOT, "-B", build, *options], check=True, stdout=subprocess.DEVNULL)
    entries = json.loads((build / "compile_commands.json").read_text())
    files = {Path(entry["file"]): entry for entry in entries}
    return {
        file.stem: (shlex.split(entry["command"]), entry["directory"])
        for file, entry in files.items()
        if file.parent == ROOT / "cpp/isa" and file.stem != "dispatch"
    }


def compile_object(command: list[str], folder: str, target: Path) -> None:
    """Run a compile command with another output file."""
    command[command.index("-o") + 1] = str(target)
    subprocess.run(command, cwd=folder, check=True)


def complaints(isa: str, object_file: Path) -> list[str]:
    """What is wrong with the symbols of an object file, as sentences."""
    listing = subprocess.run(["nm", "-C", object_file], check=True, capture_output=True, text=True).stdout
    found = []
    for line in listing.splitlines():
        kind, symbol = line[17:18], line[19:]
        if kind == "U" and symbol not in C_LIBRARY:
            found.append(f"calls {symbol}")
        elif kind in "WwVvui":
            found.append(f"defines {symbol}, which the linker may merge with another file's")
        elif kind != "U" and kind.isupper() and symbol != f"convlet::{isa}::kTable":
            found.append(f"defines {symbol}, which is not its table")
        elif "_GLOBAL__sub_I" in symbol:
            found.append(f"runs code at load time ({symbol})")
    if f"convlet::{isa}::kTable" not in listing:
        found.append("defines no table of kernels")
    return found


def main() -> int:
    """Compile and check every instruction set of this machine's processor; print what was found."""
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        commands = compile_commands(Path(folder))
        for isa, (command, directory) in sorted(commands.items()):
            object_file = Path(folder) / f"{isa}.o"
            compile_object(command, directory, object_file)
            for complaint in complaints(isa, object_file):
                failures += 1
                print(f"cpp/isa/{isa}.cpp {complaint}")
    print(f"symbols of {', '.join(sorted(commands))}: {failures or 'no'} complaints")
    return 1 if failures or not commands else 0


if __name__ == "__main__":
    sys.exit(main())
