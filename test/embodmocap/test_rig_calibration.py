"""Where cameras really are: found from people and the map, or refused with the reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from people_views import toward, view

from perception_nodes.embodmocap.calibration import Calibration, SurfacePoints
from perception_nodes.embodmocap.fusion import PeopleFusion, Upkeep
from perception_nodes.embodmocap.observation import Noise
from perception_nodes.embodmocap.rig import Correction, rotation
from perception_nodes.embodmocap.tracker import BodyTracker
from perception_nodes.geometry.pose import Pose
from perception_simulation.people.walking import WalkingMotion

A, B = toward(0.0), toward(1.6)
STEP = 1.0 / 30.0
WALK = WalkingMotion()
FRAMES = 45


def wrong(yaw: float = 0.0, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Pose:
    """An error about the middle, in degrees and meters."""
    return Pose(rotation(np.radians(yaw)), np.array(shift))


def film(error: Pose, delay: float = 0.0, stand: bool = False) -> PeopleFusion:
    """A walker before two cameras, the second of which is not where its transform says."""
    noise = Noise()
    fusion = PeopleFusion(BodyTracker(noise), noise, Upkeep())
    for number in range(FRAMES):
        time = number * STEP
        truth = WALK.at(0.0 if stand else time)
        fusion.update([view([truth], time, A, "camera_a", 1.0)])
        fusion.update([view([truth], time, B, "camera_b", 1.0, error @ B, delay)])
    return fusion


def between(found: Calibration, error: Pose) -> tuple[float, float]:
    """What is left of the error between the cameras, degrees and meters where people are."""
    a, b = (found.corrections[name] for name in ("camera_a", "camera_b"))
    left = a.apply(Pose.identity()).inverse() @ b.apply(error)
    there = np.array([0.0, 0.0, 0.9])
    away = float(np.linalg.norm(left.apply(there) - there))
    return float(np.degrees(left.angle_to(Pose.identity()))), away


@pytest.mark.parametrize(
    "error", [wrong(2.0), wrong(0.0, (0.05, 0.0, 0.0)), wrong(-3.0, (0.04, -0.06, 0.03))]
)
def test_a_wrong_transform_is_found_and_corrected(error: Pose) -> None:
    found = film(error).calibrate()
    assert found.refused == ""
    turn, away = between(found, error)
    assert turn < 0.5
    assert away < 0.015
    assert found.after < found.before


def test_two_degrees_or_five_centimeters_are_noticed() -> None:
    for error in (wrong(2.6), wrong(0.0, (0.065, 0.0, 0.0))):
        told = film(error).calibrate().noticed
        assert len(told) == 1
        assert "camera_b" in told[0]


def test_right_transforms_give_no_warning() -> None:
    found = film(wrong()).calibrate()
    assert found.noticed == ()
    turn, away = between(found, wrong())
    assert turn < 0.4
    assert away < 0.01


def test_a_clock_that_is_120_ms_off_is_found() -> None:
    found = film(wrong(), delay=0.12).calibrate()
    assert found.corrections["camera_b"].delay == pytest.approx(0.12, abs=0.015)


def test_of_people_who_stand_still_no_delay_is_claimed() -> None:
    found = film(wrong(), delay=0.12, stand=True).calibrate()
    assert found.corrections["camera_b"].delay == 0.0


def test_cameras_that_see_nothing_in_common_are_refused() -> None:
    noise = Noise()
    fusion = PeopleFusion(BodyTracker(noise), noise, Upkeep())
    away = np.array([0.0, 0.0, 40.0])
    other, there = WALK.at(0.0) + away, Pose(B.rotation, B.translation + away)
    for number in range(30):
        time = number * STEP
        fusion.update([view([WALK.at(time)], time, A, "camera_a", 1.0)])
        fusion.update([view([other], time, there, "camera_b", 1.0)])
    found = fusion.calibrate()
    assert "in common" in found.refused
    assert fusion.tracker.corrections == {}


def test_a_single_joint_does_not_tell_a_turn_and_is_refused() -> None:
    noise = Noise()
    fusion = PeopleFusion(BodyTracker(noise), noise, Upkeep())
    spine = np.tile([0.0, 0.0, 1.0], (17, 1)) + np.linspace(0, 0.5, 17)[:, None] * np.array(
        [0.0, 0.0, 1.0]
    )
    for number in range(30):
        time = number * STEP
        for pose, name in ((A, "camera_a"), (B, "camera_b")):
            fusion.update([view([spine], time, pose, name)])
    found = fusion.calibrate()
    assert "condition number" in found.refused


def test_nobody_at_all_is_refused_without_an_error() -> None:
    noise = Noise()
    found = PeopleFusion(BodyTracker(noise), noise).calibrate()
    assert found.refused


def test_the_map_tells_which_of_two_cameras_is_wrong() -> None:
    rng = np.random.default_rng(3)
    points, normals = [], []
    for axis in range(3):
        wall = rng.uniform(-1.0, 1.0, (800, 3))
        wall[:, axis] = -1.0
        points.append(wall)
        normals.append(np.tile(np.eye(3)[axis], (800, 1)))
    surface = SurfacePoints(np.concatenate(points), np.concatenate(normals))
    error = wrong(2.5, (0.05, 0.0, 0.0))
    fusion = film(error)
    fusion.surface = surface
    sample = surface.points[::3]
    deviation = np.full((len(sample), 1), 0.01)
    fusion.update(
        [view([WALK.at(2.0)], 2.0, A, "camera_a")],
        {
            "camera_a": np.hstack([sample, deviation]),
            "camera_b": np.hstack([error.apply(sample), deviation]),
        },
    )
    found = fusion.calibrate()
    assert found.refused == ""
    assert abs(np.degrees(found.corrections["camera_a"].yaw)) < 0.4
    assert np.degrees(found.corrections["camera_b"].yaw) == pytest.approx(-2.5, abs=0.4)
    assert len(found.noticed) == 1
    assert "camera_b" in found.noticed[0]


def test_the_covariance_of_a_correction_follows_its_pivot() -> None:
    correction = Correction(covariance=np.diag([1e-4, 1e-6, 1e-6, 1e-6]))
    moved = correction.about(np.array([2.0, 0.0, 0.0]))
    assert moved[2, 2] == pytest.approx(1e-6 + 4.0 * 1e-4)
    assert moved[1, 1] == pytest.approx(1e-6)


def go_on(fusion: PeopleFusion, first: int, error: Pose) -> None:
    """The same two cameras for another while."""
    for number in range(first, first + FRAMES):
        time = number * STEP
        truth = WALK.at(time)
        fusion.update([view([truth], time, A, "camera_a", 1.0)])
        fusion.update([view([truth], time, B, "camera_b", 1.0, error @ B)])


def test_each_calibration_adds_what_was_seen_since_the_last_one() -> None:
    error = wrong(-3.0, (0.04, -0.06, 0.03))
    fusion = film(error)
    first = fusion.calibrate()
    go_on(fusion, FRAMES, error)
    second = fusion.calibrate()
    assert second.joints <= first.joints + 17
    a, b = (np.trace(found.corrections["camera_b"].covariance) for found in (first, second))
    assert b < a
    assert between(second, error)[1] < 0.01


def test_a_camera_that_was_pushed_after_a_calibration_is_found_anew() -> None:
    fusion = film(wrong())
    sure = 1e-6 * np.eye(4)
    found = fusion.calibrate().corrections
    fusion.tracker.corrections = {n: replace(c, covariance=sure) for n, c in found.items()}
    pushed = wrong(5.0, (0.1, 0.05, 0.0))
    go_on(fusion, FRAMES, pushed)
    turn, away = between(fusion.calibrate(), pushed)
    assert turn < 0.5
    assert away < 0.02
