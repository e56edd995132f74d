from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from perception_nodes.report.sink import ReportSink
from perception_nodes.report.summary import RunSummary
from perception_nodes.scene import Sample, SceneState

HOSTILE = "</script></svg><img src=x onerror=alert(1)>'\"&\x00\ud800\u202e$title"
SUMMARY = RunSummary("table.mcap", 30, 2.0, 30.0, "transforms")
VOID = {"meta", "img", "br", "input", "link", "hr"}

Step = tuple[Sample, SceneState, dict[str, float]]


def page(directory: Path, steps: Iterable[Step], summary: RunSummary = SUMMARY) -> str:
    sink = ReportSink(directory, summary.source)
    for sample, state, timings in steps:
        sink.write(sample, state, timings)
    return sink.close(summary).read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Checks that tags are balanced, and collects tags and data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)


def hostile(step: Step) -> Step:
    sample, state, timings = step
    objects = tuple(replace(o, id=o.id + HOSTILE, label=HOSTILE) for o in state.objects)
    events = tuple(
        replace(e, text=HOSTILE, subjects=tuple(s + HOSTILE for s in e.subjects))
        for e in state.events
    )
    frame = replace(sample.frame, camera_name=HOSTILE)
    changed = replace(state, objects=objects, events=events)
    return Sample(frame, sample.truth), changed, {HOSTILE: 0.01, **timings}


def test_text_from_outside_changes_nothing_but_text(
    tmp_path: Path, make_world: Callable[..., Any]
) -> None:
    world = make_world(duration=6.0, rate=5.0)
    plain = [*world.run()]
    summary = replace(
        SUMMARY,
        source=HOSTILE,
        pose_origin=HOSTILE,
        command=HOSTILE,
        version=HOSTILE,
        input_hash=HOSTILE,
        notes=(HOSTILE,),
        losses=(HOSTILE,),
        drops={HOSTILE: 2},
        score={"position": {HOSTILE: {"count": 1}}},
    )
    text = page(tmp_path, [hostile(step) for step in plain], summary)
    reader = Reader(text)
    assert "onerror" not in {name for _, attrs in reader.tags for name in attrs}
    assert "img" not in {tag for tag, _ in reader.tags}
    assert sum(tag == "script" for tag, _ in reader.tags) == 2
    assert "\x00" not in text


def test_only_the_page_s_own_script_may_run(tmp_path: Path, make_world: Callable[..., Any]) -> None:
    reader = Reader(page(tmp_path, make_world(duration=0.5).run()))
    policy = next(a["content"] for t, a in reader.tags if a.get("http-equiv"))
    digest = hashlib.sha256(reader.scripts[1].encode()).digest()
    assert policy is not None
    assert f"script-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert "default-src 'none'" in policy


def test_everything_that_the_script_looks_for_is_there(
    tmp_path: Path, make_world: Callable[..., Any]
) -> None:
    reader = Reader(page(tmp_path, make_world(duration=6.0, rate=5.0).run()))
    ids = {attrs["id"] for _, attrs in reader.tags if "id" in attrs}
    wanted = set(re.findall(r'\$\("(\w+)"\)', reader.scripts[1]))
    assert wanted
    assert wanted <= ids
    data = json.loads(reader.scripts[0])
    assert {f"k{i}" for i in range(len(data["keys"]))} <= ids
    assert len(data["paths"]) == len(data["colors"]) == 8
    assert all(point[0] <= data["duration"] + 0.01 for path in data["paths"] for point in path)


def test_hidden_objects_are_dashed_and_named_in_a_picture(
    tmp_path: Path, make_world: Callable[..., Any]
) -> None:
    text = page(tmp_path, make_world(duration=6.0, rate=10.0).run())
    assert re.search(r'<g class="ob hid" data-o="\d+"[^>]*><path class="ghost"', text)
    assert re.search(r"mug<tspan> hidden \d\.\d s</tspan>", text)


def test_the_page_is_complete_without_its_script(
    tmp_path: Path, make_world: Callable[..., Any]
) -> None:
    text = page(tmp_path, make_world(duration=6.0, rate=5.0).run())
    body = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    for content in ("mug", 'class="belief', "went out of sight", "p95", "out of sight: <em"):
        assert content in body


def unposed(step: Step) -> Step:
    sample, state, timings = step
    return Sample(replace(sample.frame, pose=None), None), state, timings


def second_camera(step: Step) -> Step:
    sample, state, timings = step
    return Sample(replace(sample.frame, camera_name="left"), None), state, timings


@pytest.mark.parametrize("change", [unposed, second_camera], ids=["no pose", "two cameras"])
def test_other_inputs_give_a_page_too(
    tmp_path: Path, make_world: Callable[..., Any], change: Callable[[Step], Step]
) -> None:
    steps = [*make_world(duration=1.0, rate=10.0).run()]
    steps[5:] = [change(step) for step in steps[5:]]
    text = page(tmp_path, steps)
    Reader(text)
    assert ("<bdi>left</bdi>" in text) == (change is second_camera)


@pytest.mark.parametrize("count", [0, 1])
def test_a_run_of_hardly_any_frames_gives_a_page(
    tmp_path: Path, make_world: Callable[..., Any], count: int
) -> None:
    steps = [*make_world(duration=1.0, rate=5.0).run()][:count]
    text = page(tmp_path, steps, replace(SUMMARY, frames=count, duration=0.0))
    Reader(text)
    assert ("No frame could be processed" in text) == (count == 0)


def crowded(step: Step) -> Step:
    sample, state, timings = step
    copies = [replace(o, id=f"{o.id}-{k}", label="") for o in state.objects for k in range(5)]
    return sample, replace(state, objects=tuple(copies)), timings


def test_many_objects_are_folded_away_but_all_listed(
    tmp_path: Path, make_world: Callable[..., Any]
) -> None:
    text = page(tmp_path, map(crowded, make_world(duration=0.5, rate=4.0).run()))
    Reader(text)
    assert "16 objects known for a shorter time" in text
    assert all(f"<bdi>obj-00{i}-{k}</bdi>" in text for i in range(1, 9) for k in range(5))
