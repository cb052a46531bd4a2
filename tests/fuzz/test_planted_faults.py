"""What `planted_faults.json` lists can be planted: a change of the sources has changed the list too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mutate import FAULTS, ROOT, Fault

PLANTED = [Fault(**fault) for fault in json.loads(FAULTS.read_text())]


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.name)
def test_a_fault_changes_one_place_of_its_file(fault: Fault):
    original = Path(ROOT, fault.file).read_text()
    assert fault.source() == original.replace(fault.text, fault.mutated) != original


def test_faults_have_names_of_their_own():
    assert len({fault.name for fault in PLANTED}) == len(PLANTED)
