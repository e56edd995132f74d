"""What docs/simulation.md shows works as shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from perception_simulation.scene_file import SHAPES, scene_from
from perception_simulation.world import World

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "simulation.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_scene_file_of_the_page_can_be_simulated() -> None:
    scene = scene_from(yaml.safe_load(block("yaml")))
    world = World(scene)
    world.advance(5.0)
    assert world.motion("mug").pose.translation[0] > 0.05


def test_the_page_names_every_shape() -> None:
    for name in SHAPES:
        assert re.search(rf"^\|.*\b{name}\b", PAGE, re.MULTILINE), name


@pytest.mark.usefixtures("rendering")
def test_the_program_of_the_page_runs_and_shows_what_the_push_caused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: dict[str, object] = {}
    exec(compile(block("python"), "docs/simulation.md", "exec"), names)
    assert capsys.readouterr().out.count("was moved by the push") == 6
    assert names["frame"].stamp > 0  # type: ignore[attr-defined]
