"""The architecture as a test: what each room of the house may know, read from its includes and imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python/convlet"

# The headers of the project that the files of a C++ room may include: whole rooms, or single headers.
ROOMS = {
    "cpp/include/convlet": ("convlet/",),
    "cpp/kernels": ("convlet/", "kernels/"),
    "cpp/isa": ("convlet/", "kernels/", "isa/"),
    "cpp/threads": ("threads/",),
    "cpp/ops": ("convlet/", "kernels/table.h", "isa/dispatch.h", "threads/", "ops/"),
    "cpp/engine": ("convlet/", "kernels/table.h", "isa/dispatch.h", "threads/", "ops/", "engine/"),
    "cpp/bindings": (
        "convlet/",
        "isa/dispatch.h",
        "threads/",
        "ops/",
        "engine/",
        "bindings/",
        "cuda/device.h",
        "cuda/engine.h",
        "cuda/nccl.h",
        "cuda/ops.h",
    ),
    "cuda": ("convlet/", "engine/plan.h", "cuda/"),
    "cuda/emulated": ("cuda/emulated/",),
}

# What only one room may touch, as a pattern over code without comments and strings.
RESERVED = {
    "cpp/isa": r"\b_mm\d*_\w+|\b__m(128|256|512)|\bv(ld|st)1q_\w+|mmintrin\.h|arm_neon\.h|\(\(target\(",
    "cpp/threads": r"\bstd::(j?thread|async)\b|\bpthread_\w+|<(thread|future|condition_variable|pthread\.h)>",
    "cuda/emulated": r"\b__(tsan|asan|sanitizer)_\w+|\b(mmap|mprotect)\b|<link\.h>",
    "cpp/bindings": r"\bpybind11\b|\bPy[A-Z]\w+_\w+|\bpy::|Python\.h",
}

# The files compiled for an instruction set may hold no code that another file compiles too, so they see only
# headers without any.
HEADERS_WITHOUT_CODE = {"cstddef", "cstdint", "math.h", "immintrin.h", "emmintrin.h", "arm_neon.h"}

# The modules of the package, lowest first: each may import those before it, and none after it.
ORDER = [
    "_core",
    "_settings",
    "_arrays",
    "_device",
    "cuda",
    "_samples",
    "_files",
    "_html",
    "functional",
    "nn",
    "optim",
    "models",
    "reference",
    "datasets",
    "pictures",
    "augment",
    "recipes",
    "plots",
    "history",
    "checkpoint",
    "distributed",
    "trainer",
    "callbacks",
    "learning_rates",
    "sweeps",
    "estimator",
    "d2l",
    "onnx",
    "detect",
    "cli",
    "__main__",
    "__init__",
]
KNOW_CORE = {
    "_settings",
    "_arrays",
    "_device",
    "cuda",
    "functional",
    "nn",
    "optim",
    "distributed",
    "trainer",
    "detect",
    "cli",
    "__init__",
}

FILE_LINES, FUNCTION_LINES = 450, 70
UNFINISHED = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "NotImplemented" + "Error"))


def files(*folders: str, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)


CPP_FILES = list(files("cpp", "cuda", suffixes=(".h", ".inl", ".cpp", ".cu", ".cuh")))
PYTHON_FILES = list(files("python", suffixes=(".py",)))
ALL_FILES = [
    *CPP_FILES,
    *PYTHON_FILES,
    *files("tests", "benchmarks", "examples", "scripts", suffixes=(".py", ".cpp", ".h", ".sh")),
]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(path: Path) -> str:
    return next(room for room in sorted(ROOMS, key=len, reverse=True) if name(path).startswith(room + "/"))


def code(path: Path) -> str:
    """A C++ file without comments, and without strings except the names of included files."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(
        r"^(?!\s*#\s*include)(.*)$", lambda line: re.sub(r'"[^"]*"', '""', line[0]), text, flags=re.M
    )


def includes(path: Path) -> list[tuple[str, bool]]:
    """The headers that a C++ file includes, each with whether it is one of the project's own."""
    found = re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', path.read_text(), flags=re.MULTILINE)
    return [(header, quote == '"') for quote, header in found]


def header_path(header: str) -> Path:
    return next(
        base / header for base in (ROOT / "cpp/include", ROOT / "cpp", ROOT) if (base / header).exists()
    )


def everything_included(path: Path) -> tuple[set[Path], set[str]]:
    """All headers that a file reaches: the project's own and the system's."""
    own: set[Path] = set()
    system: set[str] = set()
    pending = [path]
    while pending:
        for header, is_own in includes(pending.pop()):
            if not is_own:
                system.add(header)
            elif header_path(header) not in own:
                own.add(header_path(header))
                pending.append(header_path(header))
    return own, system


@pytest.mark.parametrize("path", CPP_FILES, ids=name)
def test_cpp_file_includes_only_what_its_room_may_know(path: Path) -> None:
    strangers = [header for header, own in includes(path) if own and not header.startswith(ROOMS[room(path)])]
    assert not strangers, f"{room(path)} may know {ROOMS[room(path)]}"


@pytest.mark.parametrize("owner", RESERVED)
def test_only_one_room_touches(owner: str) -> None:
    found = {
        name(path): match[0]
        for path in CPP_FILES
        if room(path) != owner and (match := re.search(RESERVED[owner], code(path)))
    }
    assert not found, f"belongs to {owner}"


def test_only_buffers_and_the_emulated_device_know_of_pages() -> None:
    pattern = r"\bmadvise\b|<sys/mman\.h>"
    found = {name(path) for path in CPP_FILES if re.search(pattern, code(path))}
    assert {n for n in found if not n.startswith("cuda/emulated/")} == {"cpp/ops/buffer.cpp"}


def test_cpp_never_prints_aborts_or_reads_the_environment() -> None:
    pattern = r"\b(f?printf|puts|abort|exit|_exit|terminate|getenv)\s*\(|\bstd::(cout|cerr|clog)\b"
    assert not {name(path): match[0] for path in CPP_FILES if (match := re.search(pattern, code(path)))}


def test_kernels_know_no_errors_and_no_memory() -> None:
    pattern = r"\bthrow\b|\bnew\b|\bmalloc\b|\bstd::(vector|string|function|unique_ptr)\b"
    found = {name(path): re.search(pattern, code(path)) for path in CPP_FILES if room(path) == "cpp/kernels"}
    assert found
    assert not any(found.values()), found


@pytest.mark.parametrize("instruction_set", ["baseline", "avx2", "avx512", "neon"])
def test_instruction_set_file_sees_one_vector_type_and_no_shared_code(instruction_set: str) -> None:
    own, system = everything_included(ROOT / f"cpp/isa/{instruction_set}.cpp")
    vectors = {path.name for path in own if re.search(RESERVED["cpp/isa"], code(path))}
    assert len(vectors) == 1
    assert system <= HEADERS_WITHOUT_CODE


@pytest.mark.parametrize(
    "prefix, owners", [("_mm512_", {"avx512.h", "amx.h"}), ("_mm256_", {"avx2.h", "avx512.h", "amx.h"})]
)
def test_wide_instructions_stay_in_the_file_of_their_instruction_set(prefix: str, owners: set[str]) -> None:
    assert {path.name for path in CPP_FILES if prefix in code(path)} <= owners


def module(path: Path) -> str:
    """The member of ORDER that a Python file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> Iterator[str]:
    """The full names of all modules that a Python file imports, wherever in the file."""
    package = ["convlet", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            full = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{full}.{alias.name}" for alias in node.names) if full == "convlet" else [full]


def imported_from_package(path: Path) -> set[str]:
    parts = [full.split(".") for full in imported_modules(path)]
    return {part[1] for part in parts if part[0] == "convlet" and len(part) > 1} - {module(path)}


@pytest.mark.parametrize("path", PYTHON_FILES, ids=name)
def test_python_file_imports_only_what_comes_before_it(path: Path) -> None:
    before = ORDER[: ORDER.index(module(path))]
    later = {other for other in imported_from_package(path) if other in ORDER and other not in before}
    assert not later, f"{module(path)} may know {before}"


def test_compiled_core_is_known_only_where_arrays_cross_into_it() -> None:
    assert {module(path) for path in PYTHON_FILES if "_core" in imported_from_package(path)} <= KNOW_CORE


def test_datasets_know_neither_networks_nor_training() -> None:
    known = {
        other for path in PYTHON_FILES if module(path) == "datasets" for other in imported_from_package(path)
    }
    assert known <= {"_settings", "_arrays", "_files"}


def test_environment_is_read_in_one_place() -> None:
    readers = {name(path) for path in PYTHON_FILES if re.search(r"\benviron\b|\bgetenv\b", path.read_text())}
    assert readers == {"python/convlet/_settings.py"}


def test_package_never_unpickles() -> None:
    picklers = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve"}
    for path in PYTHON_FILES:
        assert not picklers & {full.split(".")[0] for full in imported_modules(path)}, name(path)
        assert not re.search(r"allow_pickle\s*=\s*True", path.read_text()), name(path)


def test_package_imports_no_other_framework() -> None:
    frameworks = {"torch", "torchvision", "jax", "tensorflow", "keras", "onnxruntime"}
    found = {
        name(path): frameworks & {full.split(".")[0] for full in imported_modules(path)}
        for path in PYTHON_FILES
    }
    assert not any(found.values()), found


def test_files_keep_within_their_budget() -> None:
    lines = {name(path): len(path.read_text().splitlines()) for path in [*ALL_FILES, ROOT / "CMakeLists.txt"]}
    budgets = {"CMakeLists.txt": 120}
    assert not {path: count for path, count in lines.items() if count > budgets.get(path, FILE_LINES)}


def test_python_functions_keep_within_their_budget() -> None:
    long = {}
    for path in PYTHON_FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                length = (node.end_lineno or 0) - first.lineno + 1
                if length > FUNCTION_LINES:
                    long[f"{name(path)}: {node.name}"] = length
    assert not long


def test_nothing_is_marked_as_unfinished() -> None:
    assert not [name(path) for path in ALL_FILES if re.search(rf"\b({UNFINISHED})\b", path.read_text())]
