"""What the README and the pages under docs/ say: their code runs, their commands and files exist."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import click
import pytest

from convlet import datasets, nn
from convlet.cli import commands

ROOT = Path(__file__).parents[1]
README, CHINESE = ((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))
PAGES = {
    path: path.read_text()
    for path in (
        *sorted(ROOT.glob("README*.md")),
        *sorted(page for pattern in ("*.md", "tour/*.md") for page in (ROOT / "docs").glob(pattern)),
    )
}
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
# A command line begins at `convlet`, at the start of a line, behind && or within backticks.
COMMANDS = [
    re.sub(r"\s+#.*", "", command)
    for command in [
        *re.findall(r"(?:^|&& )(convlet .*)", "\n".join(SHELL), re.MULTILINE),
        *re.findall(r"`(?:CONVLET_\w+=\S+ )*(convlet [^`]+)`", "".join(PAGES.values())),
    ]
]


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_every_python_block_of_the_readme_runs(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    for name in ("FashionMNIST", "Digits"):  # no download, and a few images only
        monkeypatch.setattr(datasets, name, partial(datasets.Digits, size=512))
    exec(compile(PYTHON[number], f"README.md, Python block {number}", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out


def test_the_first_python_block_has_ten_lines():
    assert len(PYTHON[0].splitlines()) == 10


def test_the_articles_cell_in_the_readme_is_lenet():
    names: dict[str, nn.Sequential] = {}
    exec(PYTHON[1].partition("print(")[0], names)
    assert repr(names["net"]).partition("(")[2] == repr(nn.LeNet()).partition("(")[2]


def test_convlet_help_lists_the_commands_of_the_readme():
    done = subprocess.run([sys.executable, "-m", "convlet", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    names = {"train", "sweep", "evaluate", "predict", "detect", "export", "info"}
    for command in names:
        assert re.search(rf"^  {command} ", done.stdout, re.MULTILINE)
    assert {line.split()[1] for line in COMMANDS} == names


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_line_has_a_command_and_options_that_exist(line: str):
    _, name, *words = line.split()
    command = commands.get_command(click.Context(commands), name)
    assert command is not None, f"convlet {name}"
    known = {option for parameter in command.params for option in parameter.opts}
    unknown = {word for word in words if word.startswith("-")} - known
    assert not unknown, f"convlet {name}: {unknown}"


def test_the_two_commands_stand_in_the_readme():
    assert {'pip install ".[plots]" && convlet train', 'pip install ".[test]" && pytest'} <= set(SHELL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_paths_lead_to_what_exists(page: Path):
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGES[page]) if "://" not in link]
    folders = "cpp|cuda|docs|examples|python|scripts|tests"
    paths = re.findall(rf"`(?:python )?((?:{folders})/[^` ]*)`", PAGES[page])
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [path for path in paths if not (ROOT / path).exists()]
    assert links or paths
    assert not missing


@pytest.mark.parametrize("text", [README, CHINESE], ids=["README.md", "README.zh-CN.md"])
def test_the_tour_links_every_example(text: str):
    linked = re.findall(r"\(examples/([^)]+)\)", text)
    assert sorted(linked) == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def test_figures_in_the_readme_stand_in_the_numbers():
    """The table of speed is copied from docs/numbers.md, row by row."""
    block = re.search(r"<!-- numbers -->\n(.*?)<!-- /numbers -->", README, re.DOTALL)
    assert block
    rows = [line for line in block[1].splitlines() if line.startswith("|")]
    assert rows or "docs/numbers.md" in block[1]
    assert set(rows) <= set(PAGES[ROOT / "docs" / "numbers.md"].splitlines())


def test_the_chinese_readme_has_the_same_code_commands_and_figures():
    def without_comments(text: str) -> list[str]:
        return [re.sub(r"\s+#.*", "", block) for block in re.findall(r"```\w+\n.*?```", text, re.DOTALL)]

    def figures(text: str) -> list[list[str]]:
        return [line.split("|")[2:] for line in text.splitlines() if re.search(r"\d %", line) and "|" in line]

    assert without_comments(CHINESE) == without_comments(README)
    assert figures(CHINESE) == figures(README)
    numbers = [set(re.findall(r"(?<![\w.])\d[\d,.]*\d", text)) for text in (README, CHINESE)]
    assert numbers[0] <= numbers[1]


def test_the_plan_in_the_docs_is_the_one_that_the_engine_prints():
    """Shown for AVX-512; another instruction set has its own name and blocks, the last column."""

    def without_blocks(lines: list[str]) -> list[str]:
        return [line[:70].rstrip() for line in lines]

    shown = str(nn.LeNet().plan((1, 28, 28))).splitlines()
    page = PAGES[ROOT / "docs" / "engine.md"].splitlines()
    first = page.index("kernels avx512, tiles of 16 images")
    assert without_blocks(page[first + 1 : first + len(shown)]) == without_blocks(shown[1:])


def test_every_environment_variable_that_is_read_stands_in_the_readme():
    settings = (ROOT / "python" / "convlet" / "_settings.py").read_text()
    assert set(re.findall(r"CONVLET_\w+", settings)) <= set(re.findall(r"`(CONVLET_\w+)`", README))
