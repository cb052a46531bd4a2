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

FUNCTION = re.compile(r"^[0-9a-f]+ <(?P<name>.*)>:$")
BLOCK = re.compile(r"\w+_block<[^>]*>(?=\()")
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


def blocks(object_file: Path) -> list[tuple[str, list[Instruction]]]:
    """Every block kernel in an object file: its name with its size, and its instructions."""
    command = ["objdump", "-d", "-C", "--no-show-raw-insn", object_file]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: list[tuple[str, list[Instruction]]] = []
    inside = False
    for line in listing.splitlines():
        if function := FUNCTION.match(line):
            block = BLOCK.search(function["name"])
            inside = block is not None
            if block:
                found.append((block[0], []))
        elif inside and (match := INSTRUCTION.match(line)):
            instruction = Instruction(int(match["address"], 16), match["opcode"], match["operands"].strip())
            found[-1][1].append(instruction)
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


def flow(instructions: list[Instruction]) -> dict[int, list[int]]:
    """The addresses that may follow each address; those never reached, such as padding, are left out."""
    follows: dict[int, list[int]] = {instruction.address: [] for instruction in instructions}
    for instruction, following in zip(instructions, [*instructions[1:], None], strict=True):
        next_ones = [instruction.jump_target]
        if following and not instruction.opcode.startswith(("jmp", "ret")):
            next_ones.append(following.address)
        follows[instruction.address] = [address for address in next_ones if address in follows]
    reached = flood(instructions[0].address, follows, set(follows))
    return {address: follows[address] for address in reached}


def flood(start: int, edges: dict[int, list[int]], free: set[int]) -> list[int]:
    """The nodes that can be reached through free nodes, each behind those that it leads to; takes them."""
    free.discard(start)
    path, left = [(start, iter(edges[start]))], []
    while path:
        node, rest = path[-1]
        following = next((other for other in rest if other in free), None)
        if following is None:
            left.append(node)
            path.pop()
        else:
            free.discard(following)
            path.append((following, iter(edges[following])))
    return left


def cycles(nodes: set[int], follows: dict[int, list[int]], leads: dict[int, list[int]]) -> list[set[int]]:
    """The strongly connected parts of some nodes, by Kosaraju's algorithm."""
    free, order = set(nodes), []
    for node in sorted(nodes):
        if node in free:
            order += flood(node, follows, free)
    free = set(nodes)
    parts = [set(flood(node, leads, free)) for node in reversed(order) if node in free]
    return [part for part in parts if len(part) > 1 or part & set(follows[min(part)])]


def part_of_one_loop(
    part: set[int], entries: set[int], follows: dict[int, list[int]], leads: dict[int, list[int]]
) -> set[int]:
    """A cycle without the rounds of an outer loop that begins at the same instruction."""
    ends = {node for node in part if entries.intersection(follows[node])}
    rounds = [set(flood(end, leads, part - entries)) for end in ends]
    return entries.union(*(nodes for nodes in rounds if len(nodes & ends) == 1))


def hot_loops(instructions: list[Instruction]) -> list[list[Instruction]]:
    """The innermost of the loops that multiply and add."""
    follows = flow(instructions)
    leads: dict[int, list[int]] = {address: [] for address in follows}
    for address, others in follows.items():
        for other in others:
            leads[other].append(address)

    def innermost(nodes: set[int]) -> list[list[Instruction]]:
        found = []
        for part in cycles(nodes, follows, leads):
            entries = {node for node in part if not part.issuperset(leads[node])} or {min(part)}
            loop = part_of_one_loop(part, entries, follows, leads)
            body = [instruction for instruction in instructions if instruction.address in loop]
            inner = innermost(part - entries)
            if inner or any(instruction.multiplies_and_adds for instruction in body):
                found += inner or [body]
        return found

    return innermost(set(follows))


def examine(object_file: Path) -> dict[str, Family]:
    """The families of block kernels of an object file."""
    families: dict[str, Family] = defaultdict(Family)
    for name, instructions in blocks(object_file):
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
            found.append(f"{name} moves vectors to or from the stack {spills} times in its hot loop")
    return [f"{isa}: {sentence}" for sentence in found]


def report(isa: str, families: dict[str, Family]) -> None:
    """Print a line for each family."""
    for kernel, family in families.items():
        loops = family.multiply_adds
        span = f"{min(loops)} to {max(loops)}" if loops else "-"
        print(
            f"{isa:8}{kernel:26}{family.functions:9}{len(loops):7}{span:>22}"
            f"{family.vector_spills.total():15}{family.scalar_spills:15}"
        )


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
    print("\n".join(wrong) or "no vector spill in a hot loop")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
