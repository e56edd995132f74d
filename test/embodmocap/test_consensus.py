"""Which of several views to believe, joint by joint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from people_views import toward, view

from perception_nodes.embodmocap.consensus import believed
from perception_nodes.embodmocap.interface import View
from perception_nodes.embodmocap.observation import Noise, observe
from perception_nodes.embodmocap.tracker import BodyTracker
from perception_simulation.people.walking import WalkingMotion

WALK = WalkingMotion()
STEP = 1.0 / 30.0
POSES = [toward(angle) for angle in (0.0, 1.4, 2.9, 4.4)]
KNEE, WRIST = 13, 9


def film(time: float, wrong: dict[tuple[int, int], float], cameras: int = 4) -> list[View]:
    """Views of a walker; some joints of some cameras are so many pixels off, to the right."""
    views = []
    for number, pose in enumerate(POSES[:cameras]):
        seen = view([WALK.at(time)], time, pose, f"camera_{number}", 1.5)
        pixels = seen.keypoints.pixels.copy()
        for (camera, joint), off in wrong.items():
            if camera == number:
                pixels[0, joint, 0] += off
        views.append(replace(seen, keypoints=replace(seen.keypoints, pixels=pixels),
                             depths=np.full((1, 17), np.nan)))  # fmt: skip
    return views


def test_the_view_that_disagrees_is_left_out_at_that_joint_alone() -> None:
    views = film(0.2, {(2, KNEE): 40.0, (0, WRIST): -40.0})
    told = believed(observe([(v, 0) for v in views], Noise()))
    out = {(int(v), int(j)) for v, j in zip(*np.nonzero(~told), strict=True)}
    assert out == {(2, KNEE), (0, WRIST)}


def test_views_that_agree_within_their_noise_are_all_believed() -> None:
    assert believed(observe([(v, 0) for v in film(0.2, {})], Noise())).all()


def test_of_two_views_nobody_is_left_out() -> None:
    views = film(0.2, {(1, KNEE): 40.0}, cameras=2)
    assert believed(observe([(v, 0) for v in views], Noise())).all()


def test_a_joint_that_one_view_shows_wrongly_all_the_time_stays_where_the_others_see_it() -> None:
    off = {}
    for wrong in (0.0, 25.0):
        tracker, errors = BodyTracker(), []
        for number in range(45):
            people = tracker.update(film(number * STEP, {(2, KNEE): wrong}))
            if number > 20:
                errors.append(np.linalg.norm(people[0].joints[KNEE] - WALK.at(number * STEP)[KNEE]))
        off[wrong] = float(np.mean(errors))
    assert off[25.0] < off[0.0] + 0.005
