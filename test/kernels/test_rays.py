from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_kernels.rays import (
    frequencies,
    pluecker,
    projections,
    ray_frames,
    ray_frames_reference,
    rotary_phases,
    rotary_phases_reference,
)
from perception_nodes.geometry.camera import Camera

CAMERA = Camera(64, 48, 55.0, 56.0, 30.5, 24.0)
RAYS = CAMERA.scaled(8, 6).rays()
TURN = Rotation.from_euler("xyz", (0.4, -0.8, 1.9)).as_matrix()


def test_ray_frames_equal_their_reference() -> None:
    found = ray_frames(RAYS, TURN)
    assert found.shape == (6, 8, 3, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, ray_frames_reference(RAYS, TURN), atol=1e-6)


def test_ray_frames_are_rotations_along_the_rays() -> None:
    frames = ray_frames(RAYS, TURN).astype(float)
    np.testing.assert_allclose(
        frames @ frames.swapaxes(-1, -2), np.broadcast_to(np.eye(3), frames.shape), atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.det(frames), 1.0, atol=1e-6)
    ahead = RAYS @ TURN.T
    ahead = ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)
    np.testing.assert_allclose(frames[..., 2], ahead, atol=1e-6)


def test_the_frame_of_the_optical_axis_is_that_of_the_camera() -> None:
    np.testing.assert_allclose(ray_frames(np.array([0.0, 0.0, 2.0]), TURN), TURN, atol=1e-6)


def test_turning_the_camera_turns_every_frame() -> None:
    more = Rotation.from_euler("zyx", (1.0, 0.2, -0.5)).as_matrix()
    np.testing.assert_allclose(
        ray_frames(RAYS, more @ TURN), more @ ray_frames(RAYS, TURN).astype(float), atol=1e-6
    )


def test_many_cameras_at_once_give_the_frames_and_coordinates_of_each() -> None:
    turns, centers = np.stack([TURN, np.eye(3)]), np.array([[0.1, 0.2, 0.3], [1.0, 0.0, -1.0]])
    frames = ray_frames(RAYS, turns[:, None, None])
    lines = pluecker(RAYS, turns[:, None, None], centers[:, None, None])
    for k in range(2):
        np.testing.assert_array_equal(frames[k], ray_frames(RAYS, turns[k]))
        np.testing.assert_allclose(lines[k], pluecker(RAYS, turns[k], centers[k]), atol=1e-6)


def test_phases_equal_their_reference_and_are_zero_where_unknown() -> None:
    points = np.random.default_rng(0).normal(0, 2, (5, 4, 3)).astype(np.float32)
    points[1, 2] = np.nan
    points[3, 0, 1] = np.nan
    arguments = points, np.array([1.0, -2.0, 0.5]), frequencies(0.2, 8.0, 4)
    found = rotary_phases(*arguments)
    assert found.shape == (5, 4, 12, 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, rotary_phases_reference(*arguments), atol=1e-6)
    lengths = np.linalg.norm(found, axis=-1)
    assert (lengths[1, 2] == 0).all()
    assert (lengths[3, 0] == 0).all()
    np.testing.assert_allclose(np.delete(lengths.reshape(20, 12), (6, 12), axis=0), 1.0, atol=1e-6)


def test_phases_far_from_the_origin_keep_millimeters_when_the_reference_is_near() -> None:
    place, far = np.array([[0.001, 0.0, 0.0]]), np.array([1e5, 0.0, 0.0])
    near = rotary_phases(place, np.zeros(3), frequencies(0.1, 0.1, 1))
    moved = rotary_phases(place + far, far, frequencies(0.1, 0.1, 1))
    np.testing.assert_allclose(near, moved, atol=1e-6)


def test_frequencies_are_those_of_the_wavelengths() -> None:
    np.testing.assert_allclose(2 * np.pi / frequencies(0.5, 8.0, 5), (0.5, 1, 2, 4, 8))


def test_the_projection_gives_image_coordinates_from_minus_to_plus_one_half() -> None:
    camera_from_world = np.eye(4)
    camera_from_world[:3, :3], camera_from_world[:3, 3] = TURN, (0.3, 0.1, 2.0)
    projection, inverse = projections(CAMERA.matrix(), 64, 48, camera_from_world)
    np.testing.assert_allclose(projection @ inverse, np.eye(4), atol=1e-5)
    point = np.array([0.2, -0.3, 0.1])
    pixel, depth = CAMERA.project(TURN @ point + (0.3, 0.1, 2.0))
    x, y, z, _ = projection @ np.array([*point, 1.0])
    np.testing.assert_allclose(z, depth, rtol=1e-6)
    np.testing.assert_allclose((x / z + 0.5, y / z + 0.5), pixel / (64, 48), rtol=1e-5)


def test_pluecker_coordinates_do_not_depend_on_where_on_the_ray_they_are_taken() -> None:
    center = np.array([0.5, -1.0, 2.0])
    found = pluecker(RAYS, TURN, center)
    ahead = (RAYS @ TURN.T)[3, 4]
    again = pluecker(RAYS, TURN, center + 0.7 * ahead)
    np.testing.assert_allclose(found[3, 4], again[3, 4], atol=1e-6)
    assert np.abs(found[0, 0] - again[0, 0]).max() > 0.01


@pytest.mark.parametrize(
    ("rays", "rotation"), [(np.ones((4, 2)), np.eye(3)), (np.ones((4, 3)), np.eye(4))]
)
def test_ray_frames_refuse_wrong_shapes(rays: np.ndarray, rotation: np.ndarray) -> None:
    with pytest.raises(ValueError, match="shape"):
        ray_frames(rays, rotation)


def test_phases_refuse_a_reference_of_another_dimension() -> None:
    with pytest.raises(ValueError, match="reference"):
        rotary_phases(np.ones((4, 3)), np.zeros(2), np.ones(2))


def test_wavelengths_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="wavelengths"):
        frequencies(2.0, 1.0, 3)
