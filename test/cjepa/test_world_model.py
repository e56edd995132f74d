"""The world model at run time, with a network that knows only how to go straight on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.actors import Actor
from perception_nodes.cjepa.calibration import (
    Calibration,
    read_calibration,
    write_calibration,
)
from perception_nodes.cjepa.events import EventDetector
from perception_nodes.cjepa.futures import CjepaFutures
from perception_nodes.cjepa.history import STEP, History
from perception_nodes.cjepa.influence import influences
from perception_nodes.cjepa.model import MAX_BODIES, Bodies, WorldModel, gaps, levels, unsupported
from perception_nodes.cjepa.motion import Belief, CjepaMotion
from perception_nodes.errors import ModelError
from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.track import Track
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.scene import (
    Event,
    EventKind,
    ObjectState,
    Visibility,
)

SECOND = 1_000_000_000


class StraightOn:
    """Everything keeps its velocity, but flees from present neighbors within 10 cm."""

    model_id = "straight-on"
    inputs: Mapping[str, tuple[int | str, ...]] = {}
    outputs: Mapping[str, tuple[int | str, ...]] = {}

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append(dict(inputs))
        states = inputs["states"].astype(np.float64)
        present = inputs["present"]
        last = states[:, -1].copy()
        offset = last[:, :, None, :3] - last[:, None, :, :3]
        apart = np.linalg.norm(offset, axis=-1)
        near = (apart < 0.1) & (apart > 0.0) & (present[:, None, :] > 0)
        away = offset / np.maximum(apart, 1e-6)[..., None]
        last[..., 12:15] += 0.3 * (away * near[..., None]).sum(axis=2)
        last[..., :3] += last[..., 12:15] * inputs["interval"][:, None, None]
        answer = np.concatenate((states[:, 1:], last[:, None]), axis=1)
        deviations = np.concatenate((inputs["beliefs"][:, 1:], inputs["beliefs"][:, -1:]), axis=1)
        return {
            "next_states": answer.astype(np.float32),
            "log_deviations": deviations[..., :6].astype(np.float32) + 0.1,
        }

    def facts(self) -> Mapping[str, str]:
        return {}


def thing(
    name: str,
    place: Sequence[float],
    velocity: Sequence[float] = (0.0, 0.0, 0.0),
    stamp: int = SECOND,
    seen: int | None = None,
) -> ObjectState:
    last = stamp if seen is None else seen
    return ObjectState(
        id=name,
        stamp=stamp,
        pose=Pose(np.eye(3), np.array(place, dtype=float)),
        pose_covariance=np.eye(6) * 1e-5,
        velocity=np.array(velocity, dtype=float),
        angular_velocity=np.zeros(3),
        twist_covariance=np.zeros((6, 6)),
        size=np.full(3, 0.06),
        visibility=Visibility.VISIBLE if last == stamp else Visibility.OCCLUDED,
        first_seen=0,
        last_seen=last,
        existence=1.0,
    )


@pytest.fixture
def network() -> StraightOn:
    return StraightOn()


@pytest.fixture
def model(network: StraightOn) -> WorldModel:
    return WorldModel(network, Calibration())


def test_heights_are_told_above_the_support_and_given_back_on_the_map(
    model: WorldModel, network: StraightOn
) -> None:
    now = Bodies.of([thing("a", (1.0, 2.0, 0.73), (0.5, 0.0, 0.0))])
    found = model.roll([now] * 3, 4)
    np.testing.assert_allclose(network.calls[0]["states"][0, -1, 0, 2], 0.03, atol=1e-6)
    np.testing.assert_allclose(found.states[0, -1, 0, :3], (1.2, 2.0, 0.73), atol=1e-5)


def test_uncertainty_grows_from_step_to_step(model: WorldModel) -> None:
    found = model.roll([Bodies.of([thing("a", (0, 0, 0.03), (0.1, 0, 0))])] * 3, 5)
    assert (np.diff(found.deviations[0, :, 0, 0]) > 0).all()


def test_who_stands_close_is_named_as_the_cause(model: WorldModel) -> None:
    moves = (0.05, 0.0, 0.0)
    now = Bodies.of([thing("a", (0, 0, 0.03), moves), thing("b", (0.07, 0, 0.03), moves),
                     thing("far", (2, 2, 0.03), moves)])  # fmt: skip
    _, found = influences(model, [now] * 3, 5)
    assert {(i.source, i.target) for i in found} == {("a", "b"), ("b", "a")}
    assert all(0.5 < i.strength <= 1.0 for i in found)


def test_no_object_gives_no_futures(model: WorldModel) -> None:
    assert CjepaFutures(model).foresee(SECOND, ()).predictions == ()


def test_one_object_is_foreseen_at_all_horizons(model: WorldModel) -> None:
    found = CjepaFutures(model).foresee(SECOND, [thing("a", (0, 0, 0.03), (0.5, 0, 0))])
    (prediction,) = found.predictions
    assert [s - SECOND for s in prediction.stamps] == [SECOND // 2 * k for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(prediction.poses[1].translation, (0.5, 0, 0.03), atol=1e-4)


def test_objects_beyond_the_most_are_foreseen_one_by_one_and_named(model: WorldModel) -> None:
    objects = [thing(f"o{k}", (0.3 * k, 0, 0.03)) for k in range(MAX_BODIES + 3)]
    objects[0] = thing("o0", (0, 0, 0.03), (0.2, 0, 0))
    futures = CjepaFutures(model)
    found = futures.foresee(SECOND, objects)
    assert len(found.predictions) == len(objects)
    # those farthest from what moves
    assert futures.left_to_kalman == ("o16", "o17", "o18")


def test_an_object_with_numbers_that_are_none_is_left_to_the_kalman_filter(
    model: WorldModel, network: StraightOn
) -> None:
    futures = CjepaFutures(model)
    futures.foresee(SECOND, [thing("a", (0, 0, 0.03)), thing("bad", (np.nan, 0, 0.03))])
    assert futures.left_to_kalman == ("bad",)
    assert all(np.isfinite(x).all() for call in network.calls for x in call.values())


def test_an_object_that_appears_has_its_first_state_as_its_past(model: WorldModel) -> None:
    history = History()
    history.note(SECOND, [thing("a", (0, 0, 0.03))])
    history.note(SECOND + STEP, [thing("a", (0, 0, 0.03)), thing("new", (1, 0, 0.03))])
    oldest = history.bodies()[0]
    assert oldest.ids == ("a", "new")
    np.testing.assert_allclose(oldest.states[1, :3], (1, 0, 0.03))


@pytest.mark.parametrize("jump", [10 * SECOND, -5 * SECOND])
def test_a_gap_and_time_that_goes_back_start_the_history_anew(jump: int) -> None:
    history = History()
    for k in range(4):
        history.note(SECOND + k * STEP, [thing("a", (0.1 * k, 0, 0.03))])
    history.note(SECOND + jump, [thing("a", (5, 0, 0.03))])
    assert history.stamp == SECOND + jump
    np.testing.assert_allclose(history.bodies()[0].states[0, :3], (5, 0, 0.03))


def test_moments_lie_on_a_grid_whatever_the_frame_rate() -> None:
    history = History()
    for k in range(8):
        stamp = SECOND + k * SECOND // 15
        history.note(stamp, [thing("a", (k / 15, 0, 0.03), stamp=stamp)])
    places = [b.states[0, 0] for b in history.bodies()]
    np.testing.assert_allclose(places, (0.2, 0.3, 0.4), atol=1e-6)


def test_a_shelf_and_the_floor_are_two_worlds() -> None:
    bodies = Bodies.of([thing("low", (0, 0, 0.03)), thing("high", (0, 0, 1.03)),
                        thing("on low", (0, 0, 0.09))])  # fmt: skip
    assert levels(bodies) == [[0, 2], [1]]


def test_what_hangs_in_the_air_is_told_from_what_stands_on_something() -> None:
    bodies = Bodies.of([thing("a", (0, 0, 0.03)), thing("on a", (0, 0, 0.09)),
                        thing("hangs", (0.5, 0, 0.2))])  # fmt: skip
    assert unsupported(bodies).tolist() == [False, False, True]


def frames(motion: CjepaMotion, objects: Sequence[ObjectState], count: int) -> Mapping[str, Any]:
    """Tell of the same objects for some steps; what is believed of the unseen at the end."""
    found: Mapping[str, Any] = {}
    for k in range(count):
        stamp = SECOND + k * STEP
        then = [thing(o.id, o.position, o.velocity, stamp, 0 if o.last_seen == 0 else None)
                for o in objects]  # fmt: skip
        found = motion.advance(stamp + STEP, then)
    return found


def test_an_unseen_object_at_rest_stays_exactly_where_it_is(model: WorldModel) -> None:
    hidden = thing("hidden", (0, 0, 0.03), seen=0)
    assert frames(CjepaMotion(model), [hidden, thing("far", (1, 0, 0.03))], 4) == {}


def test_an_unseen_object_is_pushed_by_what_is_seen(model: WorldModel) -> None:
    hidden = thing("hidden", (0, 0, 0.03), seen=0)
    found = frames(CjepaMotion(model), [hidden, thing("pusher", (0.07, 0, 0.03), (0.02, 0, 0))], 4)
    assert set(found) == {"hidden"}
    assert found["hidden"].velocity[0] == pytest.approx(-0.3, abs=1e-5)
    assert found["hidden"].position[0] == pytest.approx(-0.03, abs=1e-5)


def test_certainty_about_an_unseen_object_falls_as_calibrated(network: StraightOn) -> None:
    narrow, wide = (
        frames(
            CjepaMotion(WorldModel(network, Calibration(widening))),
            [thing("hidden", (0, 0, 0.03), seen=0), thing("pusher", (0.07, 0, 0.03), (0.02, 0, 0))],
            4,
        )["hidden"].covariance[0, 0]
        for widening in ((0.0,), (0.0, 1.0))
    )
    # widened once for its age, not once more at each step
    assert wide == pytest.approx(narrow * np.exp(2.0))


def test_what_the_robot_does_is_told_to_the_network(model: WorldModel, network: StraightOn) -> None:
    motion = CjepaMotion(model)
    tip, velocity = np.array([0.1, 0.0, 0.05]), np.array([0.2, 0.0, 0.0])
    motion.tell_actor(Actor("robot", tip, velocity))
    motion.advance(SECOND + STEP, [thing("hidden", (0, 0, 0.03), seen=0)])
    robot: Floats = network.calls[-1]["robot"][0]
    np.testing.assert_allclose(robot[:, 6], 1.0)
    # the frame to come is one step after the objects that are told of
    np.testing.assert_allclose(robot[-1, :3], tip, atol=1e-6)
    np.testing.assert_allclose(robot[-2, :3], (0.08, 0.0, 0.05), atol=1e-6)


def test_what_is_known_of_shapes_is_told_to_the_network(
    model: WorldModel, network: StraightOn
) -> None:
    motion = CjepaMotion(model)
    can = dataclasses.replace(thing("can", (0, 0, 0.03), seen=0), roundness=np.array([0, 0, 1.0]))
    motion.advance(SECOND + STEP, [can, thing("other", (0.1, 0, 0.03), (0.2, 0, 0))])
    told_of = network.calls[-1]["roundness"]
    np.testing.assert_array_equal(told_of[0], [[0.0, 0.0, 1.0], [0.5, 0.5, 0.5]])


def told(detector: EventDetector, places: Sequence[float]) -> list[Event]:
    """Events while b is at places along x, a step each, and a stays at 0."""
    found: list[Event] = []
    for k, x in enumerate(places):
        stamp = SECOND + k * STEP
        found += detector.tell(
            stamp, [thing("a", (0, 0, 0.03), stamp=stamp), thing("b", (x, 0, 0.03), stamp=stamp)]
        )
    return found


def test_a_touch_and_its_end_are_told_once_each(model: WorldModel) -> None:
    found = told(EventDetector(model), [0.3] * 3 + [0.061] * 4 + [0.3] * 4)
    kinds = [e.kind for e in found if e.kind is not EventKind.SURPRISE]
    assert kinds == [EventKind.CONTACT_ON, EventKind.CONTACT_OFF]


def test_a_touch_of_one_moment_is_not_believed(model: WorldModel) -> None:
    found = told(EventDetector(model), [0.3, 0.3, 0.061, 0.3, 0.3])
    assert not [e for e in found if e.kind is EventKind.CONTACT_ON]


def test_only_what_was_not_expected_is_a_surprise(model: WorldModel) -> None:
    calm = told(EventDetector(model), [0.3] * 6)
    jumped = told(EventDetector(model), [0.3] * 4 + [0.5] * 2)
    assert calm == []
    assert [(e.kind, e.subjects) for e in jumped] == [(EventKind.SURPRISE, ("b",))]


def test_turned_boxes_touch_with_their_corners() -> None:
    turned = thing("b", (0.07, 0, 0.03))
    eighth = np.array([[1, -1, 0], [1, 1, 0], [0, 0, np.sqrt(2)]]) / np.sqrt(2)
    turned = dataclasses.replace(turned, pose=Pose(eighth, turned.position))
    gap = gaps(Bodies.of([thing("a", (0, 0, 0.03)), turned]))[0, 1]
    assert gap == pytest.approx(0.07 - 0.03 - 0.03 * np.sqrt(2), abs=1e-9)


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = Calibration((0.1, 0.2), 0.01, 0.005, 14.0)
    write_calibration(written, tmp_path / "c.json")
    assert read_calibration(tmp_path / "c.json") == written
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(ModelError, match="calibrate"):
        read_calibration(tmp_path / "c.json")


class Carried:
    """Says that every unseen object is carried to one place."""

    def __init__(self) -> None:
        self.resets = 0

    def advance(self, _stamp: int, objects: Sequence[ObjectState]) -> Mapping[str, Belief]:
        there = Belief(np.array([0.4, 0.1, 0.05]), np.zeros(3), np.eye(6) * 1e-3, np.eye(3))
        return {item.id: there for item in objects if item.last_seen < item.stamp}

    def reset(self) -> None:
        self.resets += 1


def test_a_track_follows_what_the_motion_model_believes() -> None:
    track = Track.from_state(thing("o7", (0, 0, 0.03)))
    belief = Carried().advance(0, [thing("o7", (0, 0, 0.03), seen=0)])["o7"]
    before = track.points.mean(axis=0)
    track.follow(belief)
    np.testing.assert_allclose(track.position, (0.4, 0.1, 0.05))
    np.testing.assert_allclose(track.points.mean(axis=0), before, atol=1e-12)
    # the published covariance is the believed one: the bias of the shape is not counted twice
    published = track.state(SECOND).pose_covariance
    np.testing.assert_allclose(np.diag(published)[:3], 1e-3, rtol=1e-6)


def test_a_reset_tracker_resets_its_motion_model() -> None:
    motion = Carried()
    ObjectTracker(motion=motion).reset()
    assert motion.resets == 1


def test_what_nothing_can_have_moved_stays_as_certain_as_it_was(model: WorldModel) -> None:
    found = model.roll([Bodies.of([thing("a", (0, 0, 0.03))])] * 3, 5)
    assert (np.diff(found.deviations[0, :, 0], axis=0) == 0).all()


def test_many_ways_of_the_robot_are_asked_for_once(model: WorldModel, network: StraightOn) -> None:
    model.roll([Bodies.of([thing("a", (0, 0, 0.03))])] * 3, 1, np.zeros((5, 4, 6)))
    assert len(network.calls[-1]["states"]) == 5


@pytest.mark.parametrize(
    ("heights", "speed", "asked"),
    [((0.03, 0.03), 0.2, [4, 8]), ((0.03, 0.03), 0.0, [4]), ((0.03, 0.09), 0.0, [4, 8])],
)
def test_only_who_may_matter_to_another_is_left_out(
    network: StraightOn, heights: tuple[float, float], speed: float, asked: list[int]
) -> None:
    """Two side by side, one of which moves; both at rest; or one on the other."""
    place = 0.12 if heights[0] == heights[1] else 0.0
    near = [thing("a", (0, 0, heights[0]), (0, speed, 0)), thing("b", (place, 0, heights[1]))]
    alone = [thing(f"far{k}", (1.0 + k, 1.0, 0.03)) for k in range(4)]
    model = WorldModel(network, Calibration())
    influences(model, [Bodies.of([*near, *alone])] * 3, 1)
    assert [len(call["states"]) for call in network.calls] == asked
