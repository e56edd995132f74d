"""What foresees objects is chosen by name, and a missing world model is no reason to stop."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes.cjepa.actors import Actor
from perception_nodes.cjepa.foresight import Foresight, make_foresight
from perception_nodes.cjepa.loading import load_world_model
from perception_nodes.cjepa.model import Bodies, Rollout, WorldModel
from perception_nodes.cjepa.names import KALMAN, LEARNED
from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.pose import Pose
from perception_nodes.model_cards import weights_folder
from perception_nodes.scene import EventKind, ObjectState, Person, Visibility

SECOND = 1_000_000_000
STEP = SECOND // 10


def shipped(folder: Path) -> Path:
    for name in ("cjepa.onnx", "cjepa.yaml", "cjepa_calibration.json"):
        shutil.copy(weights_folder() / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def model() -> WorldModel:
    return load_world_model(device="cpu")


def mug(x: float, stamp: int, seen: bool = True, name: str = "o1") -> ObjectState:
    return ObjectState(
        id=name,
        stamp=stamp,
        pose=Pose(np.eye(3), np.array([x, 0.0, 0.03])),
        pose_covariance=np.eye(6) * 1e-5,
        velocity=np.zeros(3),
        angular_velocity=np.zeros(3),
        twist_covariance=np.eye(6) * 1e-4,
        size=np.full(3, 0.06),
        visibility=Visibility.VISIBLE if seen else Visibility.OCCLUDED,
        first_seen=SECOND,
        last_seen=stamp if seen else SECOND,
        existence=1.0,
    )


def test_without_a_world_model_nothing_but_the_kalman_filter_is_there() -> None:
    found = make_foresight(KALMAN)
    assert (found.motion, found.events, found.problem) == (None, None, "")
    assert found.futures.model_id == "kalman-1"


def test_the_shipped_world_model_is_used_when_it_is_chosen() -> None:
    found = make_foresight(LEARNED, "cpu")
    assert found.problem == ""
    assert found.futures.model_id.startswith("cjepa")
    assert found.motion is not None
    assert found.events is not None


def damaged(folder: Path, file: str) -> Path:
    path = shipped(folder) / file
    content = path.read_bytes()
    path.write_bytes(content[:40])
    return folder


def missing(folder: Path, file: str) -> Path:
    (shipped(folder) / file).unlink()
    return folder


@pytest.mark.parametrize("file", ["cjepa.onnx", "cjepa.yaml", "cjepa_calibration.json"])
@pytest.mark.parametrize("spoil", [missing, damaged])
def test_a_world_model_that_is_missing_or_not_that_of_its_card_is_replaced_and_named(
    tmp_path: Path, file: str, spoil: Callable[[Path, str], Path]
) -> None:
    found = make_foresight(LEARNED, "cpu", spoil(tmp_path, file))
    assert found.futures.model_id == "kalman-1"
    assert found.motion is None
    assert Path(file).stem.split("_")[0] in found.problem
    assert found.notes == (found.problem,)


def test_a_name_that_nothing_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="kalman, cjepa"):
        make_foresight("magic")


def pushed(foresight: Foresight, told: bool) -> list[EventKind]:
    """A tool moves a mug by 30 cm/s; the kinds of what is found remarkable about it."""
    assert foresight.events is not None
    kinds = []
    for k in range(12):
        stamp = SECOND + k * STEP
        x = max(0.0, 0.03 * (k - 4))
        tip = np.array([0.03 * (k - 4) - 0.045, 0.0, 0.03])
        foresight.tell(Actor("robot", tip, np.array([0.3, 0.0, 0.0])) if told else None)
        state = mug(x, stamp)
        kinds += [e.kind for e in foresight.events.tell(stamp, [state])]
    return kinds


def test_what_the_robot_pushes_surprises_only_who_does_not_know_of_the_robot(
    model: WorldModel,
) -> None:
    assert EventKind.SURPRISE in pushed(Foresight(model), told=False)
    assert EventKind.SURPRISE not in pushed(Foresight(model), told=True)


def test_an_unseen_object_is_pushed_by_the_robot_that_is_told_of(model: WorldModel) -> None:
    places = {}
    for told in (False, True):
        foresight, place = Foresight(model), 0.0
        assert foresight.motion is not None
        for k in range(10):
            stamp = SECOND + k * STEP
            tip = np.array([0.02 * (k - 2) - 0.045, 0.0, 0.03])
            foresight.tell(Actor("robot", tip, np.array([0.2, 0.0, 0.0])) if told else None)
            believed = foresight.motion.advance(stamp + STEP, [mug(place, stamp, seen=k == 0)])
            if "o1" in believed:
                place = float(believed["o1"].position[0])
        places[told] = place
    assert places[False] == 0.0
    assert places[True] > 0.08


def test_who_pushes_is_named_as_the_cause(model: WorldModel) -> None:
    foresight = Foresight(model)
    foresight.tell(Actor("p3", np.array([-0.045, 0.0, 0.03]), np.array([0.2, 0.0, 0.0])))
    found = foresight.futures.foresee(SECOND, [mug(0.0, SECOND)])
    assert [(i.source, i.target) for i in found.influences] == [("p3", "o1")]


def test_who_pushed_a_frame_ago_does_not_push_for_ever(model: WorldModel) -> None:
    foresight = Foresight(model)
    foresight.tell(Actor("p3", np.array([-0.045, 0.0, 0.03]), np.array([0.2, 0.0, 0.0])))
    foresight.futures.foresee(SECOND, [mug(0.0, SECOND)])
    foresight.tell(None)
    found = foresight.futures.foresee(2 * SECOND, [mug(0.0, 2 * SECOND)])
    assert found.influences == ()


def reaching(stamp: int, palm_x: float, name: str = "p1") -> Person:
    """Someone of whom only the right arm is known; the palm lies 10 cm beyond the wrist."""
    joints = np.full((17, 3), np.nan)
    joints[8], joints[10] = (palm_x - 0.35, 0.0, 0.03), (palm_x - 0.1, 0.0, 0.03)
    return Person(
        name, stamp, tuple(f"j{k}" for k in range(17)), joints, np.zeros((17, 3, 3)),
        np.zeros(17), np.zeros(16),
    )  # fmt: skip


def swept(foresight: Foresight, people: bool) -> float:
    """Where an unseen mug is believed to be after a hand went 18 cm through its place."""
    assert foresight.motion is not None
    place = 0.0
    for k in range(10):
        stamp = SECOND + k * STEP
        foresight.learn([mug(place, stamp, seen=k == 0)])
        foresight.meet(stamp, [reaching(stamp, 0.02 * (k - 2) - 0.045)] if people else [])
        believed = foresight.motion.advance(stamp + STEP, [mug(place, stamp, seen=k == 0)])
        if "o1" in believed:
            place = float(believed["o1"].position[0])
    return place


def test_an_unseen_object_is_pushed_by_a_hand_that_somebody_sees(model: WorldModel) -> None:
    assert swept(Foresight(model), people=False) == 0.0
    assert swept(Foresight(model), people=True) > 0.08


@pytest.mark.parametrize(("robot", "causes"), [(False, [("p1", "o1")]), (True, [])])
def test_a_hand_is_named_as_the_cause_and_the_robot_goes_first(
    model: WorldModel, robot: bool, causes: list[tuple[str, str]]
) -> None:
    foresight = Foresight(model)
    foresight.learn([mug(0.0, SECOND)])
    for stamp, x in ((SECOND - STEP, -0.065), (SECOND, -0.045)):
        if robot:
            foresight.tell(Actor("robot", np.array([1.0, 0.0, 0.5]), np.zeros(3)))
        foresight.meet(stamp, [reaching(stamp, x)])
    found = foresight.futures.foresee(SECOND, [mug(0.0, SECOND)])
    assert [(i.source, i.target) for i in found.influences] == causes


def test_a_hand_that_is_far_from_everything_or_gone_pushes_nothing(model: WorldModel) -> None:
    for late, far in ((0, 1.0), (SECOND, 0.0)):
        foresight = Foresight(model)
        foresight.learn([mug(0.0, SECOND)])
        people = [reaching(SECOND + t, -0.065 - far) for t in (-STEP, 0)]
        foresight.meet(SECOND - STEP, people[:1])
        foresight.meet(SECOND + late, people[1:])
        found = foresight.futures.foresee(SECOND + late, [mug(0.0, SECOND + late)])
        assert found.influences == ()


def test_states_come_with_beliefs_of_mass_and_friction_and_lose_nothing_else() -> None:
    states = [mug(0.0, SECOND), mug(1.0, SECOND, name="o2")]
    found = Foresight().learn(states)
    assert [s.id for s in found] == ["o1", "o2"]
    assert found[0].log_mass.variance < states[0].log_mass.variance
    assert found[0].position is states[0].position


def test_an_unseen_object_moves_on_as_heavy_and_rough_as_was_learned(
    model: WorldModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[np.ndarray] = []
    roll = model.roll

    def spy(history: list[Bodies], *rest: Any) -> Rollout:
        asked.append(history[-1].physics[0])
        return roll(history, *rest)

    monkeypatch.setattr(model, "roll", spy)
    foresight = Foresight(model)
    assert foresight.motion is not None
    states = [mug(0.0, SECOND)]
    learned = foresight.learn(states)[0]
    # the tracker goes on with what it knew: states without what was learned
    foresight.motion.advance(SECOND + 2 * STEP, [mug(0.0, SECOND + STEP, seen=False)])
    mass, friction = learned.log_mass, learned.log_friction
    assert mass != states[0].log_mass
    assert asked[-1].tolist() == [mass.mean, mass.variance, friction.mean, friction.variance]
