"""`python tests/mutate.py`: faults planted in the C++ sources, one by one, are caught by `tests.fuzz`.

`tests/fuzz/planted_faults.json` says what is written where, and which instruction set's kernels run.
Everything is built once, with -O1 only, which changes no bit. Of a fault only the files that see it are
compiled anew, against a folder that shadows the mutated file, and linked with all other objects; the
bindings, which hold no arithmetic, stay as they are. A fault is caught if the run of cases ends with status 1
and names a mismatch: a crash, an exception or a build that fails is not.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FAULTS = ROOT / "tests/fuzz/planted_faults.json"
ISAS = ("avx512", "avx2", "baseline")
LONGEST_SECONDS = 1200


class Fault(NamedTuple):
    """A planted fault: in the file of that path, `text`, which occurs once, becomes `mutated`."""

    name: str
    file: str
    text: str
    mutated: str
    isa: str

    def source(self) -> str:
        """The whole file with the fault in it."""
        original = (ROOT / self.file).read_text()
        if original.count(self.text) != 1:
            raise SystemExit(
                f"{self.name}: expected the text once in {self.file}, got {original.count(self.text)}"
            )
        return original.replace(self.text, self.mutated)


class Unit(NamedTuple):
    """A compiled file of the module: its command without the output, its object, and what it reads."""

    source: Path
    command: list[str]
    object_file: Path
    reads: frozenset[Path]


def main() -> int:
    """Exit status 0 if the unchanged library passes and every fault is caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="faults whose name contains this; may be repeated")
    parser.add_argument("--jobs", type=int, default=1, help="faults at a time, default 1")
    parser.add_argument("--cases", type=int, default=2000, help="of each run, default 2000")
    parser.add_argument("--work", type=Path, help="a folder for the builds, kept for the next time")
    options = parser.parse_args()
    faults = [Fault(**fault) for fault in json.loads(FAULTS.read_text())]
    if options.only:
        faults = [fault for fault in faults if any(word in fault.name for word in options.only)]
    for fault in faults:
        fault.source()

    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        units = build(work / "base")
        with ThreadPoolExecutor(options.jobs) as pool:
            unchanged = list(
                pool.map(lambda isa: verdict(work, "unchanged", isa, [], units, options.cases), _isas(faults))
            )
            for isa, outcome in zip(_isas(faults), unchanged, strict=True):
                print(f"unchanged, {isa}: {outcome}", flush=True)
            if any(outcome != "passed" for outcome in unchanged):
                return 1
            runs = {pool.submit(plant, work, fault, units, options.cases): fault for fault in faults}
            caught = 0
            for done in as_completed(runs):
                outcome, seconds = done.result()
                caught += outcome.startswith("caught")
                print(f"{runs[done].name} [{runs[done].isa}]: {outcome}, {seconds:.0f} s", flush=True)
    print(f"{caught} of {len(faults)} faults caught")
    return 0 if caught == len(faults) else 1


def _isas(faults: list[Fault]) -> list[str]:
    return [isa for isa in ISAS if any(fault.isa == isa for fault in faults)]


def build(folder: Path) -> list[Unit]:
    """Build the module as it is, and say how each of its files is compiled."""
    folder.mkdir(parents=True, exist_ok=True)
    run("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", f"-DPython_EXECUTABLE={sys.executable}",
        "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1", "-DCONVLET_CUDA=OFF",
        "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *pybind11())  # fmt: skip
    run("cmake", "--build", folder, "--target", "_core")
    reads = dependencies(folder)
    units = []
    for entry in json.loads((folder / "compile_commands.json").read_text()):
        command = shlex.split(entry["command"])
        at = command.index("-o")
        object_file = Path(entry["directory"], command[at + 1])
        source = Path(entry["file"])
        kept = [part for part in command[:at] + command[at + 2 :] if part not in ("-c", entry["file"])]
        units.append(Unit(source, kept, object_file, reads[object_file]))
    return units


def dependencies(folder: Path) -> dict[Path, frozenset[Path]]:
    """What each object was compiled from, as Ninja remembers it."""
    reads: dict[Path, list[Path]] = {}
    target = folder
    for line in run("ninja", "-C", folder, "-t", "deps").splitlines():
        if line.startswith(" "):
            reads[target].append((folder / line.strip()).resolve())
        elif ": #deps" in line:
            target = folder / line.split(":")[0]
            reads[target] = []
    return {target: frozenset(paths) for target, paths in reads.items()}


def pybind11() -> list[str]:
    """Where CMake finds pybind11, if it is installed beside this Python."""
    try:
        import pybind11 as package
    except ImportError:
        return []
    return [f"-Dpybind11_DIR={package.get_cmake_dir()}"]


def plant(work: Path, fault: Fault, units: list[Unit], cases: int) -> tuple[str, float]:
    """Compile what sees the fault, link, and run the cases."""
    begin = time.monotonic()
    folder = work / "faults" / "".join(c if c.isalnum() else "-" for c in fault.name)
    path = ROOT / fault.file
    shadow = folder / "shadow" / fault.file
    shadow.parent.mkdir(parents=True, exist_ok=True)
    shadow.write_text(fault.source())
    shadows = [f"-I{folder / 'shadow' / room}" for room in ("cpp/include", "cpp", ".")]
    replaced = []
    for unit in units:
        other_isa = unit.source.name.removesuffix(".cpp") in set(ISAS) - {fault.isa}
        if path not in unit.reads or other_isa or unit.source.parent.name == "bindings":
            continue
        object_file = folder / f"{len(replaced)}.o"
        source = shadow if unit.source == path else unit.source
        compiler, *flags = unit.command
        compiled = subprocess.run(
            [compiler, *shadows, *flags, "-c", str(source), "-o", str(object_file)],
            capture_output=True,
            text=True,
        )
        if compiled.returncode != 0:
            return f"does not compile: {compiled.stderr[:500]}", time.monotonic() - begin
        replaced.append((unit, object_file))
    if not replaced:
        return "is compiled by no file", time.monotonic() - begin
    outcome = verdict(work, folder.name, fault.isa, replaced, units, cases)
    return outcome.replace("passed", "survived"), time.monotonic() - begin


def verdict(
    work: Path, name: str, isa: str, replaced: list[tuple[Unit, Path]], units: list[Unit], cases: int
) -> str:
    """Link the module from all objects, and say how a run of cases ends with it."""
    folder = work / "faults" / f"{name}-{isa}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "python/convlet", folder / "convlet")
    new = {unit.object_file: object_file for unit, object_file in replaced}
    objects = [new.get(unit.object_file, unit.object_file) for unit in units]
    run(units[0].command[0], "-shared", *objects, "-pthread", "-o", folder / "convlet/_core.so")
    command = [sys.executable, "-m", "tests.fuzz", "--cases", str(cases), "--isa", isa]
    try:
        outcome = subprocess.run(
            ["env", f"PYTHONPATH={folder}", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "hung"
    finally:
        shutil.rmtree(folder)
    if outcome.returncode == 0:
        return "passed"
    found = [line for line in outcome.stdout.splitlines() if line.startswith("mismatch: ")]
    if outcome.returncode == 1 and found:
        worst = outcome.stdout.splitlines()[-2].strip()  # before the command that repeats the case
        return f"caught by {found[0].split(':')[1].strip()} ({worst[:90]})"
    last = (outcome.stderr.splitlines() or ["no message"])[-1]
    return f"crashed with status {outcome.returncode}: {last[:200]}"


def run(*command: object) -> str:
    """What the command prints."""
    outcome = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if outcome.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{outcome.stdout}{outcome.stderr}")
    return outcome.stdout


if __name__ == "__main__":
    sys.exit(main())
