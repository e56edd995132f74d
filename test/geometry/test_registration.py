from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.registration import DepthRegistration, close_holes

DEPTH = Camera(160, 120, 140.0, 140.0, 79.5, 59.5)
COLOR = Camera(160, 120, 150.0, 148.0, 82.0, 57.0)
WIDE_COLOR = Camera(320, 180, 250.0, 250.0, 160.0, 90.0)
COLOR_FROM_DEPTH = Pose(
    Rotation.from_euler("xyz", [0.01, -0.02, 0.015]).as_matrix(), np.array([0.05, 0.01, -0.02])
)


def plane(camera: Camera, normal: Floats, distance: float) -> Floats:
    return (distance / (camera.rays() @ normal)).astype(np.float32)


def tilted_plane_in_both(color: Camera) -> tuple[Floats, Floats]:
    """The depth image of one plane as each camera measures it."""
    normal = np.array([0.2, -0.3, 0.93])
    in_color = COLOR_FROM_DEPTH.rotation @ normal
    distance = 1.5 + in_color @ COLOR_FROM_DEPTH.translation
    return plane(DEPTH, normal, 1.5), plane(color, in_color, distance)


@pytest.mark.parametrize("color", [COLOR, WIDE_COLOR, COLOR.scaled(80, 60)])
def test_a_plane_is_where_the_color_camera_would_measure_it(color: Camera) -> None:
    measured, expected = tilted_plane_in_both(color)
    found = DepthRegistration(DEPTH, color, COLOR_FROM_DEPTH).register(measured)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    inner = (
        slice(color.height // 5, -color.height // 5),
        slice(color.width // 5, -color.width // 5),
    )
    assert np.isfinite(found[inner]).all()
    np.testing.assert_allclose(found[inner], expected[inner], rtol=0.015)
    assert abs(np.median(found[inner] / expected[inner]) - 1) < 3e-3


def test_the_same_camera_gives_the_same_image_with_its_holes() -> None:
    depth, _ = tilted_plane_in_both(COLOR)
    depth[20:40, 30:70] = np.nan
    found = DepthRegistration(DEPTH, DEPTH, Pose.identity()).register(depth)
    np.testing.assert_allclose(found, depth, rtol=1e-6)


def test_the_nearer_surface_hides_the_farther_one() -> None:
    depth = np.full((120, 160), 3.0, np.float32)
    depth[40:80, 60:100] = 1.0
    sideways = Pose(np.eye(3), np.array([0.1, 0.0, 0.0]))
    found = DepthRegistration(DEPTH, DEPTH, sideways).register(depth)
    near_shift, far_shift = 14, 14 / 3  # pixels: focal length times 0.1 m over the depth
    assert (found[45:75, 60 + near_shift + 1 : 100 + near_shift - 1] == 1.0).all()
    shadow = found[60, round(60 + far_shift) + 1 : 60 + near_shift - 1]
    assert np.isnan(shadow).all()  # what only the color camera sees is unknown
    assert (found[60, 20:60] == 3.0).all()


def test_an_enlarged_foreground_has_no_holes_that_show_its_background() -> None:
    depth = np.full((120, 160), 3.0, np.float32)
    depth[40:80, 60:100] = 0.5
    forward = Pose(np.eye(3), np.array([0.02, 0.0, 0.0]))
    found = DepthRegistration(DEPTH, WIDE_COLOR.scaled(640, 360), forward).register(depth)
    near = found == 0.5
    ys, xs = np.nonzero(near)
    assert near[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].all()


def test_holes_of_one_pixel_are_closed_and_larger_ones_stay() -> None:
    depth = np.full((9, 9), 2.0, np.float32)
    depth[2, 2] = np.inf
    depth[5:7, 5:7] = np.inf
    closed = close_holes(depth)
    assert closed[2, 2] == 2.0
    assert np.isnan(closed[5:7, 5:7]).all()
    assert np.isfinite(closed).sum() == 81 - 4


def test_a_gap_between_two_surfaces_shows_the_farther_one() -> None:
    depth = np.full((3, 5), np.inf, np.float32)
    depth[:, :2], depth[:, 3:] = 1.0, 2.0
    assert (close_holes(depth)[:, 2] == 2.0).all()


def test_points_behind_the_color_camera_and_missing_readings_give_nothing() -> None:
    behind = Pose(np.eye(3), np.array([0.0, 0.0, -2.0]))
    depth = np.full((120, 160), 1.0, np.float32)
    depth[60:] = np.nan
    assert np.isnan(DepthRegistration(DEPTH, COLOR, behind).register(depth)).all()


def test_a_depth_image_of_another_size_is_refused_with_both_sizes() -> None:
    registration = DepthRegistration(DEPTH, COLOR, Pose.identity())
    with pytest.raises(InputError, match=r"320x240.*160x120"):
        registration.register(np.ones((240, 320), np.float32))
