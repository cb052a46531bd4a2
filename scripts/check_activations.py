"""Check relu, sigmoid and tanh for every float32 on every instruction set that this CPU runs.

Builds tests/isa/activations_check.cpp, which says what must hold, and runs it: three minutes on two cores.
`--stride K` looks at every K-th input only.

Usage: python scripts/check_activations.py [--threads N] [--stride K] [--plant RULE] [--objects FOLDER]
(needs CMake and the C++ compiler)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from isa_objects import ROOT, check_parser, objects_in

SOURCE = ROOT / "tests/isa/activations_check.cpp"


def main() -> int:
    """Build and run the check with the arguments that are its own."""
    parser = check_parser(__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    known, others = parser.parse_known_args()
    with objects_in(known.objects) as objects, tempfile.TemporaryDirectory() as work:
        program = Path(work, "activations_check")
        flags = ["-std=c++17", "-O2", f"-I{ROOT / 'cpp/include'}", f"-I{ROOT / 'cpp'}", "-pthread"]
        command = [os.environ.get("CXX", "c++"), *flags, SOURCE, *objects.values(), "-o", program]
        subprocess.run(command, check=True)
        return subprocess.run([program, "--threads", str(known.threads), *others]).returncode


if __name__ == "__main__":
    sys.exit(main())
