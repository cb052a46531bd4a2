"""Check that the files of an instruction set share no code with the rest of the library.

A function that two object files define (an inline function, a template) is kept once by the linker, and that
once may be the copy compiled for AVX-512: an older CPU would die on it. So every object of `cpp/isa` but the
dispatch must define its table of kernels and nothing else that other objects see, run nothing at load time,
and call only the C library.

Usage: python scripts/check_symbols.py [--objects FOLDER]    (needs CMake, the C++ compiler and nm)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from isa_objects import check_parser, objects_in

C_LIBRARY = {
    "memcpy",
    "memmove",
    "memset",
    "log",
    "__assert_fail",
    "__stack_chk_fail",
    "_GLOBAL_OFFSET_TABLE_",
}


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
    """Check every instruction set of this machine's processor; print what was found."""
    parser = check_parser(__doc__)
    failures = 0
    with objects_in(parser.parse_args().objects) as objects:
        tables = {isa: path for isa, path in sorted(objects.items()) if isa != "dispatch"}
        for isa, object_file in tables.items():
            for complaint in complaints(isa, object_file):
                failures += 1
                print(f"cpp/isa/{isa}.cpp {complaint}")
    print(f"symbols of {', '.join(tables)}: {failures or 'no'} complaints")
    return 1 if failures or not tables else 0


if __name__ == "__main__":
    sys.exit(main())
