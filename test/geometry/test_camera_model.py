from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.errors import InputError
from perception_nodes.geometry.camera import Camera

CAMERA = Camera(64, 48, 50.0, 52.0, 30.0, 25.0)


def test_rays_times_depth_project_back_to_their_pixels() -> None:
    pixels, depths = CAMERA.project(CAMERA.rays() * 2.5)
    u, v = np.meshgrid(np.arange(64), np.arange(48))
    np.testing.assert_allclose(pixels, np.stack([u, v], -1), atol=1e-4)
    np.testing.assert_array_equal(depths, np.full((48, 64), np.float32(2.5)))


def test_rays_are_shared_and_therefore_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        CAMERA.rays()[0, 0, 0] = 1.0


def test_projection_agrees_with_the_matrix() -> None:
    point = np.array([0.3, -0.2, 1.7])
    homogeneous = CAMERA.matrix() @ point
    np.testing.assert_allclose(CAMERA.project(point)[0], homogeneous[:2] / homogeneous[2])


def test_points_behind_the_camera_have_no_pixel() -> None:
    pixels, _ = CAMERA.project(np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0]]))
    assert np.isnan(pixels).all()
    assert not CAMERA.contains(pixels).any()


def test_the_image_reaches_half_a_pixel_beyond_the_outer_pixel_centers() -> None:
    pixels = np.array([[-0.5, -0.5], [63.4, 47.4], [63.5, 10.0], [-0.6, 10.0], [10.0, 47.5]])
    assert CAMERA.contains(pixels).tolist() == [True, True, False, False, False]


@pytest.mark.parametrize("size", [(32, 24), (128, 96), (16, 48)])
def test_a_scaled_camera_sees_the_same_part_of_the_image(size: tuple[int, int]) -> None:
    small = CAMERA.scaled(*size)
    point = np.array([0.2, 0.1, 1.0])
    full, scaled = CAMERA.project(point)[0], small.project(point)[0]
    np.testing.assert_allclose((scaled + 0.5) / size, (full + 0.5) / (64, 48))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((64, 48, 0.0, 0.0, 0.0, 0.0), "uncalibrated"),
        ((64, 48, -50.0, 50.0, 30.0, 25.0), "uncalibrated"),
        ((64, 48, np.nan, 50.0, 30.0, 25.0), "impossible"),
        ((0, 48, 50.0, 50.0, 30.0, 25.0), "impossible"),
    ],
)
def test_impossible_intrinsics_are_refused(
    values: tuple[int, int, float, float, float, float], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        Camera(*values)
