from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tabletop import DEFAULT_VIEW, PERIOD, Box, look_at, observe

from perception_nodes.errors import InputError
from perception_nodes.gate.change import glance, moved
from perception_nodes.gate.conformal import choose_threshold, upper_bound
from perception_nodes.gate.source import GatedSource
from perception_nodes.objects.parameters import TrackerParameters
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.scene import Frame, Slots, Visibility

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))
ASIDE = look_at((-0.85, 0.2, 0.8), (0.0, 0.0, 0.0))


class Finder:
    """Finds what the scene says, and counts how often it was asked."""

    model_id = "test"

    def __init__(self) -> None:
        self.boxes: tuple[Box, ...] = (MUG,)
        self.asked = 0

    def find(self, frame: Frame) -> Slots:
        self.asked += 1
        assert frame.pose is not None
        return observe(self.boxes, frame.stamp, frame.pose, frame.camera_name)[1]

    def reset(self) -> None:
        pass


def distance(before: Frame, now: Frame) -> float:
    a, b = glance(before), glance(now)
    assert a is not None
    assert b is not None
    return float(moved(a, b).max())


def test_a_still_scene_is_not_searched_again_until_the_longest_rest() -> None:
    finder = Finder()
    gate = GatedSource(finder)
    for k in range(8 + 14):
        gate.find(observe((MUG,), (k + 1) * PERIOD)[0])
    assert finder.asked == 8
    for k in range(22, 26):
        gate.find(observe((MUG,), (k + 1) * PERIOD)[0])
    assert finder.asked == 9


def test_something_that_moves_is_searched_for_at_once() -> None:
    finder = Finder()
    gate = GatedSource(finder)
    for k in range(10):
        gate.find(observe((MUG,), (k + 1) * PERIOD)[0])
    slots = gate.find(observe((MUG.at(0.0, 0.06),), 11 * PERIOD)[0])
    assert not slots.rested


def test_a_camera_that_moves_past_still_things_sees_no_change() -> None:
    still, aside = observe((MUG,), 0)[0], observe((MUG,), 1, ASIDE)[0]
    assert distance(still, aside) < 0.01
    assert distance(still, replace(aside, pose=DEFAULT_VIEW)) > 0.03


def test_light_plays_no_part() -> None:
    frame = observe((MUG,), 0)[0]
    dark = replace(frame, color=frame.color // 3)
    assert distance(frame, dark) == 0.0


def repainted(frame: Frame, gain: float = 1.0, *, mug: bool = False) -> Frame:
    """A checkered world in another light, and with the mug in another color."""
    rows, columns = np.indices(frame.depth.shape)
    color = np.where(((rows // 6 + columns // 6) % 2 == 0)[..., None], 90, 140) + 0.3 * frame.color
    if mug:
        color[frame.color[..., 0] > 150] = 20
    return replace(frame, color=np.clip(gain * color, 0, 255).astype(np.uint8))


def color_change(before: Frame, now: Frame) -> float:
    a, b = glance(before, color=True), glance(now, color=True)
    assert a is not None
    assert b is not None
    return float(moved(a, b).max())


@pytest.mark.parametrize("gain", [0.7, 1.2])
def test_light_that_flickers_is_no_change_for_sources_that_look_at_color(gain: float) -> None:
    frame = observe((MUG,), 0)[0]
    assert color_change(repainted(frame), repainted(frame, gain)) < 0.005


def test_a_thing_that_changes_its_color_is_a_change_for_sources_that_look_at_color() -> None:
    frame = observe((MUG,), 0)[0]
    assert color_change(repainted(frame), repainted(frame, 0.8, mug=True)) > 0.02
    assert distance(repainted(frame), repainted(frame, mug=True)) == 0.0


@pytest.mark.parametrize("step", [0.02, 0.04])
def test_change_is_about_how_far_an_edge_moved(step: float) -> None:
    before, now = observe((MUG,), 0)[0], observe((MUG.at(0.0, step),), 1)[0]
    assert 0.4 * step < distance(before, now) < 1.6 * step


def test_while_the_source_rests_objects_stay_and_are_known_less_well() -> None:
    tracker, gate = ObjectTracker(), GatedSource(Finder())
    for k in range(10):
        frame = observe((MUG,), (k + 1) * PERIOD)[0]
        states, _ = tracker.update(frame, gate.find(frame))
        if k == 7:
            looked = states[0]
    assert states[0].last_seen == looked.last_seen == 8 * PERIOD
    assert states[0].stamp == 10 * PERIOD
    assert states[0].visibility == looked.visibility
    assert np.trace(states[0].pose_covariance) > np.trace(looked.pose_covariance)


def test_frames_without_a_pose_are_always_searched() -> None:
    finder = Finder()
    gate = GatedSource(finder)
    for k in range(10):
        gate.find(observe((MUG,), (k + 1) * PERIOD)[0])
    asked = finder.asked
    with pytest.raises(AssertionError):
        gate.find(replace(observe((MUG,), 11 * PERIOD)[0], pose=None))
    assert finder.asked == asked + 1


def test_a_conformal_bound_covers_what_it_states() -> None:
    rng = np.random.default_rng(3)
    held = [
        rng.exponential() <= upper_bound(rng.exponential(size=(99, 1)).tolist(), 0.1)
        for _ in range(4000)
    ]
    assert abs(np.mean(held) - 0.9) < 0.02


def test_a_bound_for_sequences_covers_although_their_errors_come_in_clumps() -> None:
    rng = np.random.default_rng(4)

    def sequence() -> list[float]:
        return (rng.exponential() * rng.uniform(0.9, 1.1, rng.integers(1, 30))).tolist()

    bounds = [upper_bound([sequence() for _ in range(29)], 0.1) for _ in range(600)]
    held = [np.mean(np.array(sequence()) <= bound) for bound in bounds]
    assert 0.88 < np.mean(held) < 0.95


def test_too_few_errors_promise_nothing() -> None:
    assert upper_bound([[0.0]] * 8, 0.1) == float("inf")
    assert upper_bound([], 0.1) == float("inf")
    with pytest.raises(InputError, match="can't be promised"):
        upper_bound([[0.0]] * 8, 1.0)


def test_the_largest_threshold_that_keeps_the_promise_is_chosen() -> None:
    errors = {
        0.01: [[0.001] * 3] * 33,
        0.02: [[0.004] * 3] * 33,
        0.03: [[0.004] * 3] * 26 + [[0.05] * 3] * 7,
    }
    assert choose_threshold(errors, 0.01, 0.1) == 0.02
    assert choose_threshold(errors, 0.0001, 0.1) == 0.0


def test_nothing_is_hidden_or_withdrawn_because_nobody_looked() -> None:
    tracker, finder = ObjectTracker(), Finder()
    for k in range(8):
        frame = observe((MUG,), (k + 1) * PERIOD)[0]
        tracker.update(frame, finder.find(frame))
    (looked,) = tracker.states()
    for k in range(8, 8 + 75):
        frame, slots = observe((MUG,), (k + 1) * PERIOD)
        nothing = np.zeros_like(slots.labels)
        rest = replace(slots, items=(), labels=nothing, rested=True)
        (state,), events = tracker.update(frame, rest)
        assert not events
    assert state.visibility is looked.visibility is Visibility.VISIBLE
    assert state.existence == looked.existence
    grown = np.diag(state.pose_covariance - looked.pose_covariance)[:3]
    np.testing.assert_allclose(grown, TrackerParameters().hidden_drift ** 2 * 5.0, rtol=0.01)


def test_what_stopped_is_not_predicted_to_go_on_while_the_source_rests() -> None:
    tracker, finder = ObjectTracker(), Finder()
    for k in range(20):
        finder.boxes = (MUG.at(0.0, 0.02 * max(0, k - 8)),)
        frame, slots = observe(finder.boxes, (k + 1) * PERIOD)
        tracker.update(frame, slots)
    (last,) = tracker.states()
    assert last.velocity[1] > 0.2
    for k in range(20, 35):
        frame, slots = observe(finder.boxes, (k + 1) * PERIOD)
        (state,), _ = tracker.update(frame, replace(slots, items=(), rested=True))
    assert state.position[1] - last.position[1] < 0.12
    assert not state.velocity.any() or np.linalg.norm(state.velocity) < 0.05
