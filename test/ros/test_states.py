"""Nodes `cjepa` and `memory`: slots in, object states, events and answers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from permanence.srv import Label, Recall, Restore
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from ros_camera import Camera, subscribe, topic
from tabletop import PERIOD, Box, observe

from perception_nodes.cjepa.foresight import Foresight
from perception_nodes.cjepa.kalman_futures import KalmanFutures
from perception_nodes.cjepa.node import CjepaNode
from perception_nodes.cjepa.source import Futures
from perception_nodes.memory.node import MemoryNode
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.ros.conversion import (
    events_from_msg,
    influences_from_msg,
    object_states_from_msg,
    predictions_from_msg,
)
from perception_nodes.ros.geometry_messages import time_from_msg
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.run import start
from perception_nodes.scene import EventKind, Frame, Influence, ObjectState, Slots, Visibility

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))
CAN = Box((0.0, 0.25, 0.06), (0.07, 0.07, 0.12), (60.0, 60.0, 200.0))
SCREEN = Box((-0.35, 0.0, 0.2), (0.02, 0.3, 0.4), slot=False)


def scene(shown: int) -> list[tuple[Frame, Slots]]:
    """A mug and a can; then a screen hides the mug, and goes away again."""
    frames = []
    for i in range(shown):
        boxes = (SCREEN, MUG, CAN) if 8 <= i < 16 else (MUG, CAN)
        frames.append(observe(boxes, 10**9 + i * PERIOD))
    return frames


class Session:
    """The camera and what the nodes said."""

    def __init__(self, graph: Any, until: Callable[..., bool]) -> None:
        self.graph, self.until = graph, until
        self.client = graph.client("camera_driver")
        self.camera = Camera(self.client, node("cjepa"))
        self.objects: list[Any] = []
        self.events: list[Any] = []
        subscribe(self.client, topic("cjepa", "objects"), self.objects)
        subscribe(self.client, topic("cjepa", "events"), self.events)

    def begin(self) -> None:
        assert self.until(self.camera.connected)
        assert self.until(lambda: self.client.count_publishers("events"))

    def feed(self, frames: list[tuple[Frame, Slots]]) -> None:
        """Each frame waits for the states of the one before: nothing is dropped."""
        for frame, slots in frames:
            before = len(self.objects)
            self.camera.show_slots(frame, slots)
            assert self.until(lambda n=before: len(self.objects) > n), "no object states came"


@pytest.fixture
def session(graph: Any, until: Callable[..., bool]) -> Session:
    return Session(graph, until)


def run(graph: Any, made: Any) -> Any:
    graph.add(made)
    assert start(made)
    return made


def cjepa(graph: Any, **parameters: object) -> Any:
    overrides = [Parameter(k, value=v) for k, v in {"map_id": "", **parameters}.items()]
    return run(graph, CjepaNode(context=graph.context, parameter_overrides=overrides))


def memory(graph: Any, file: Path) -> Any:
    overrides = [Parameter("file", value=str(file))]
    return run(graph, MemoryNode(context=graph.context, parameter_overrides=overrides))


def test_the_node_gives_the_states_that_the_tracker_gives(graph: Any, session: Session) -> None:
    cjepa(graph)
    graph.spin()
    session.begin()
    tracker, wanted, happened = ObjectTracker(), [], []
    for frame, slots in scene(24):
        states, events = tracker.update(_rounded(frame), slots)
        wanted.append(states)
        happened += events
    session.feed(scene(24))
    for message, states in zip(session.objects, wanted, strict=True):
        found = object_states_from_msg(message)
        assert [s.id for s in found] == [s.id for s in states]
        for a, b in zip(found, states, strict=True):
            assert np.allclose(a.position, b.position, atol=1e-5)
            assert a.visibility == b.visibility
            assert np.allclose(a.pose_covariance, b.pose_covariance, rtol=1e-3, atol=1e-9)
    heard = [e for message in session.events for e in events_from_msg(message)]
    assert [(e.kind, e.subjects) for e in heard] == [(e.kind, e.subjects) for e in happened]
    assert EventKind.HIDDEN in {e.kind for e in heard}


def test_a_label_given_by_a_person_travels_with_the_object(graph: Any, session: Session) -> None:
    cjepa(graph)
    graph.spin()
    session.begin()
    session.feed(scene(6))
    client = session.client.create_client(Label, "label")
    assert graph.call(client, Label.Request(object_id="o1", label="mug")).success
    refused = graph.call(client, Label.Request(object_id="o99", label="x"))
    assert not refused.success
    assert "o1" in refused.message
    session.feed([observe((MUG, CAN), 10**9 + 6 * PERIOD)])
    assert session.objects[-1].objects[0].label == "mug"
    kinds = [e.kind for message in session.events for e in events_from_msg(message)]
    assert kinds[-1] == EventKind.LABELED


def test_the_memory_answers_where_a_hidden_object_is(
    graph: Any, session: Session, tmp_path: Path, until: Callable[..., bool]
) -> None:
    cjepa(graph)
    kept = memory(graph, tmp_path / "deep" / "memory.db")
    graph.spin()
    session.begin()
    assert until(lambda: session.client.count_subscribers("objects") == 2)
    session.feed(scene(15))
    labeler = session.client.create_client(Label, "label")
    hidden = object_states_from_msg(session.objects[-1])[0]
    assert hidden.visibility is Visibility.OCCLUDED
    assert graph.call(labeler, Label.Request(object_id=hidden.id, label="mug")).success
    session.feed([observe((SCREEN, MUG, CAN), 10**9 + 15 * PERIOD)])
    client = session.client.create_client(Recall, "recall")

    def answer() -> Any:
        return graph.call(client, Recall.Request(text="where is the mug?"))

    assert until(lambda: answer().known)
    given = answer()
    assert "mug" in given.answer
    assert [o.id for o in given.objects] == [hidden.id]
    assert any("event" in line for line in given.evidence)
    assert not graph.call(client, Recall.Request(text="unicorn")).known
    assert kept.health.values()["errors"] == "0"


def test_objects_keep_their_ids_over_a_restart_of_cjepa(
    graph: Any, session: Session, tmp_path: Path, until: Callable[..., bool]
) -> None:
    first = cjepa(graph)
    memory(graph, tmp_path / "memory.db")
    graph.spin()
    session.begin()
    assert until(lambda: session.client.count_subscribers("objects") == 2)
    session.feed(scene(8))
    before = {s.id: s.position for s in object_states_from_msg(session.objects[-1])}
    client = session.client.create_client(Restore, "restore")
    known = Restore.Request(map_id="map")
    assert until(lambda: len(graph.call(client, known).objects) == 2)
    first.trigger_deactivate()
    first.trigger_cleanup()
    second = cjepa(graph, map_id="map", memory_patience=10.0)
    session.objects.clear()
    late = [observe((MUG, CAN), 10**9 + (100 + i) * PERIOD) for i in range(40)]

    def answered() -> bool:
        frame, slots = late.pop(0)
        session.camera.show_slots(frame, slots)
        return until(lambda: session.objects, 0.5)

    assert until(answered)
    session.feed(late[:8])
    after = {s.id: s.position for s in object_states_from_msg(session.objects[-1])}
    assert after.keys() == before.keys()
    assert all(np.allclose(after[k], before[k], atol=0.02) for k in before)
    assert second.facts["restored from memory"] == "2 objects"


def test_a_memory_that_is_in_use_refuses_to_configure_and_says_why(
    graph: Any, tmp_path: Path
) -> None:
    memory(graph, tmp_path / "memory.db")
    overrides = [Parameter("file", value=str(tmp_path / "memory.db"))]
    second = graph.add(MemoryNode(context=graph.context, parameter_overrides=overrides))
    assert second.trigger_configure() == TransitionCallbackReturn.FAILURE


def _rounded(frame: Frame) -> Frame:
    """The frame as it is after its depth traveled in millimeters."""
    from dataclasses import replace

    return replace(frame, depth=np.round(frame.depth * 1000.0).astype(np.float32) / 1000.0)


class Following(CjepaNode):
    """A node whose world model says that the can follows the mug."""

    def make_foresight(self) -> Foresight:
        kalman = KalmanFutures()

        class Source:
            model_id = "following"

            def foresee(self, stamp: int, objects: Sequence[ObjectState]) -> Futures:
                influence = Influence("o1", "o2", 0.75, 0.5)
                return Futures(kalman.foresee(stamp, objects).predictions, (influence,))

            def reset(self) -> None:
                kalman.reset()

        found = Foresight()
        found.futures = Source()
        return found


def test_futures_and_influences_reach_who_listens_and_are_those_of_the_pipeline(
    graph: Any, session: Session, until: Callable[..., bool]
) -> None:
    made = Following(context=graph.context, parameter_overrides=[Parameter("map_id", value="")])
    run(graph, made)
    heard: dict[str, list[Any]] = {"predictions": [], "influences": [], "objects_markers": []}
    for name, received in heard.items():
        subscribe(session.client, topic("cjepa", name), received)
    graph.spin()
    session.begin()
    assert until(lambda: all(session.client.count_publishers(name) for name in heard))
    session.feed(scene(8))
    assert until(lambda: all(len(received) == 8 for received in heard.values()))
    wanted = KalmanFutures().foresee(
        _time(session.objects[-1]), object_states_from_msg(session.objects[-1])
    )
    found = predictions_from_msg(heard["predictions"][-1])
    assert [p.id for p in found] == ["o1", "o2"]
    for a, b in zip(found, wanted.predictions, strict=True):
        assert a.stamps == b.stamps
        assert np.allclose(a.covariances, b.covariances)
        assert np.allclose([p.translation for p in a.poses], [p.translation for p in b.poses])
    assert influences_from_msg(heard["influences"][-1]) == (Influence("o1", "o2", 0.75, 0.5),)
    assert "influences" in {marker.ns for marker in heard["objects_markers"][-1].markers}
    assert made.facts["futures"] == "following"


def _time(message: Any) -> int:
    return time_from_msg(message.header.stamp)
