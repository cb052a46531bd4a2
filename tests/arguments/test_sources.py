"""What the package's own sources never do: run what a file holds, or leave a download unchecked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from convlet.datasets import KMNIST, MNIST, FashionMNIST
from convlet.datasets import mnist as published

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python/convlet"
FILES = sorted(PACKAGE.rglob("*.py"))

FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "yaml",
}
FORBIDDEN_MODULES |= {"subprocess", "pty", "xmlrpc", "code", "codeop"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "execfile", "input"}
FORBIDDEN_METHODS = {
    ("os", "system"),
    ("os", "popen"),
    ("os", "execv"),
    ("os", "spawnv"),
    ("os", "startfile"),
    ("tempfile", "mktemp"),
    ("torch", "load"),
    ("yaml", "load"),
    ("np", "loads"),
    ("random", "seed"),
    ("np.random", "seed"),
    ("np", "seterr"),
    ("locale", "setlocale"),
    ("logging", "basicConfig"),
    ("os", "putenv"),
    ("os", "chdir"),
    ("sys", "setrecursionlimit"),
    ("warnings", "filterwarnings"),
}
# A net in a Python file is a program of the user's own, which `--model FILE.py` runs: SECURITY.md says so.
RUNS_PROGRAMS = {"models.py": {"runpy"}}


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


def calls(tree: ast.AST) -> Iterator[tuple[str, str, ast.Call]]:
    """(what the function belongs to, its name, the call)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield "", node.func.id, node
            elif isinstance(node.func, ast.Attribute):
                yield ast.unparse(node.func.value), node.func.attr, node


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_that_a_file_holds_is_run(path: Path):
    tree = ast.parse(path.read_text())
    runs = {"runpy", "importlib"} & set(imports(tree))
    assert not FORBIDDEN_MODULES & set(imports(tree))
    assert "runpy" not in runs or RUNS_PROGRAMS.get(name(path)) == {"runpy"}
    for owner, function, call in calls(tree):
        assert owner or function not in FORBIDDEN_CALLS, f"line {call.lineno}: {function}"
        assert (owner, function) not in FORBIDDEN_METHODS, f"line {call.lineno}: {owner}.{function}"
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert options.get("shell", "False") == "False", f"line {call.lineno}"
        assert options.get("allow_pickle", "False") == "False", f"line {call.lineno}"
        if (owner, function) == ("np", "load"):
            assert options.get("allow_pickle") == "False", (
                f"line {call.lineno}: its default has changed before"
            )
        if function == "extractall":
            raise AssertionError(f"line {call.lineno}: members of an archive choose where they go")


def test_the_reader_of_sources_sees_what_it_looks_for():
    bad = (
        "import pickle\nfrom marshal import loads\neval('1')\nnp.load(f, allow_pickle=True)\nos.system('ls')"
    )
    tree = ast.parse(bad)
    assert {"pickle", "marshal"} <= set(imports(tree))
    found = {(owner, function) for owner, function, _ in calls(tree)}
    assert found == {("", "eval"), ("np", "load"), ("os", "system")}


def test_every_file_that_is_downloaded_has_a_sha256():
    sets = [kind for kind in vars(published).values() if isinstance(kind, type) and issubclass(kind, MNIST)]
    assert set(sets) == {MNIST, FashionMNIST, KMNIST}
    for kind in sets:
        assert len(kind.digests) == 4
        for file, digest in kind.digests.items():
            assert re.fullmatch(r"(packed-)?sha256:[0-9a-f]{64}", digest), file


def test_only_the_module_of_downloads_speaks_to_the_network():
    speakers = {"socket", "urllib", "http", "requests", "pooch", "ftplib", "ssl"}
    found = {name(path) for path in FILES if speakers & set(imports(ast.parse(path.read_text())))}
    assert found == {"datasets/download.py"}


def test_every_requirement_has_a_lower_bound_and_no_other():
    """Also those of the build and of every extra; pins would keep security updates away."""
    text = (ROOT / "pyproject.toml").read_text()
    lists = re.findall(r"^(?:requires|dependencies|\w+) = \[(.*?)\]$", text, re.M | re.S)
    wanted = [line for part in lists for line in re.findall(r'"([A-Za-z][\w.-]*[<>=!~][^"]*)"', part)]
    assert len(wanted) >= 20
    for requirement in wanted:
        bare = requirement.split(";")[0].strip()
        assert re.fullmatch(r"[A-Za-z][\w.-]*(\[[\w,]+\])?>=[\d.]+", bare), requirement
    for line in metadata.requires("convlet") or []:
        bare = line.split(";")[0].strip()
        assert re.fullmatch(r"[A-Za-z][\w.-]*(\[[\w,]+\])?(>=[\d.]+)?", bare), line
        assert ">=" in bare or bare.startswith("convlet["), line


def test_the_installed_package_is_the_sources_and_the_compiled_module():
    files = [Path(str(file)) for file in metadata.files("convlet") or []]
    installed = {file.relative_to("convlet") for file in files if file.parts[0] == "convlet"}
    if not installed:
        pytest.skip("an editable install leaves the package where it is")
    code = {file for file in installed if file.suffix != ".pyc"}
    sources = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file()}
    sources = {
        path for path in sources if path.suffix in (".py", ".pyi", ".typed") or path.name == "py.typed"
    }
    assert {file for file in code if file.suffix not in (".so", ".pyd")} == sources
    assert [file.name.split(".")[0] for file in code - sources] == ["_core"]
    for file in files:
        assert ".." not in file.parts or "bin" in file.parts, "a file outside of the package's folder"


def test_safety_document_tells_the_limits_that_the_sources_have():
    text = (ROOT / "SECURITY.md").read_text()
    limits = {
        "datasets/image_folder.py": r"_MOST_PIXELS = 1 << 26",
        "datasets/download.py": r"_LARGEST_BYTES = 256 << 20",
        "_files.py": r"_MAX_HEADER_BYTES = 100_000_000",
    }
    for file, line in limits.items():
        assert re.search(line, (PACKAGE / file).read_text()), file
    for told in ("2^26 pixels", "256 MiB", "100 MB", "--model FILE.py", "external data", "sha256"):
        assert told in text, told


def test_source_archives_are_never_unpacked():
    assert not [name(path) for path in FILES if "tarfile" in imports(ast.parse(path.read_text()))]
    assert not [name(path) for path in FILES if re.search(r"unpack_archive|extractall", path.read_text())]
