"""Check that the hot loops of the register blocks keep their sums in registers.

A block kernel (`correlate_block<M, P>` and every other template named `..._block`) holds as many sums as the
registers allow. One too many, and the compiler moves vectors to the stack and back in the innermost loop: the
result stays right and the speed is gone. So none of their innermost loops, as `objdump` shows them for AVX2
and AVX-512, may touch the stack with a vector register. Scalars without a register, on the stack or parked in
a vector register, are only counted.

Usage: python scripts/check_spills.py [--objects FOLDER]    (needs CMake, the C++ compiler and objdump)
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from isa_objects import check_parser, objects_in

INSTRUCTION_SETS = ("avx512", "avx2")
# The two gradients need 17 and 19 registers of 16, for M T sums, T pixels and a slope. In the correlations
# GCC 12 stores a pixel that nobody loads again.
KNOWN = {
    "avx512": {"correlate_block<1, 13>", "correlate_block<1, 14>"},
    "avx2": {"gradient_block<3, 4>", "gradient_block<2, 6>"},
}

FUNCTION = re.compile(r"^[0-9a-f]+ <(?P<name>.*)>:$")
BLOCK = re.compile(r"(?P<family>\w+_block)(?P<size><[^>]*>)\(")
INSTRUCTION = re.compile(r"^ *(?P<address>[0-9a-f]+):\t(?P<opcode>\S+) *(?P<operands>[^#]*)")
TARGET = re.compile(r"^([0-9a-f]+) <")
BASE = re.compile(r"\((%\w+)")
VECTOR = re.compile(r"%[xyz]mm")


@dataclass
class Instruction:
    """One line of objdump, and whether it reads or writes memory of the stack."""

    address: int
    opcode: str
    operands: str
    on_stack: bool = False

    @property
    def jump_target(self) -> int | None:
        match = TARGET.match(self.operands) if self.opcode.startswith("j") else None
        return int(match[1], 16) if match else None

    @property
    def multiplies_and_adds(self) -> bool:
        return re.match("vfn?m(add|sub)", self.opcode) is not None

    @property
    def spills_vector(self) -> bool:
        return self.on_stack and VECTOR.search(self.operands) is not None

    @property
    def spills_scalar(self) -> bool:
        parked = self.opcode in ("vmovd", "vmovq") and re.search(r"%(r|e)\w+", self.operands) is not None
        return parked or (self.on_stack and not self.spills_vector)


@dataclass
class Family:
    """What was found in the blocks of one name for one instruction set."""

    functions: int = 0
    multiply_adds: list[int] = field(default_factory=list)  # of each hot loop
    vector_spills: Counter[str] = field(default_factory=Counter)  # by function
    scalar_spills: int = 0
    computes: bool = False  # has multiply-adds at all


def blocks(object_file: Path) -> dict[str, list[Instruction]]:
    """The instructions of every block kernel in an object file, by name and size."""
    command = ["objdump", "-d", "-C", "--no-show-raw-insn", object_file]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, list[Instruction]] = {}
    current: list[Instruction] | None = None
    for line in listing.splitlines():
        if function := FUNCTION.match(line):
            block = BLOCK.search(function["name"])
            current = found.setdefault(block["family"] + block["size"], []) if block else None
        elif current is not None and (match := INSTRUCTION.match(line)):
            current.append(Instruction(int(match["address"], 16), match["opcode"], match["operands"].strip()))
    return found


def mark_stack(instructions: list[Instruction]) -> None:
    """Find the accesses to the stack, through its pointer or through a register that was computed from it."""
    stack = {"%rsp"}
    for instruction in instructions:
        points_there = any(base in stack for base in BASE.findall(instruction.operands))
        instruction.on_stack = points_there and instruction.opcode != "lea"
        *sources, target = instruction.operands.rsplit(",", 1)
        target = re.sub("^%e", "%r", target).removesuffix("d")  # the whole of a 32-bit register
        if (instruction.opcode == "mov" and stack.intersection(sources)) or (
            instruction.opcode == "lea" and points_there
        ):
            stack.add(target)
        elif instruction.opcode in ("lea", "mov", "movslq", "xor"):
            stack.discard(target)


def hot_loops(instructions: list[Instruction]) -> list[list[Instruction]]:
    """The innermost loops that multiply and add: from where jumps go back to, down to the last such jump."""
    ends: dict[int, int] = {}
    for instruction in instructions:
        target = instruction.jump_target
        if target is not None and target <= instruction.address:
            ends[target] = instruction.address
    innermost = [
        (begin, end)
        for begin, end in ends.items()
        if not any(begin < other and last <= end for other, last in ends.items())
    ]
    loops = [[i for i in instructions if begin <= i.address <= end] for begin, end in innermost]
    return [loop for loop in loops if any(i.multiplies_and_adds for i in loop)]


def examine(object_file: Path) -> dict[str, Family]:
    """The families of block kernels of an object file."""
    families: dict[str, Family] = defaultdict(Family)
    for name, instructions in blocks(object_file).items():
        family = families[name.split("<")[0]]
        family.functions += 1
        family.computes |= any(i.multiplies_and_adds for i in instructions)
        mark_stack(instructions)
        for loop in hot_loops(instructions):
            family.multiply_adds.append(sum(i.multiplies_and_adds for i in loop))
            family.scalar_spills += sum(i.spills_scalar for i in loop)
            if spills := sum(i.spills_vector for i in loop):
                family.vector_spills[name] += spills
    return families


def complaints(isa: str, families: dict[str, Family]) -> list[str]:
    """What is wrong with an instruction set, as sentences."""
    found = [] if any(family.multiply_adds for family in families.values()) else ["no hot loop found"]
    for kernel, family in families.items():
        if family.computes and not family.multiply_adds:
            found.append(f"{kernel} multiplies and adds, but in no loop")
        for name, spills in family.vector_spills.items():
            if name not in KNOWN[isa]:
                found.append(f"{name} moves vectors to or from the stack {spills} times in its hot loop")
    return [f"{isa}: {sentence}" for sentence in found]


def report(isa: str, families: dict[str, Family]) -> None:
    """Print a line for each family, and the known spills."""
    for kernel, family in families.items():
        loops = family.multiply_adds
        span = f"{min(loops)} to {max(loops)}" if loops else "-"
        print(
            f"{isa:8}{kernel:26}{family.functions:9}{len(loops):7}{span:>22}"
            f"{family.vector_spills.total():15}{family.scalar_spills:15}"
        )
        for name, spills in family.vector_spills.items():
            if name in KNOWN[isa]:
                print(f"{isa:8}  known: {spills} vector spills in {name}")


def main() -> int:
    """Examine the instruction sets of x86-64; print a table and what is wrong."""
    arguments = check_parser(__doc__).parse_args()
    wrong = []
    print(
        f"{'isa':8}{'kernel':26}{'functions':>9}{'loops':>7}{'multiply-adds a loop':>22}"
        f"{'vector spills':>15}{'scalar spills':>15}"
    )
    with objects_in(arguments.objects) as objects:
        for isa in INSTRUCTION_SETS:
            families = examine(objects[isa]) if isa in objects else {}
            report(isa, families)
            wrong += complaints(isa, families)
    print("\n".join(wrong) or "no new vector spill in a hot loop")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
