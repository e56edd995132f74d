"""Contacts that nobody told: boxes that come together, hands that reach out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.contacts import Boxes, box_gaps
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind, Person, Visibility

FRAME = SECOND // 10


def person(stamp: int, wrist: tuple[float, float, float]) -> Person:
    names = ("nose", "left_wrist", "right_wrist")
    joints = np.array([(9.0, 9.0, 9.0), wrist, (np.nan, np.nan, np.nan)])
    return Person("anna", stamp, names, joints, np.zeros((3, 3, 3)), np.zeros(3), np.zeros(2))


@pytest.mark.parametrize(
    ("offset", "turn", "gap"),
    [((0.3, 0, 0), 0.0, 0.2), ((0.05, 0, 0), 0.0, -0.05), ((0.3, 0, 0), np.pi / 4, 0.1793)],
)
def test_the_gap_of_two_boxes_is_that_of_their_faces_or_corners(
    offset: tuple[float, float, float], turn: float, gap: float
) -> None:
    turned = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    other = replace(state("o2", 0), pose=Pose(turned, np.array(offset)))
    boxes = Boxes.of([state("o0", 0, (0, 9, 0)), state("o1", 0), other])
    found = box_gaps(boxes, np.array([1, 0]), np.array([2, 1]))
    assert found == pytest.approx([gap, 8.9], abs=1e-4)


def slide(
    path: Path, *, moving: bool = True, visibility: Visibility = Visibility.VISIBLE
) -> Memory:
    """o1 slides to o2, pushes it from 2 s on until 3 s, and goes back."""
    memory = Memory(path)
    for k in range(1, 60):
        t, stamp = k / 10, k * FRAME
        x = 0.2 * t - 0.5 if t <= 3 else 0.1 - 0.2 * (t - 3)
        y = max(0.0, 0.2 * min(t, 3) - 0.4)
        speed = 0.2 if moving else 0.0
        told = []
        if k == 2:
            told = [event(stamp, EventKind.MOVED, "o1")]
        if k == 21:
            told = [event(stamp, EventKind.MOVED, "o2")]
        first = state("o1", stamp, (x, 0, 0), velocity=np.array([speed, 0, 0]))
        second = state("o2", stamp, (y, 0, 0), visibility)
        memory.write(scene(stamp, first, second, events=told if moving else []))
    return memory


def test_boxes_that_come_together_touch_and_part_once(tmp_path: Path) -> None:
    with slide(tmp_path / "memory.db") as memory:
        found = [e for e in memory.events() if e.kind.startswith("contact")]
        assert [(e.kind, e.stamp / SECOND) for e in found] == [
            ("contact_on", pytest.approx(2.0, abs=0.15)),
            ("contact_off", pytest.approx(3.5, abs=0.15)),
        ]
        chain = [k.event.subjects[0] for k in memory.explain("o2").chain]
        assert chain == ["o2", "o1"]


def test_what_rests_or_is_not_seen_is_not_said_to_touch(tmp_path: Path) -> None:
    with slide(tmp_path / "resting.db", moving=False) as memory:
        assert memory.events(kind="contact_on") == []
    with slide(tmp_path / "hidden.db", visibility=Visibility.OCCLUDED) as memory:
        assert memory.events(kind="contact_on") == []


def test_where_the_scene_tells_of_contacts_none_is_added(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        for k in range(1, 20):
            stamp = k * FRAME
            told = [event(stamp, EventKind.CONTACT_ON, "o1", "o2")] if k == 3 else []
            fast = state("o1", stamp, (0.1, 0, 0), velocity=np.ones(3))
            memory.write(scene(stamp, fast, state("o2", stamp), events=told))
            if k == 2:
                assert len(memory.events(kind="contact_on")) == 1
        assert len(memory.events(kind="contact_on")) == 2


def test_a_hand_at_an_object_that_sets_off_moved_it(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        for k in range(1, 40):
            stamp = k * FRAME
            wrist = (max(0.15, 0.6 - 0.02 * k), 0.0, 0.0)
            told = [event(stamp, EventKind.MOVED, "o1")] if k == 23 else []
            made = scene(stamp, state("o1", stamp), state("o2", stamp, (0, 3, 0)), events=told)
            memory.write(replace(made, people=(person(stamp, wrist),)))
        touched = memory.events(kind="contact_on")
        assert [e.subjects for e in touched] == [("o1", "anna")]
        found = memory.explain("o1")
        assert found.first_cause is not None
        assert found.first_cause.seq == touched[0].seq
        assert "o1 and anna touch" in found.sentence


def test_boxes_that_flicker_do_not_touch_anew_in_each_frame(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        for k in range(1, 101):  # o1 jitters beside o2: half a second close, half a second apart
            stamp = k * SECOND // 20
            x = 0.105 if k // 10 % 2 else 0.2
            fast = state("o1", stamp, (x, 0, 0), velocity=np.ones(3))
            memory.write(scene(stamp, fast, state("o2", stamp)))
        assert len(memory.events(kind="contact_on")) == 3  # of 5, in 5 s


def test_boxes_that_meet_in_a_single_frame_do_not_touch(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        for k in range(1, 60):
            stamp = k * SECOND // 20
            fast = state("o1", stamp, (0.105 if k == 30 else 0.3, 0, 0), velocity=np.ones(3))
            memory.write(scene(stamp, fast, state("o2", stamp)))
        assert memory.events(kind="contact_on") == []


def test_one_frame_before_a_gap_and_one_after_are_no_contact(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        for stamp in (SECOND, 9 * SECOND):
            moving = state("o1", stamp, (0.0, 0, 0), velocity=np.array([0.2, 0, 0]))
            memory.write(scene(stamp, moving, state("o2", stamp, (0.1, 0, 0))))
        assert not memory.events(kind="contact_on")
        again = 9 * SECOND + FRAME
        moving = state("o1", again, (0.0, 0, 0), velocity=np.array([0.2, 0, 0]))
        memory.write(scene(again, moving, state("o2", again, (0.1, 0, 0))))
        assert len(memory.events(kind="contact_on")) == 1
