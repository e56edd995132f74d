from __future__ import annotations

import numpy as np
import pytest

from perception_kernels.unproject import (
    normals,
    normals_reference,
    unproject,
    unproject_reference,
)
from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera

CAMERA = Camera(40, 30, 35.0, 36.0, 19.0, 15.5)


def plane_depth(normal: Floats, distance: float, camera: Camera = CAMERA) -> Floats:
    """Depth of the plane normal . p = distance."""
    return (distance / (camera.rays() @ normal)).astype(np.float32)


def rough_depth() -> Floats:
    """A tilted plane with a step, holes and noise."""
    rng = np.random.default_rng(3)
    depth = plane_depth(np.array([0.2, -0.3, 0.9]), 1.5)
    depth[8:20, 10:25] -= 0.3
    depth += rng.normal(0, 0.002, depth.shape).astype(np.float32)
    depth[rng.random(depth.shape) < 0.15] = np.nan
    return depth


def test_unproject_gives_float32_points_of_the_image_shape() -> None:
    points = unproject(np.ones((30, 40), np.float32), CAMERA.rays())
    assert points.shape == (30, 40, 3)
    assert points.dtype == np.float32


def test_unprojected_points_project_back_to_their_pixels() -> None:
    depth = plane_depth(np.array([0.1, 0.2, 0.95]), 2.0)
    pixels, z = CAMERA.project(unproject(depth, CAMERA.rays()))
    u, v = np.meshgrid(np.arange(40), np.arange(30))
    np.testing.assert_allclose(pixels, np.stack([u, v], -1), atol=1e-4)
    np.testing.assert_allclose(z, depth)


def test_unproject_equals_its_reference_and_keeps_holes() -> None:
    depth = rough_depth()
    points = unproject(depth, CAMERA.rays())
    np.testing.assert_array_equal(points, unproject_reference(depth, CAMERA.rays()))
    np.testing.assert_array_equal(np.isnan(points).any(-1), np.isnan(depth))


@pytest.mark.parametrize("shape", [(30, 41), (3, 30, 40), (30,)])
def test_unproject_refuses_depth_that_does_not_fit_the_rays(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rays"):
        unproject(np.ones(shape, np.float32), CAMERA.rays())


def test_normals_refuse_points_that_are_no_image() -> None:
    with pytest.raises(ValueError, match="shape"):
        normals(np.ones((5, 3), np.float32))


def test_normals_of_a_plane_are_its_normal_facing_the_camera() -> None:
    normal = np.array([0.2, -0.3, 0.9])
    normal /= np.linalg.norm(normal)
    found = normals(unproject(plane_depth(normal, 1.0), CAMERA.rays()))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.broadcast_to(-normal, found.shape), atol=1e-3)


def test_normals_equal_their_reference_on_rough_depth() -> None:
    points = unproject(rough_depth(), CAMERA.rays())
    found, reference = normals(points), normals_reference(points)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(reference))
    np.testing.assert_allclose(found, reference, atol=2e-3)


def test_normals_do_not_mix_two_surfaces_at_a_depth_edge() -> None:
    depth = np.full((30, 40), 2.0, np.float32)
    depth[:, 20:] = 1.0
    found = normals(unproject(depth, CAMERA.rays()))
    np.testing.assert_allclose(found, np.broadcast_to([0.0, 0.0, -1.0], found.shape), atol=1e-4)


def test_normals_are_nan_at_isolated_readings_and_holes_only() -> None:
    depth = np.full((30, 40), np.nan, np.float32)
    depth[5, 5] = 1.0
    depth[10:20, 10:20] = 1.0
    found = normals(unproject(depth, CAMERA.rays()))
    assert np.isnan(found[5, 5]).all()
    assert np.isfinite(found[10:20, 10:20]).all()
    assert np.isfinite(found).all(-1).sum() == 100
