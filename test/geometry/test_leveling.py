from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tabletop import CAMERA, Box, look_at, render

from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.leveling import OPTICAL_TO_BODY, leveling_rotation
from perception_nodes.geometry.pose import Pose

BOXES = (Box((0.0, 0.15, 0.1), (0.2, 0.2, 0.2)), Box((0.1, -0.2, 0.05), (0.1, 0.1, 0.1)))


def up_error(rotation: Floats, pose: Pose) -> float:
    """Angle (degrees) between the world's up and the found one, both in the optical frame."""
    return float(np.degrees(np.arccos(np.clip(rotation[2] @ pose.rotation[2], -1, 1))))


def rolled(pose: Pose, degrees: float) -> Pose:
    roll = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    return Pose(pose.rotation @ roll, pose.translation)


@pytest.mark.parametrize("height", [0.3, 0.6, 1.2])
@pytest.mark.parametrize("roll", [0.0, 12.0, -30.0])
def test_a_table_becomes_horizontal_however_the_camera_is_tilted(
    height: float, roll: float
) -> None:
    pose = rolled(look_at((-0.9, 0.2, height), (0.0, 0.0, 0.0)), roll)
    depth, _ = render(BOXES, pose)
    depth += np.random.default_rng(0).normal(0, 0.002, depth.shape).astype(np.float32)
    assert up_error(leveling_rotation(depth, CAMERA), pose) < 1.0


@pytest.mark.parametrize("eye", [(-0.9, 0.2, 0.5), (-0.01, 0.0, 1.0)])
def test_the_result_is_a_rotation_with_the_viewing_direction_ahead(
    eye: tuple[float, float, float],
) -> None:
    rotation = leveling_rotation(render(BOXES, look_at(eye, (0.0, 0.0, 0.0)))[0], CAMERA)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    viewing = rotation @ [0.0, 0.0, 1.0]
    assert viewing[1] == pytest.approx(0.0, abs=1e-9)
    assert viewing[0] > 0


def test_a_larger_wall_is_not_taken_for_the_floor() -> None:
    pose = look_at((-1.0, 0.0, 0.5), (0.0, 0.0, 0.3))
    wall = (Box((0.4, 0.0, 2.0), (0.1, 6.0, 4.0)),)
    depth, labels = render(wall, pose)
    assert (labels == 1).mean() > 0.5
    assert up_error(leveling_rotation(depth, CAMERA), pose) < 1.0


@pytest.mark.parametrize("kind", ["empty", "wall", "few"])
def test_without_a_support_plane_the_camera_is_taken_to_be_level(kind: str) -> None:
    depth = np.full((CAMERA.height, CAMERA.width), np.nan, np.float32)
    if kind == "wall":
        depth[:] = 2.0
    elif kind == "few":
        depth[:5, :5] = 1.0
    rotation = leveling_rotation(depth, CAMERA)
    np.testing.assert_array_equal(rotation, OPTICAL_TO_BODY)
    np.testing.assert_array_equal(rotation @ [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(rotation @ [0.0, 1.0, 0.0], [0.0, 0.0, -1.0])


def test_real_table_tops_become_horizontal(shared_data: Path) -> None:
    folder = shared_data / "objects" / "mosd_learn0"
    depth = cv2.imread(str(next(iter(sorted((folder / "depth").iterdir())))), cv2.IMREAD_UNCHANGED)
    label = cv2.imread(str(next(iter(sorted((folder / "label").iterdir())))), cv2.IMREAD_UNCHANGED)
    meters = depth.astype(np.float32) * 1e-3
    meters[depth == 0] = np.nan
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    rotation = leveling_rotation(meters, camera)
    table = (label >= 1) & (label <= 9) & np.isfinite(meters)
    heights = (camera.rays()[table] * meters[table][:, None]) @ rotation[2]
    low, high = np.percentile(heights, [5, 95])
    assert high - low < 0.03
