"""The next day: same ids, changes noticed; another map; a map that was corrected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from beliefs import SECOND, scene, state
from tabletop import PERIOD, Box, observe

from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.scene import SceneState, Visibility

DAY = 86_400 * SECOND
CUBE = (0.09, 0.09, 0.1)
BOXES = (
    Box((0.0, -0.25, 0.05), CUBE, (220, 40, 40)),
    Box((0.0, 0.0, 0.05), (0.06, 0.06, 0.14), (40, 220, 40)),
    Box((0.0, 0.25, 0.05), (0.12, 0.08, 0.08), (40, 40, 220)),
    Box((0.25, -0.15, 0.05), (0.08, 0.12, 0.06), (220, 220, 40)),
    Box((0.25, 0.15, 0.05), (0.1, 0.1, 0.12), (40, 220, 220)),
)


def live(path: Path, boxes: Sequence[Box], start: int, frames: int = 40) -> None:
    """Run the tracker with its memory, as a session does."""
    with Memory(path) as memory:
        tracker = ObjectTracker(first_number=memory.next_object_number())
        tracker.restore(memory.restore("map", start))
        for k in range(frames):
            frame, slots = observe(boxes, start + k * PERIOD)
            objects, events = tracker.update(frame, slots)
            memory.write(SceneState(frame.stamp, slots, objects, events))


def test_two_days_later_ids_are_kept_and_what_changed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    live(path, BOXES, SECOND)
    with MemoryReader(path) as memory:
        before = {s.id: s.position for s in memory.objects()}
        names = {i: min(before, key=lambda k: abs(before[k] - box.center).sum())
                 for i, box in enumerate(BOXES)}  # fmt: skip
    assert len(before) == 5
    moved = {0: BOXES[0].at(-0.2, -0.3), 2: BOXES[2].at(-0.15, 0.3)}
    later = [moved.get(i, box) for i, box in enumerate(BOXES) if i != 4]
    live(path, later, SECOND + 2 * DAY, frames=150)
    with MemoryReader(path) as memory:
        after = {s.id: s for s in memory.objects()}
        assert {names[i] for i in range(4)} == set(after)
        for i, box in moved.items():
            assert after[names[i]].position[:2] == pytest.approx(box.center[:2], abs=0.03)
        news = {(e.kind, e.subjects[0]) for e in memory.events(since=2 * DAY)}
        assert {("moved_unseen", names[0]), ("moved_unseen", names[2])} <= news
        assert ("removed", names[4]) in news
        assert {i for kind, i in news if kind == "moved_unseen"} == {names[0], names[2]}
        assert memory.events(since=2 * DAY, kind="appeared") == []
        told = memory.changes()
        assert told.known
        lines = told.sentence.splitlines()
        assert [line.split()[0] for line in lines] == sorted(names[i] for i in (0, 2, 4))
        assert f"{names[4]} is gone" in told.sentence
        assert memory.explain(names[0]).sentence.endswith("but nobody saw what did it")


def test_the_longer_the_absence_the_less_sure_the_place(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(scene(SECOND, state("o1", SECOND)))
        known = memory.restore("map")[0].pose_covariance
        spread = [
            float(np.sqrt(memory.restore("map", SECOND + hours * 3600 * SECOND)[0]
                          .pose_covariance[0, 0]))
            for hours in (0, 1, 24, 10_000)
        ]  # fmt: skip
    assert known[0, 0] == pytest.approx(1e-4)
    assert spread == pytest.approx([0.01, 0.0224, 0.0985, 0.1005], abs=1e-3)


def test_another_map_has_objects_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path, "kitchen") as memory:
        memory.write(scene(SECOND, state("o1", SECOND)))
    with Memory(path, "office") as memory:
        assert memory.restore("office") == []
        assert memory.next_object_number() == 2
        memory.write(scene(DAY, state("o2", DAY)))
        assert [r.state.id for _, r in memory.near(np.zeros(3), 1.0)] == ["o2"]
        assert "in kitchen" in memory.where_is("o1").sentence


def test_what_is_stored_moves_with_a_map_that_is_corrected(tmp_path: Path) -> None:
    quarter = Pose(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([1.0, 0.0, 0.0]))
    wide = np.diag([4e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4])
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.write(scene(SECOND, state("o1", SECOND, (1, 0, 0), pose_covariance=wide)))
        memory.write(scene(3 * SECOND, state("o1", 3 * SECOND, (2, 0, 0), pose_covariance=wide)))
        memory.label("o1", "mug")
        memory.correct_map(quarter)
        memory.write(scene(9 * SECOND, state("o2", 9 * SECOND, (5, 5, 0))))
        memory.correct_map(Pose(np.eye(3), np.array([0.0, 0.0, 1.0])))
    with MemoryReader(path) as reader:
        now, old = reader.record("o1"), reader.record("o1", 2 * SECOND)
        assert now is not None
        assert old is not None
        assert now.state.position == pytest.approx((1, 2, 1))
        assert old.state.position == pytest.approx((1, 1, 1))
        assert np.diag(now.state.pose_covariance)[:2] == pytest.approx((1e-4, 4e-4))
        assert reader.restore("map")[1].position == pytest.approx((5, 5, 1))
        assert [r.state.id for _, r in reader.near(np.array([1.0, 2, 1]), 0.1)] == ["o1"]
        once = reader.near(np.array([1.0, 1, 1]), 0.1, since=0, until=2 * SECOND)
        assert [r.state.id for _, r in once] == ["o1"]
        assert reader.near(np.array([2.0, 0, 0]), 0.1) == []
        labeled = reader.events(kind="labeled")[0]
        assert labeled.place == pytest.approx((1, 2, 1))
        told = [e.text for e in reader.events(kind="map_corrected")]
        assert told[0] == "the map map was corrected by 1.000 m and 90.00 degrees"
        used = [e.evidence[0] for e in reader.events(kind="map_corrected")]
        assert used == ["transform 1 0 0 0 0 0.707106781 0.707106781", "transform 0 0 1 0 0 0 1"]
        assert reader.record("o2").state.visibility is Visibility.VISIBLE  # type: ignore[union-attr]
