"""What the node `memory` answers and does when asked through each of its services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from beliefs import SECOND, event, scene, state
from permanence.srv import CorrectMap, Explain, Forget, Recall, Restore, Snapshot, WhatIf
from plans import person
from rclpy.parameter import Parameter
from ros_camera import FACTORY, Camera, topic
from tabletop import Box, observe

from perception_nodes.memory.node import MemoryNode
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.ros.conversion import (
    events_to_msg,
    influences_to_msg,
    object_states_to_msg,
    people_to_msg,
    slots_to_msg,
)
from perception_nodes.ros.interfaces import SLOTS, TopicSpec, camera_topics, node
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import interface
from perception_nodes.ros.run import start
from perception_nodes.scene import EventKind, Influence, Person, SceneState

FRAME = SECOND // 10
TOLD = {
    10: (EventKind.ACTION, "o1", "robot"),
    20: (EventKind.CONTACT_ON, "o1", "robot"),
    21: (EventKind.MOVED, "o1"),
    26: (EventKind.CONTACT_ON, "o1", "o2"),
    27: (EventKind.MOVED, "o2"),
    35: (EventKind.STOPPED, "o2"),
}


def scenes() -> list[SceneState]:
    """A robot pushes o1 against o2, ten frames a second for five seconds."""
    made = []
    for number in range(1, 51):
        stamp = number * FRAME
        kind, *who = TOLD.get(number, (None, ""))
        text = "push: robot pushes o1" if kind is EventKind.ACTION else f"{who[0]} {kind}"
        happened = (event(stamp, kind, *who, text=text),) if kind else ()
        objects = (state("o1", stamp, label="diary", label_score=1.0), state("o2", stamp))
        made.append(scene(stamp, *objects, events=happened, camera="head"))
    return made


class Session:
    """A memory and somebody who tells it scenes and asks."""

    def __init__(
        self, graph: Any, until: Callable[..., bool], file: Path, *, private: bool = False
    ) -> None:
        override = [Parameter("file", value=str(file)), Parameter("private", value=private)]
        self.node = graph.add(MemoryNode(context=graph.context, parameter_overrides=override))
        self.graph, self.until, self.file = graph, until, file
        self.client = graph.client("teller")
        names = ("events", "influences", "objects")
        self.publishers = {name: self._publisher(topic("cjepa", name)) for name in names}
        assert start(self.node)
        graph.spin()
        assert until(lambda: all(p.get_subscription_count() for p in self.publishers.values()))

    def _publisher(self, of: TopicSpec) -> Any:
        return self.client.create_publisher(
            interface(of.type_name), of.name, profile(Intent[of.intent])
        )

    def tell(self, told: SceneState, *influences: Influence) -> None:
        """Publish what a scene holds; wait until the memory has it."""
        where = (told.stamp, "map", FACTORY)
        heard = dict(self.node.health.values())
        self.publishers["events"].publish(events_to_msg(told.events, *where))
        self.publishers["influences"].publish(influences_to_msg(influences, *where))
        assert self.until(lambda: self._came("events", heard) and self._came("influences", heard))
        objects = object_states_to_msg(told.objects, *where, told.slots.camera_name)
        self.publishers["objects"].publish(objects)
        assert self.until(lambda: self._counted("output", heard))

    def _came(self, name: str, before: dict[str, str]) -> bool:
        return self._counted(f"input {name}", before)

    def _counted(self, figure: str, before: dict[str, str]) -> bool:
        """Whether a figure such as "50 messages, 10.0 Hz" has counted on."""
        return self.node.health.values()[figure].split()[0] != before[figure].split()[0]

    def ask(self, name: str, kind: type[Any], **request: Any) -> Any:
        """Call a service of the memory."""
        client = self.client.create_client(kind, name)
        return self.graph.call(client, kind.Request(**request))


@pytest.fixture
def session(graph: Any, until: Callable[..., bool], tmp_path: Path) -> Session:
    made = Session(graph, until, tmp_path / "memory.db")
    for told in scenes():
        made.tell(told)
    return made


def test_a_chain_of_causes_is_explained_as_the_library_explains_it(
    session: Session, tmp_path: Path
) -> None:
    with Memory(tmp_path / "other.db") as memory:
        for told in scenes():
            memory.write(told)
    with MemoryReader(tmp_path / "other.db") as reader:
        wanted = reader.explain("o2")
    answer = session.ask("explain", Explain, object_id="o2")
    assert answer.known
    assert answer.answer == wanted.sentence
    kinds = [(e.kind, e.subjects[0]) for e in answer.chain]
    assert kinds == [("moved", "o2"), ("moved", "o1"), ("action", "o1")]
    assert list(answer.weights) == pytest.approx([link.weight for link in wanted.chain])
    assert all(f"event {k.event.seq}" in m.evidence for k, m in zip(
        wanted.chain, answer.chain, strict=True
    ))  # fmt: skip
    unknown = session.ask("explain", Explain, object_id="o9")
    assert (unknown.known, list(unknown.chain)) == (False, [])
    refused = session.ask("explain", Explain, object_id="o2", attribute="smell")
    assert "'smell' can't be explained" in refused.answer


def test_every_question_in_plain_words_is_answered_with_its_evidence(session: Session) -> None:
    for text, told in (
        ("where is the diary?", "diary (o1) is at"),
        ("where was the diary at 2 s?", "diary (o1) was at"),
        ("why did o2 move?", "because o1 moved"),
        ("what happened to o2?", "o2 stopped"),
        ("what if I push the diary?", "after push, o1 moved 1 of 1 times"),
        ("what is near o2?", "diary (o1) within 0.5 m"),
    ):
        answer = session.ask("recall", Recall, text=text)
        assert answer.known, text
        assert told in answer.answer
        assert answer.evidence
    assert session.ask("recall", Recall, text="what changed in the last 3 s?").known
    assert not session.ask("recall", Recall, text="where does anna think the diary is?").known


def test_what_usually_follows_an_action_is_told_in_numbers(session: Session) -> None:
    answer = session.ask("what_if", WhatIf, action="push", object_id="diary")
    assert answer.known
    assert answer.answer.startswith("after push, diary moved 1 of 1 times")
    assert (answer.times, answer.moved, answer.prevented) == (1, 1, 0)
    assert answer.probability == pytest.approx(2 / 3)
    assert (list(answer.others), list(answer.others_moved)) == (["o2"], [1])
    (precedent,) = answer.precedents
    assert (precedent.kind, list(precedent.subjects)) == ("action", ["o1", "robot"])
    assert any(item.startswith("event ") for item in precedent.evidence)
    never = session.ask("what_if", WhatIf, action="carry", object_id="diary")
    assert (never.known, never.times, list(never.precedents)) == (False, 0, [])
    assert never.answer == 'unknown: "carry" was never tried on "diary"'


def test_a_corrected_map_moves_what_is_stored_and_not_what_comes(session: Session) -> None:
    request = CorrectMap.Request(map_id="map")
    request.transform.translation.x = 1.0
    request.transform.rotation.z = request.transform.rotation.w = 0.5**0.5
    client = session.client.create_client(CorrectMap, "correct_map")
    answer = session.graph.call(client, request)
    assert (answer.success, answer.message) == (
        True, "the map map was corrected by 1.000 m and 90.00 degrees"
    )  # fmt: skip
    session.tell(scene(60 * FRAME, state("o3", 60 * FRAME, (2.0, 0.0, 0.0))))
    kept = {
        o.id: o.pose.pose.position for o in session.ask("restore", Restore, map_id="map").objects
    }
    assert (kept["o1"].x, kept["o3"].x) == pytest.approx((1.0, 2.0))
    request.map_id = "attic"
    refused = session.graph.call(client, request)
    assert (refused.success, "known maps: map" in refused.message) == (False, True)
    request.transform.rotation.w = 2.0
    refused = session.graph.call(client, request)
    assert (refused.success, "instead of 1" in refused.message) == (False, True)


def move_in_view(session: Session, people: Sequence[Person] | None = None) -> None:
    """A box moves in the second of three images; people are told of, or nobody tells of any."""
    feeds = replace(node("memory"), subscribes=(SLOTS, *camera_topics("camera")))
    camera = Camera(session.client, feeds)
    names = ["slots", "camera/color/image_raw", "camera/color/camera_info"]
    crowd = session._publisher(topic("embodmocap", "people"))
    publishers = [*(camera.publishers[name] for name in names), crowd]
    assert session.until(lambda: all(p.get_subscription_count() for p in publishers))
    names += [] if people is None else ["people"]
    box = Box((0.0, 0.0, 0.05), (0.1, 0.1, 0.1), (220.0, 40.0, 40.0))
    for number in range(1, 4):
        frame, slots = observe([box], number * FRAME)
        heard = dict(session.node.health.values())
        for name, message in camera.messages(frame).items():
            if name in names:
                camera.publishers[name].publish(message)
        shown = slots_to_msg(slots, frame.pose, "map", FACTORY)
        camera.publishers["slots"].publish(shown)
        if people is not None:
            crowd.publish(people_to_msg(people, frame.stamp, "map", FACTORY))
        assert session.until(lambda: all(session._came(name, heard) for name in names))  # noqa: B023
        seen = state("o1", frame.stamp, box.center)
        moved = [event(frame.stamp, EventKind.MOVED, "o1")] if number == 2 else []
        session.tell(scene(frame.stamp, seen, events=moved))


@pytest.mark.parametrize("people", [None, [person("anna", 0.5, 0.5, FRAME)]])
def test_in_private_no_picture_is_kept_of_people_or_while_nobody_tells_of_any(
    graph: Any, until: Callable[..., bool], tmp_path: Path, people: Sequence[Person] | None
) -> None:
    session = Session(graph, until, tmp_path / "memory.db", private=True)
    move_in_view(session, people)
    with MemoryReader(session.file) as memory:
        assert not memory.keyframes()
        assert any(e.kind == EventKind.MOVED for e in memory.events())


@pytest.mark.parametrize("private", [False, True])
def test_what_happened_in_view_of_a_camera_gets_a_picture(
    graph: Any, until: Callable[..., bool], tmp_path: Path, private: bool
) -> None:
    session = Session(graph, until, tmp_path / "memory.db", private=private)
    move_in_view(session, people=[] if private else None)
    with MemoryReader(session.file) as memory:
        (picture,) = memory.keyframes()
        assert (picture.object, picture.stamp, picture.camera) == ("o1", 2 * FRAME, "camera")
        image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
        blue, green, red = image[image.shape[0] // 2, image.shape[1] // 2].tolist()
        assert red > 180
        assert max(blue, green) < 80
        assert "keyframe 1" in memory.where_is("o1").evidence


def test_what_is_forgotten_is_gone_from_answers_and_file_and_the_log_says_so(
    session: Session,
) -> None:
    assert b"diary" in _bytes(session.file)
    answer = session.ask("forget", Forget, object_id="diary")
    assert answer.success, answer.message
    assert answer.forgotten > 0
    assert answer.erased
    assert not session.ask("explain", Explain, object_id="o1").known
    assert b"diary" not in _bytes(session.file)
    with MemoryReader(session.file) as memory:
        assert [e.kind for e in memory.events(kind="forgotten")] == ["forgotten"]
        assert memory.record("o1") is None
        assert memory.record("o2") is not None
    nothing = session.ask("forget", Forget)
    assert not nothing.success
    assert "give a name or a time" in nothing.message
    session.tell(scene(60 * FRAME, state("o2", 60 * FRAME)))


def test_a_stretch_of_time_is_forgotten(session: Session) -> None:
    request = Forget.Request()
    request.since.sec, request.until.sec, request.until.nanosec = 2, 2, 800_000_000
    client = session.client.create_client(Forget, "forget")
    assert session.graph.call(client, request).success
    with MemoryReader(session.file) as memory:
        stamps = [e.stamp for e in memory.events() if e.kind != "forgotten"]
    assert FRAME * 10 in stamps
    assert FRAME * 35 in stamps
    assert not [s for s in stamps if 2 * SECOND <= s <= 28 * FRAME]


def test_a_snapshot_is_a_memory_beside_the_first(session: Session) -> None:
    answer = session.ask("snapshot", Snapshot, path="copy.db")
    assert answer.success, answer.message
    assert answer.message == str(session.file.parent / "copy.db")
    with MemoryReader(session.file.parent / "copy.db") as memory:
        record = memory.record("o2")
    assert record is not None
    assert record.seen_by == "head"


@pytest.mark.parametrize(
    "path", ["/etc/cron.d/x.db", "../x.db", "", "x", "memory.db", "no/folder/x.db", "a\nb.db"]
)
def test_a_snapshot_goes_nowhere_else_and_overwrites_nothing(
    graph: Any, until: Callable[..., bool], tmp_path: Path, path: str
) -> None:
    session = Session(graph, until, tmp_path / "memory.db")
    session.tell(scenes()[0])
    before = sorted(tmp_path.iterdir())
    answer = session.ask("snapshot", Snapshot, path=path)
    assert not answer.success
    assert answer.message
    assert sorted(tmp_path.iterdir()) == before


def test_influences_weigh_causes_as_they_do_in_the_pipeline(
    graph: Any, until: Callable[..., bool], tmp_path: Path
) -> None:
    session = Session(graph, until, tmp_path / "memory.db")
    for told in scenes():
        session.tell(told, Influence("o1", "o2", 0.0, 0.1))
    assert not session.ask("explain", Explain, object_id="o2").known


def _bytes(file: Path) -> bytes:
    """All that is in the memory's files."""
    return b"".join(p.read_bytes() for p in sorted(file.parent.glob(f"{file.name}*")))
