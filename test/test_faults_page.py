"""The table of faults names tests that exist, and the page is that of the table."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "faults_page.py"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("faults_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_faults_is_that_of_the_table_and_its_tests_exist() -> None:
    module = load()
    assert module.page() == module.PAGE.read_text(), "run scripts/faults_page.py"


def test_every_fault_has_a_test() -> None:
    for faults in load().FAULTS.values():
        for fault, (outcome, names) in faults.items():
            assert outcome, fault
            assert names, fault
