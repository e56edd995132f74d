"""The docs name files that exist and messages that the programs really print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]
MINE = [ROOT / "docs" / f"{name}.md" for name in ("quickstart", "concepts", "troubleshooting")]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_launch_files_and_programs_of_the_docs_exist() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"ros2 launch permanence (\S+\.launch\.py)", text):
            assert (ROOT / "launch" / name).is_file(), f"{page.name}: {name}"
        for path in re.findall(r"(?<![\w/])((?:scripts|bench|examples|worlds)/\w+\.\w+)", text):
            assert (ROOT / path).is_file(), f"{page.name}: {path}"


def test_the_symptoms_that_are_quoted_are_what_the_programs_say() -> None:
    said = "\n".join(
        re.sub(r'"\s*\n\s*f?"', "", file.read_text(encoding="utf-8"))
        for folder in ("perception_nodes", "perception_simulation")
        for file in (ROOT / folder).rglob("*.py")
    )
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = 0
    for row in page.splitlines():
        if row.startswith("| ") and row.count("|") == 4:
            symptom = row.split("|")[1]
            for text in re.findall(r"`([^`]+)`", symptom):
                if " " in text:
                    quoted += 1
                    for part in text.split("..."):
                        assert part.strip() in said, text
    assert quoted >= 8


def test_every_command_of_the_docs_is_one() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    section = pyproject.split('entry-points."permanence.commands"]')[1].split("[")[0]
    known = set(re.findall(r"^([\w-]+) =", section, re.MULTILINE))
    for page in MINE:
        for name in re.findall(r"^permanence (\w[\w-]*)", page.read_text(), re.MULTILINE):
            assert name in known, f"{page.name}: {name}"
