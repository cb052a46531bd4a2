"""The sanitizers' script leaves out what it says, and its search for leaks can fail."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = (ROOT / "scripts/check_sanitizers.sh").read_text()

OTHERS = """Direct leak of 32 byte(s) in 1 object(s) allocated from:
    #0 0x7f in __interceptor_malloc (/usr/lib/libasan.so.8+0xb89cf)
    #1 0x7f in PyThread_allocate_lock (/usr/lib/libpython3.11.so+0x1d3f5a)
    #2 0x7f in take_core (/usr/lib/more_core.so+0x1)
"""
OWN = """Indirect leak of 96 byte(s) in 2 object(s) allocated from:
    #0 0x7f in operator new(unsigned long) (/usr/lib/libasan.so.8+0xb89cf)
    #1 0x7f in convlet::Engine::prepare /src/engine.cpp:70
    #2 0x7f in PyInit__core (_core.cpython-311-x86_64-linux-gnu.so+0x51d3f)
"""


def left_out(option: str) -> list[str]:
    return re.findall(rf"--{option}=([^\s)]+)", SCRIPT)


def test_what_is_left_out_exists():
    """Pytest ignores names that it does not find, so that a test that is renamed would run again."""
    assert left_out("ignore")
    assert all((ROOT / path).exists() for path in left_out("ignore"))
    for node in left_out("deselect"):
        path, *names = node.split("::")
        text = (ROOT / path).read_text()
        assert all(re.search(rf"^(def|class) {name}\b", text, re.MULTILINE) for name in names), node


def test_every_preset_is_a_sanitizer_that_the_build_knows():
    (known,) = re.findall(r'NOT CONVLET_SANITIZE MATCHES "(.*?)"', (ROOT / "CMakeLists.txt").read_text())
    presets = json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
    values = [preset["cacheVariables"].get("CONVLET_SANITIZE") for preset in presets]
    assert values == [None, "address", "undefined", "address,undefined", "thread"]
    assert all(re.fullmatch(known, value) for value in values[1:])


@pytest.fixture(scope="module")
def check_leaks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_leaks", ROOT / "scripts/check_leaks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_blocks_below_a_frame_of_the_module_are_its_own(check_leaks: ModuleType):
    report = f"==1==ERROR: LeakSanitizer: detected memory leaks\n\n{OTHERS}\n{OWN}\n{OTHERS}\nSUMMARY: ...\n"
    assert check_leaks.own_losses(report) == [OWN + "\n"]
    assert check_leaks.own_losses(OTHERS) == []


def test_a_round_of_the_search_for_leaks_runs(check_leaks: ModuleType):
    check_leaks.plan_rounds()(0)
