"""The live page: what it serves, to whom, and that what is not finite or not kind does no harm."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception_nodes.bags.reader import open_bag
from perception_nodes.errors import ConfigurationError, InputError
from perception_nodes.frames.source import FrameSource
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.replay import run
from perception_nodes.resources import resource
from perception_nodes.scene import SceneState, Visibility
from perception_nodes.view import options
from perception_nodes.view.page import PAGE
from perception_nodes.view.scene_json import PlanShown
from perception_nodes.view.viewer import Viewer
from perception_nodes.viewrope.depth_finder import DepthFinder


class Last:
    """Keeps the newest scene of a run."""

    state: SceneState

    def write(self, sample: Any, state: SceneState, timings: Any) -> None:
        del sample, timings
        self.state = state


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    def ask(question: str) -> str:
        if "?" not in question:
            raise InputError("that is no question")
        return f"you asked {question}"

    made = Viewer("a <b>run</b>", ask, port=0)
    yield made
    made.close()


@pytest.fixture(scope="module")
def recorded() -> list[Any]:
    with open_bag(resource("examples/data") / "box.mcap") as bag:
        return list(islice(FrameSource(bag), 8))


def get(viewer: Viewer, path: str, **headers: str) -> bytes:
    request = urllib.request.Request(viewer.address + path, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


def test_the_page_follows_a_run(viewer: Viewer, recorded: list[Any]) -> None:
    last = Last()
    run(recorded, Pipeline(DepthFinder(), ObjectTracker()), [viewer, last])
    told = json.loads(get(viewer, "state.json"))
    assert told["title"] == "a <b>run</b>"
    assert told["seconds"] == pytest.approx(
        (recorded[-1].frame.stamp - recorded[0].frame.stamp) * 1e-9
    )
    states = {item.id: item for item in last.state.objects}
    assert states
    assert {item["id"] for item in told["objects"]} == set(states)
    for item in told["objects"]:
        assert item["place"] == pytest.approx(states[item["id"]].position, abs=1e-3)
        assert item["hidden"] == (states[item["id"]].visibility is not Visibility.VISIBLE)
    shown = {o["id"] for o in told["picture"]["outlines"] if o["mask"] and o["id"]}
    assert shown <= set(states)
    assert shown
    picture = cv2.imdecode(np.frombuffer(get(viewer, "camera.jpg"), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == told["picture"]["width"]


def test_before_the_first_image_there_is_a_page_and_no_picture(viewer: Viewer) -> None:
    assert b"<title>" in get(viewer, "")
    assert "stamp" not in json.loads(get(viewer, "state.json"))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(viewer, "camera.jpg")


def test_what_is_not_finite_is_null(viewer: Viewer, recorded: list[Any]) -> None:
    last = Last()
    run(recorded, Pipeline(DepthFinder(), ObjectTracker()), [last])
    item = last.state.objects[0]
    broken = replace(item, size=np.full(3, np.nan), existence=np.inf)
    plan = PlanShown("RUNNING", "", np.full((2, 3), np.nan))
    viewer.show(recorded[-1].frame, replace(last.state, objects=(broken,)), plan)
    told = json.loads(get(viewer, "state.json"))
    assert told["objects"][0]["size"] == [None, None, None]
    assert told["objects"][0]["existence"] is None
    assert told["objects"][0]["ground"] == []
    assert told["plan"]["tip"] == [[None, None], [None, None]]


def test_the_memory_is_asked_and_its_refusals_are_told(viewer: Viewer) -> None:
    assert json.loads(get(viewer, "ask?q=where%3F")) == {"answer": "you asked where?"}
    assert json.loads(get(viewer, "ask?q=hello")) == {"answer": "that is no question"}


def test_other_sites_can_not_read_the_page_by_a_name_of_their_own(viewer: Viewer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(viewer, "state.json", Host="evil.example:80")
    assert viewer.address.startswith("http://127.0.0.1:")


def test_nothing_else_is_served(viewer: Viewer) -> None:
    for path in ("../etc/passwd", "etc/passwd", "state.json/.."):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(viewer, path)


def test_the_page_needs_no_network_and_never_takes_data_for_markup() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", PAGE)
    assert set(re.findall(r"https?://[^\s\"']+", PAGE)) == {"http://www.w3.org/2000/svg"}


def test_a_port_that_is_taken_is_refused_with_what_to_do(viewer: Viewer) -> None:
    port = int(viewer.address.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(ConfigurationError, match="can't be served on port"):
        Viewer("another", port=port)


def test_the_view_of_a_run_stays_until_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[dict[str, Any]] = []

    def wait() -> None:
        seen.append(json.loads(get(views[0], "state.json")))
        raise KeyboardInterrupt

    monkeypatch.setattr(options, "wait", wait)
    with options.viewing(0, "run", tmp_path / "memory.db") as views:
        answer = json.loads(get(views[0], "ask?q=where"))["answer"]
    assert "memory.db" in answer
    assert seen[0]["ended"] == "the run has ended"
    assert "open it in a browser" in capsys.readouterr().out
    with pytest.raises(urllib.error.URLError):
        get(views[0], "state.json")
