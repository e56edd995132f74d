"""Who is there and where: persons found in views become bodies that persist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from people_views import START, toward, view

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.interface import View
from perception_nodes.embodmocap.rig import Correction
from perception_nodes.embodmocap.skeleton import BONES, COUNT, LEFT, RIGHT
from perception_nodes.embodmocap.tracker import BodyTracker
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Person
from perception_simulation.people.walking import WalkingMotion

A, B = toward(0.0), toward(1.6)
STEP = 1.0 / 30.0
WALK = WalkingMotion()


def follow(frames: int, *cameras: str, noise: float = 2.0) -> tuple[BodyTracker, Person, Floats]:
    """A walker in view of cameras; the person and the truth at the end."""
    tracker = BodyTracker()
    for number in range(frames):
        time = number * STEP
        truth = WALK.at(time)
        for name, pose in (("camera_a", A), ("camera_b", B)):
            if name in cameras:
                people = tracker.update([view([truth], time, pose, name, noise)])
    return tracker, people[0], truth


def error(person: Person, truth: Floats) -> float:
    return float(np.linalg.norm(person.joints - truth, axis=1).mean())


def spread(person: Person) -> float:
    return float(np.sqrt(np.trace(person.covariances, axis1=1, axis2=2).mean()))


def without(seen: View, **changes: Floats) -> View:
    return replace(seen, keypoints=replace(seen.keypoints, **changes))


def test_one_view_with_depth_places_a_walker_within_a_few_centimeters() -> None:
    _, person, truth = follow(60, "camera_a")
    assert error(person, truth) < 0.05


def test_a_second_view_makes_joints_surer_and_nearer_to_the_truth() -> None:
    _, one, truth = follow(60, "camera_a")
    _, two, _ = follow(60, "camera_a", "camera_b")
    assert error(two, truth) < error(one, truth)
    assert spread(two) < spread(one)


def test_a_missing_view_widens_the_covariance() -> None:
    tracker, before, _ = follow(60, "camera_a", "camera_b")
    for number in range(60, 70):
        time = number * STEP
        seen = view([WALK.at(time)], time, A, "camera_a", 2.0)
        people = tracker.update([without(seen, confidence=np.zeros((1, COUNT)))])
    assert spread(people[0]) > 1.5 * spread(before)


def test_bones_are_learned_and_keep_their_lengths() -> None:
    tracker, person, truth = follow(90, "camera_a", "camera_b")
    true = np.array([np.linalg.norm(truth[a] - truth[b]) for a, b in BONES])
    long = true > 0.2
    assert np.abs(person.bone_lengths - true)[long].mean() < 0.03
    told = np.array([np.linalg.norm(person.joints[a] - person.joints[b]) for a, b in BONES])
    assert np.abs(told - true)[long].max() < 0.05
    assert tracker.twisted == 0


def test_two_who_cross_keep_their_ids() -> None:
    tracker = BodyTracker()
    stand = WALK.at(0.3) - [*WALK.at(0.3)[11:13].mean(axis=0)[:2], 0.0]
    names: list[dict[str, str]] = []
    for number in range(90):
        time = number * STEP
        x = 1.0 - 0.67 * time
        people = [stand + np.array([0.0, x, 0.0]), stand + np.array([0.45, -x, 0.0])]
        order = people if number % 2 else people[::-1]
        told = tracker.update([view(order, time, p, n, 2.0)
                               for n, p in (("camera_a", A), ("camera_b", B))])  # fmt: skip
        names.append({})
        for person in told:
            away = [error(person, truth) for truth in people]
            names[-1][person.id] = "first" if away[0] < away[1] else "second"
    assert len(names[-1]) == 2
    assert names[-1] == names[10]


def test_left_and_right_that_a_detector_exchanges_are_exchanged_back() -> None:
    tracker, _, _ = follow(30, "camera_a", "camera_b")
    order = np.arange(COUNT)
    order[list(LEFT)], order[list(RIGHT)] = RIGHT, LEFT
    for number in range(30, 36):
        time = number * STEP
        truth = WALK.at(time)
        seen = view([truth], time, A, "camera_a", 2.0)
        mirrored = without(seen, pixels=seen.keypoints.pixels[:, order])
        people = tracker.update([replace(mirrored, depths=seen.depths[:, order]),
                                 view([truth], time, B, "camera_b", 2.0)])  # fmt: skip
    assert tracker.twisted == 6
    assert error(people[0], truth) < 0.05


def test_a_view_that_comes_120_ms_late_still_helps() -> None:
    waiting: list[View] = []
    tracker = BodyTracker()
    for number in range(60):
        time = number * STEP
        truth = WALK.at(time)
        waiting.append(view([truth], time, B, "camera_b", 2.0))
        late = [waiting.pop(0)] if number >= 4 else []
        people = tracker.update([view([truth], time, A, "camera_a", 2.0), *late])
    assert tracker.late == 0
    assert error(people[0], truth) < 0.05
    assert len(people) == 1


def test_a_view_older_than_a_third_of_a_second_is_counted_and_not_used() -> None:
    tracker, _, _ = follow(30, "camera_a")
    tracker.update([view([WALK.at(0.2)], 0.2, B, "camera_b")])
    assert tracker.late == 1
    assert len(tracker.people()) == 1


def test_a_person_who_leaves_is_forgotten_after_a_second() -> None:
    tracker, _, _ = follow(30, "camera_a")
    for number in range(30, 62):
        people = tracker.update([view([], number * STEP, A)])
    assert people == ()


def test_confidence_zero_everywhere_finds_nobody_and_raises_nothing() -> None:
    tracker = BodyTracker()
    for number in range(5):
        seen = view([WALK.at(0.0)], number * STEP, A)
        assert tracker.update([without(seen, confidence=np.zeros((1, COUNT)))]) == ()


def test_keypoints_and_depths_that_are_not_numbers_are_left_out() -> None:
    tracker = BodyTracker()
    for number in range(30):
        time = number * STEP
        seen = view([WALK.at(time)], time, A, noise=2.0)
        pixels = seen.keypoints.pixels.copy()
        pixels[0, number % COUNT] = np.nan
        depths = seen.depths.copy()
        depths[0, (number + 3) % COUNT] = np.inf
        people = tracker.update([replace(without(seen, pixels=pixels), depths=depths)])
    assert np.isfinite(people[0].joints).all()
    assert np.isfinite(people[0].covariances).all()
    assert error(people[0], WALK.at(29 * STEP)) < 0.06


def test_sixty_people_are_limited_to_those_asked_for_and_none_is_invented() -> None:
    tracker = BodyTracker(most=20)
    places = [np.array([-(k // 10) * 1.0, (k % 10 - 4.5) * 0.5, 0.0]) for k in range(60)]
    crowd = [WALK.at(0.0) + place for place in places]
    for number in range(4):
        people = tracker.update([view(crowd, number * STEP, toward(0.0, 6.0))])
    assert len(people) == 20
    for person in people:
        assert min(error(person, truth) for truth in crowd) < 0.1


def test_a_clock_that_jumps_back_forgets_everyone() -> None:
    tracker, _, _ = follow(60, "camera_a")
    assert tracker.update([view([WALK.at(0.0)], 0.0, A)]) == ()
    assert tracker.stamp == START


def test_covariances_are_symmetric_positive_and_fit_the_errors() -> None:
    tracker, nees = BodyTracker(), []
    for number in range(150):
        time = number * STEP
        truth = WALK.at(time)
        people = tracker.update([view([truth], time, p, n, 3.0)
                                 for n, p in (("camera_a", A), ("camera_b", B))])  # fmt: skip
        if number > 60:
            off = people[0].joints - truth
            weighted = np.linalg.solve(people[0].covariances, off[..., None])[..., 0]
            nees.append(np.sum(off * weighted, axis=1))
            assert np.linalg.eigvalsh(people[0].covariances).min() > 0.0
    assert 0.3 < float(np.mean(nees)) < 4.0


def test_the_longer_a_camera_moves_uncorrected_the_less_sure_are_joints() -> None:
    def doubt(turns: list[float], corrected: int | None = None) -> float:
        tracker = BodyTracker()
        for number, turn in enumerate(turns):
            if number == corrected:
                tracker.corrections = {"camera_a": Correction()}
            time = number * STEP
            people = tracker.update([view([WALK.at(time)], time, toward(turn), "camera_a")])
        return float(np.trace(people[0].covariances, axis1=1, axis2=2).mean())

    still, moving = [0.0] * 90, np.linspace(0.0, 1.5, 90).tolist()
    assert doubt(moving) > 3.0 * doubt(still)
    assert doubt(moving, corrected=70) < 0.5 * doubt(moving)


def test_the_same_views_give_the_same_bytes() -> None:
    _, one, _ = follow(20, "camera_a", "camera_b")
    _, two, _ = follow(20, "camera_a", "camera_b")
    assert one.joints.tobytes() == two.joints.tobytes()
    assert one.covariances.tobytes() == two.covariances.tobytes()


def test_a_standing_foot_is_told_to_touch_and_a_swinging_one_not() -> None:
    tracker = BodyTracker()
    standing, swinging = [], []
    for number in range(120):
        time = number * STEP
        truth = WALK.at(time)
        people = tracker.update([view([truth], time, p, n, 1.0)
                                 for n, p in (("camera_a", A), ("camera_b", B))])  # fmt: skip
        if number > 30:
            for foot in (15, 16):
                speed = np.linalg.norm(WALK.at(time + 0.01) - WALK.at(time - 0.01), axis=1) / 0.02
                told = people[0].contacts[foot]
                (standing if speed[foot] < 0.05 else swinging).append(told)
    assert np.mean(standing) > 0.5
    assert np.mean(swinging) < 0.35


@pytest.mark.parametrize("far", [2.0, 4.0])
def test_one_view_without_depth_guesses_the_distance_and_says_how_unsure_it_is(far: float) -> None:
    tracker = BodyTracker(depth=False)
    pose = toward(0.0, far)
    for number in range(45):
        time = number * STEP
        truth = WALK.at(time)
        people = tracker.update([view([truth], time, pose, noise=2.0)])
    assert error(people[0], truth) < 0.25 * far
    assert spread(people[0]) > 0.05 * far


def test_one_whom_two_cameras_place_a_hand_apart_is_not_two() -> None:
    tracker = BodyTracker()
    apart = Pose(np.eye(3), np.array([0.0, 0.25, 0.0]))
    for number in range(60):
        time = number * STEP
        for name, pose, believed in (("camera_a", A, A), ("camera_b", B, apart @ B)):
            people = tracker.update([view([WALK.at(time)], time, pose, name, 2.0, believed)])
        assert len(people) <= 1
    assert error(people[0], WALK.at(59 * STEP)) < 0.3


def test_two_who_stand_close_together_stay_two_while_a_camera_sees_both() -> None:
    tracker = BodyTracker()
    stand = WALK.at(0.3)
    for number in range(30):
        people = tracker.update(
            [view([stand, stand + np.array([0.0, 0.2, 0.0])], number * STEP, A, noise=2.0)]
        )
    assert len(people) == 2
