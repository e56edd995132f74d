from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.parameters import TrackerParameters
from perception_nodes.objects.recognition import absorber
from perception_nodes.objects.sighting import Sighting
from perception_nodes.objects.track import Track
from perception_nodes.scene import Slot

PERIOD = 0.1
SIZE = np.array([0.1, 0.1, 0.1])


def sighting(x: float, size: Floats = SIZE, *, cut: bool = False) -> Sighting:
    center = np.array([x, 0.0, 0.05])
    corners = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T * size
    pose, covariance, gray = Pose(np.eye(3), center), 1e-6 * np.eye(3), np.full(3, 90.0)
    slot = Slot(0, pose, covariance, size, 500, 1.0, cut, gray, corners + center)
    return Sighting(slot, center, np.eye(3), 1e-6 * np.eye(3), center + corners)


def followed(places: list[float]) -> Track:
    track = Track.start(1, 0, sighting(places[0]), "")
    for k, x in enumerate(places[1:], 1):
        track.see(round(k * PERIOD * 1e9), sighting(x), PERIOD, TrackerParameters())
    return track


def test_what_came_far_within_half_a_second_left_at_speed_although_it_paused() -> None:
    moved = [*np.linspace(0.0, 0.3, 6), *[0.3] * 3]
    assert followed(moved).departed > 0.2
    assert followed([0.0] * 9).departed == 0.0


def test_where_its_last_motion_was_told_stays_as_it_moves_on() -> None:
    assert followed([0.01 * k for k in range(9)]).anchor.tolist() == [0.0, 0.0, 0.05]


def test_one_wrong_sighting_of_a_thing_seen_in_part_does_not_make_it_large_for_ever() -> None:
    track = Track.start(1, 0, sighting(0.0, cut=True), "")
    wrong = np.array([0.4, 0.1, 0.1])
    track.see(1, sighting(0.0, wrong, cut=True), PERIOD, TrackerParameters())
    grown = float(track.size[0])
    assert 0.15 < grown < 0.25
    for k in range(60):
        track.see(2 + k, sighting(0.0, cut=True), PERIOD, TrackerParameters())
    assert float(track.size[0]) == pytest.approx(0.1, abs=0.02)


def test_what_only_shares_anothers_slot_within_its_box_is_taken_into_it() -> None:
    whole = Track.start(1, 0, sighting(0.0, np.array([0.3, 0.3, 0.1])), "")
    part = Track.start(2, 0, sighting(0.05, np.array([0.05, 0.05, 0.05])), "")
    whole.confirmed = part.confirmed = True
    assert absorber(part, [whole, part]) is None
    part.share(1)
    assert absorber(part, [whole, part]) is whole


def test_a_track_says_what_is_round_as_soon_as_it_was_seen_whole() -> None:
    normals = np.random.default_rng(0).normal(size=(60, 3))
    points = 0.05 * normals / np.linalg.norm(normals, axis=1, keepdims=True)
    seen = replace(sighting(0.0), points=points + np.array([0.0, 0.0, 0.05]))
    track = Track.start(1, 0, seen, "")
    assert track.state(0).roundness.tolist() == [0.5] * 3
    in_part = replace(sighting(0.0, cut=True), points=seen.points)
    track.see(1, in_part, PERIOD, TrackerParameters())
    assert track.state(1).roundness.tolist() == [0.5] * 3
    track.see(2, seen, PERIOD, TrackerParameters())
    assert (track.state(2).roundness > 0.9).all()


@pytest.mark.parametrize(
    ("before", "moving", "away", "lately", "travels"),
    [
        (False, True, 0.05, 0.05, True),
        (False, True, 0.03, 0.03, False),
        (True, True, 0.3, 0.05, True),
        (True, True, 0.3, 0.005, False),
        (True, False, 0.3, 0.05, False),
    ],
    ids=["far enough", "not yet", "goes on", "no farther than noise", "its filter rests"],
)
def test_a_motion_is_told_after_some_way_and_its_end_once_only_noise_is_left(
    before: bool, moving: bool, away: float, lately: float, travels: bool
) -> None:
    assert TrackerParameters().travels(before, moving, away, lately) is travels
