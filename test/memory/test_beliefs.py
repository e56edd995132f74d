"""Sally and Anne: who saw what, and what they believe because of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beliefs import SECOND, scene, state

from perception_nodes.memory.beliefs import BeliefTracker
from perception_nodes.memory.gaze import Gaze, blocks, gaze_of, sees
from perception_nodes.memory.minds import AgentBelief
from perception_nodes.memory.question import recall
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import ObjectState, Person, Visibility

HERE, THERE = (0.0, 0.5, 0.0), (0.0, -0.5, 0.0)
NAMES = ("nose", "left_ear", "right_ear")
Place = tuple[float, float, float]


def person(stamp: int, name: str, toward: Place, noise: float = 0.0) -> Person:
    """A person 2 m away whose nose points somewhere."""
    eye = np.array([2.0, 0.0, 0.0])
    ahead = (np.array(toward) - eye) / np.linalg.norm(np.array(toward) - eye)
    side = np.cross(ahead, [0, 0, 1.0])
    joints = np.array([eye, eye - 0.1 * ahead + 0.08 * side, eye - 0.1 * ahead - 0.08 * side])
    covariances = np.tile(np.eye(3) * noise**2, (3, 1, 1))
    return Person(name, stamp, NAMES, joints, covariances, np.zeros(3), np.zeros(2))


def gaze(toward: Place = (0.0, 0.0, 0.0), **changes: object) -> Gaze:
    found = gaze_of(person(0, "sally", toward))
    assert found is not None
    return replace(found, **changes)  # type: ignore[arg-type]


def away() -> Place:
    return (9.0, 0.0, 0.0)


def play(path: Path, *, sally_stays: bool = False, noise: float = 0.0) -> None:
    """Sally sees the marble, leaves; Anne sees it moved; Sally comes back and looks elsewhere."""
    with Memory(path) as memory:
        for k in range(1, 40):
            stamp = k * SECOND
            place = HERE if k < 15 else THERE
            looks = k < 10 or sally_stays
            people = (
                person(stamp, "sally", (0.0, 0.0, 0.0) if looks else away(), noise),
                person(stamp, "anne", (0.0, 0.0, 0.0), noise),
            )
            made = scene(stamp, state("o1", stamp, place))
            memory.write(replace(made, people=people))
        memory.label("o1", "marble")


def belief(path: Path, agent: str, at: int | None = None) -> AgentBelief:
    with MemoryReader(path) as memory:
        found = memory.belief_of(agent, "o1", at)
    assert found is not None
    return found


def test_who_was_away_looks_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path)
    sally, anne = belief(path, "sally"), belief(path, "anne")
    assert sally.place == pytest.approx(HERE)
    assert sally.false > 0.95
    assert anne.place == pytest.approx(THERE)
    assert anne.false < 0.05
    with MemoryReader(path) as memory:
        assert [b.agent for b in memory.false_beliefs()] == ["sally"]
        assert memory.false_beliefs(12 * SECOND) == []
        said = recall(memory, "where does sally think the marble is?")
        assert said.sentence.startswith("sally thinks that marble (o1) is at (0.00, 0.50, 0.00)")
        assert said.sentence.endswith("that is wrong")
        assert said.evidence[0].startswith("belief ")
        assert not recall(memory, "where will bob look for the marble").known


def test_who_stayed_knows(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path, sally_stays=True)
    assert belief(path, "sally").place == pytest.approx(THERE)


def test_an_uncertain_gaze_widens_what_may_be_believed(tmp_path: Path) -> None:
    sure, unsure = tmp_path / "sure.db", tmp_path / "unsure.db"
    play(sure)
    play(unsure, noise=0.15)
    assert belief(unsure, "sally").false < belief(sure, "sally").false
    assert belief(unsure, "sally").probability < belief(sure, "sally").probability
    assert belief(unsure, "anne").deviation > belief(sure, "anne").deviation


def test_who_finds_the_place_empty_has_no_idea() -> None:
    tracker = BeliefTracker()
    tracker.update([gaze()], [state("o1", 0, HERE)])
    hidden = state("o1", 0, (0.0, 9.0, 0.0))
    guesses = tracker.update([gaze()], [hidden])
    assert max(guess.probability for guess in guesses) < 0.05
    lost = state("o2", 0, HERE, Visibility.LOST)
    tracker.update([gaze()], [state("o2", 0, HERE)])
    guesses = tracker.update([gaze()], [lost])
    assert max(guess.probability for guess in guesses) < 0.05


def test_the_newest_place_that_was_seen_is_believed_even_if_the_old_one_was_not_checked() -> None:
    tracker = BeliefTracker()
    narrow = math.radians(10.0)
    tracker.update([gaze(HERE, half_angle=narrow)], [state("o1", 0, HERE)])
    guesses = tracker.update([gaze(THERE, half_angle=narrow)], [state("o1", 0, THERE)])
    assert [guess.probability for guess in guesses] == pytest.approx([0.0, 1.0], abs=0.05)


def test_nothing_is_seen_behind_a_back_a_wall_or_far_away() -> None:
    place = np.array(HERE)
    assert sees(gaze(), place, []) > 0.99
    assert sees(gaze(away()), place, []) == 0.0
    assert sees(gaze(reach=1.0), place, []) == 0.0
    wall: ObjectState = state("wall", 0, (1.0, 0.25, 0.0), size=np.array([0.1, 0.3, 0.5]))
    assert sees(gaze(), place, [wall]) == 0.0
    aside = state("wall", 0, (1.0, -0.5, 0.0), size=np.array([0.1, 0.3, 0.5]))
    assert sees(gaze(), place, [aside]) > 0.99


def test_the_edge_of_the_view_is_as_sharp_as_the_gaze_is_known() -> None:
    place = np.array([2.0 - math.cos(math.radians(60)), math.sin(math.radians(60)), 0.0])
    assert sees(gaze(), place, []) == pytest.approx(0.5, abs=0.02)
    inside = np.array([2.0 - math.cos(math.radians(50)), math.sin(math.radians(50)), 0.0])
    assert sees(gaze(), inside, []) > 0.95
    assert sees(gaze(deviation=math.radians(30)), inside, []) == pytest.approx(0.63, abs=0.02)


def test_a_line_along_a_face_of_a_box_is_judged_without_warnings() -> None:
    box = state("o1", 0, (0, 0, 0))
    assert not blocks(np.array([-1.0, 0.2, 0]), np.array([1.0, 0.2, 0]), box)
    assert blocks(np.array([-1.0, 0.0, 0]), np.array([1.0, 0.0, 0]), box)
    assert not blocks(np.array([-1.0, 0.0, 0]), np.array([-0.5, 0.0, 0]), box)


def test_a_head_that_is_not_known_has_no_gaze() -> None:
    known = person(0, "sally", HERE)
    assert gaze_of(replace(known, joint_names=("nose", "left_eye", "right_eye"))) is None
    joints = known.joints.copy()
    joints[1] = np.nan
    assert gaze_of(replace(known, joints=joints)) is None
    assert gaze_of(replace(known, joints=np.zeros((3, 3)))) is None


def test_another_robot_that_looks_or_is_told_believes_too(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.write(scene(SECOND, state("o1", SECOND, HERE)))
        memory.watch([gaze(agent="r2")])
        memory.tell("r3", "o1")
        memory.write(scene(2 * SECOND, state("o1", 2 * SECOND, THERE)))
        assert memory.agents() == ["r2", "r3"]
        assert {b.agent: b.how for b in memory.false_beliefs()} == {"r2": "saw", "r3": "told"}


def test_beliefs_outlive_a_restart_and_are_forgotten_on_request(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path)
    with Memory(path) as memory:
        memory.write(scene(50 * SECOND, state("o1", 50 * SECOND, THERE)))
        found = memory.belief_of("sally", "o1")
        assert found is not None
        assert found.place == pytest.approx(HERE)
        assert memory.forget("sally").beliefs > 0
        assert memory.agents() == ["anne"]
        assert memory.believes("sally", "marble").known is False
