from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perception_nodes.errors import ConfigurationError
from perception_nodes.report.sink import ReportSink
from perception_nodes.report.summary import RunSummary
from perception_nodes.score.sink import ScoreSink

SUMMARY = RunSummary("table.mcap", 180, 12.0, 30.0, "transforms in the recording (frame map)")


def write(directory: Path, world: Any, summary: RunSummary = SUMMARY) -> str:
    sink = ReportSink(directory, "Table with a sliding screen")
    for sample, state, timings in world.run():
        sink.write(sample, state, timings)
    return sink.close(summary).read_text(encoding="utf-8")


def test_the_headline_tells_how_many_objects_stayed_known(
    tmp_path: Path, make_world: Callable[..., Any]
) -> None:
    text = write(tmp_path, make_world(duration=8.0))
    headline = re.search(r"<h1[^>]*>(.*?)</h1>", text, re.DOTALL)
    assert headline is not None
    assert re.search(
        r"8 objects; all \d that went out of sight stayed known — longest \d\.\d\ss", headline[1]
    )


def test_the_page_loads_nothing_from_anywhere(
    tmp_path: Path, make_world: Callable[..., Any]
) -> None:
    text = write(tmp_path, make_world(duration=3.0))
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", text)
    assert not re.search(r"url\((?!['\"]?(data:|#))", text)
    assert "Content-Security-Policy" in text


def test_every_object_has_a_timeline_and_a_place_on_the_map(
    tmp_path: Path, make_world: Callable[..., Any]
) -> None:
    text = write(tmp_path, make_world(duration=6.0))
    for number in range(1, 9):
        assert text.count(f"obj-00{number}") >= 2
    assert "occluded" in text


def test_labels_and_names_from_outside_are_escaped(
    tmp_path: Path, make_world: Callable[..., Any]
) -> None:
    hostile = "<script>alert('x')</script>"
    world = make_world(duration=2.0, labels=(hostile,))
    text = write(tmp_path, world, RunSummary(hostile, 1, 1.0, 1.0, hostile, notes=(hostile,)))
    assert hostile not in text
    assert "&lt;script&gt;" in text


def test_a_run_with_truth_shows_its_score(tmp_path: Path, make_world: Callable[..., Any]) -> None:
    score, world = ScoreSink(), make_world(duration=8.0)
    for sample, state, timings in world.run():
        score.write(sample, state, timings)
    figures = score.figures()
    summary = RunSummary("table.mcap", 120, 8.0, 30.0, "truth", score=figures)
    text = write(tmp_path, make_world(duration=2.0), summary)
    assert "Score against truth" in text
    assert f"{100 * figures['all']['recall']:.1f} %" in text
    assert "Score against truth" not in write(tmp_path, make_world(duration=2.0))


def test_losses_and_notes_are_shown(tmp_path: Path, make_world: Callable[..., Any]) -> None:
    summary = RunSummary(
        "t", 1, 1.0, 1.0, "odometry", notes=("depth was scaled",), losses=("3 messages missing",)
    )
    text = write(tmp_path, make_world(duration=1.0), summary)
    assert "depth was scaled" in text
    assert "3 messages missing" in text


def test_a_long_run_stays_small(tmp_path: Path, make_world: Callable[..., Any]) -> None:
    short = len(write(tmp_path, make_world(duration=6.0, rate=5.0)))
    long = len(write(tmp_path, make_world(duration=60.0, rate=5.0)))
    assert long < 4_000_000
    assert long < 4 * short


def test_the_same_run_gives_the_same_page(tmp_path: Path, make_world: Callable[..., Any]) -> None:
    pages = [write(tmp_path / str(i), make_world(duration=3.0)) for i in range(2)]
    assert pages[0] == pages[1]


def test_a_run_without_objects_still_gives_a_page(
    tmp_path: Path, make_world: Callable[..., Any]
) -> None:
    assert "<h1" in write(tmp_path, make_world(count=0, duration=1.0))


def test_a_place_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(ConfigurationError, match="can't be written"):
        ReportSink(blocker / "report", "title")
