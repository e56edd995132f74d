"""`make docs`: the API reference has every public module, and the robot installs none of it."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]


def load() -> Any:
    spec = importlib.util.spec_from_file_location("api_pages", ROOT / "scripts" / "api_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_module_is_on_a_page_of_the_reference() -> None:
    named = set(re.findall(r"^::: (\S+)$", "\n".join(load().pages().values()), re.MULTILINE))
    roots = [ROOT, ROOT / "kernels", ROOT / "models"]
    found = set()
    for package in ("perception_nodes", "perception_kernels", "perception_simulation",
                    "perception_models"):  # fmt: skip
        (root,) = (r for r in roots if (r / package).is_dir())
        for path in (root / package).rglob("*.py"):
            if not path.name.startswith("_"):
                found.add(".".join(path.relative_to(root).with_suffix("").parts))
    assert len(found) > 200
    assert named == found


def test_the_tools_that_build_the_pages_are_pinned_and_not_installed_on_a_robot() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all("==" in pin for pin in project["optional-dependencies"]["docs"])
    assert not [d for d in project["dependencies"] if d.startswith("mkdocs")]
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert [ROOT / hook for hook in config["hooks"]] == [Path(load().__file__)]
