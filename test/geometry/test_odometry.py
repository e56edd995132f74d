from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from tabletop import CAMERA, Box, look_at, render

from perception_nodes.arrays import Floats
from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.odometry import RgbdOdometry
from perception_nodes.geometry.pose import Pose

# Objects of different heights, so that no motion leaves the depth image as it is.
CLUTTER = [
    Box((x, y, z / 2), (0.1, 0.12, z))
    for x, y, z in ((0.0, 0.15, 0.15), (0.05, -0.2, 0.25), (0.35, 0.0, 0.3), (-0.2, 0.0, 0.1))
]
BLIND = np.full((CAMERA.height, CAMERA.width), np.nan, np.float32)
NOISE = np.random.default_rng(1).uniform(0.3, 4.0, BLIND.shape).astype(np.float32)


def view(i: int) -> Pose:
    """A camera that moves 15 mm sideways and turns a little with every frame."""
    return look_at((-0.9, 0.015 * i, 0.8), (0.0, 0.005 * i, 0.0))


def depth_at(i: int) -> Floats:
    return render(CLUTTER, view(i))[0]


def follow(odometry: RgbdOdometry, images: Iterable[Floats]) -> Pose:
    pose = Pose.identity()
    for image in images:
        pose = odometry.track(image)
    return pose


def distance(a: Pose, b: Pose) -> float:
    return float(np.linalg.norm(a.translation - b.translation))


def recording(folder: Path) -> tuple[Camera, list[Path], Floats]:
    meta = yaml.safe_load((folder / "camera.yaml").read_text())
    camera = Camera(*(meta[key] for key in ("width", "height", "fx", "fy", "cx", "cy")))
    return camera, sorted((folder / "depth").iterdir()), np.loadtxt(folder / "poses.txt")


def millimeters(path: Path) -> Floats:
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) * 1e-3
    depth[depth == 0] = np.nan
    return depth


def test_the_first_image_has_the_pose_that_is_given() -> None:
    start = look_at((1.0, 2.0, 3.0), (0.0, 0.0, 0.0))
    assert RgbdOdometry(CAMERA, start).track(depth_at(0)) is start


def test_a_camera_around_a_table_is_followed_in_the_world_frame() -> None:
    pose = follow(RgbdOdometry(CAMERA, view(0)), (depth_at(i) for i in range(15)))
    assert distance(pose, view(14)) < 0.02 < 0.1 * distance(view(0), view(14)) + 0.02
    assert pose.angle_to(view(14)) < np.radians(1.0)


def test_a_camera_that_stands_still_does_not_drift() -> None:
    pose = follow(RgbdOdometry(CAMERA, view(0)), [depth_at(0)] * 10)
    assert distance(pose, view(0)) < 1e-4


@pytest.mark.parametrize("bad", [BLIND, NOISE, np.full_like(BLIND, np.inf)])
def test_an_image_that_tells_nothing_repeats_the_last_pose_and_is_counted(bad: Floats) -> None:
    odometry = RgbdOdometry(CAMERA, view(0))
    before = follow(odometry, (depth_at(i) for i in range(5)))
    assert odometry.track(bad) is before
    assert odometry.failures == 1


@pytest.mark.parametrize("bad", [BLIND, NOISE])
def test_bad_images_amid_good_ones_lose_no_motion(bad: Floats) -> None:
    images = [depth_at(i) for i in range(10)]
    images[4:6] = [bad, bad[::-1]]
    odometry = RgbdOdometry(CAMERA, view(0))
    pose = follow(odometry, images)
    assert odometry.failures == 2
    assert distance(pose, view(9)) < 0.02


def test_after_a_jump_to_another_place_motion_is_followed_from_there() -> None:
    other = [Box((x, 0.3, 0.2), (0.15, 0.1, 0.4)) for x in (-0.3, 0.1, 0.4)]
    jumped = [render(other, Pose(view(i).rotation, view(i).translation))[0][::-1] for i in range(8)]
    odometry = RgbdOdometry(CAMERA, view(0))
    before = follow(odometry, (depth_at(i) for i in range(3)))
    after = follow(odometry, jumped)
    assert 1 <= odometry.failures <= 3
    assert distance(before, after) > 0.02


def test_images_of_another_size_are_failures_not_crashes() -> None:
    odometry = RgbdOdometry(CAMERA, view(0))
    odometry.track(depth_at(0))
    odometry.track(np.ones((240, 320), np.float32))
    assert odometry.failures == 1


def test_the_same_images_give_the_same_poses_bit_for_bit() -> None:
    runs = [
        follow(RgbdOdometry(CAMERA, view(0)), (depth_at(i) for i in range(6))).matrix()
        for _ in range(2)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])


def test_an_old_opencv_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "Odometry")
    with pytest.raises(ConfigurationError, match="opencv-python-headless 5"):
        RgbdOdometry(CAMERA, Pose.identity())


@pytest.mark.parametrize(("name", "count"), [("icl_livingroom1", 40), ("box", 50)])
def test_real_and_rendered_recordings_are_followed_within_a_centimeter(
    shared_data: Path, name: str, count: int
) -> None:
    camera, files, truth = recording(shared_data / "rgbd" / name)
    start = Pose.from_quaternion(truth[0, 1:4], truth[0, 4:8])
    odometry = RgbdOdometry(camera, start)
    found = np.array([odometry.track(millimeters(f)).translation for f in files[:count]])
    error = np.linalg.norm(found - truth[:count, 1:4], axis=1)
    assert odometry.failures == 0
    assert np.sqrt(np.mean(error**2)) < 0.01
    assert np.linalg.norm(truth[count - 1, 1:4] - truth[0, 1:4]) > 0.3  # it did move
