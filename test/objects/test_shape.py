"""What is round is told from the part of a surface that a camera sees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.objects.shape import residuals, roundness

CAMERA = np.array([0.6, 0.2, 0.5]) / np.linalg.norm([0.6, 0.2, 0.5])
SIZE = np.array([0.12, 0.06, 0.06])


def seen(points: Floats, normals: Floats) -> Floats:
    """64 of the points that face the camera, with a millimeter of noise."""
    rng = np.random.default_rng(0)
    facing = points[normals @ CAMERA > 0.15]
    chosen = facing[rng.choice(len(facing), 64, replace=False)]
    return np.asarray(chosen + 0.001 * rng.normal(size=chosen.shape))


def ball() -> Floats:
    """Of 6 cm."""
    normals = np.random.default_rng(1).normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return seen(0.03 * normals, normals)


def box() -> Floats:
    """Of `SIZE`."""
    rng = np.random.default_rng(2)
    points, normals = rng.uniform(-0.5, 0.5, size=(4000, 3)) * SIZE, np.zeros((4000, 3))
    axis, sign = rng.integers(3, size=4000), rng.choice([-1.0, 1.0], size=4000)
    row = np.arange(4000)
    points[row, axis], normals[row, axis] = sign * SIZE[axis] / 2.0, sign
    return seen(points, normals)


def cylinder() -> Floats:
    """Of `SIZE`, lying along x; its ends are not seen."""
    rng = np.random.default_rng(3)
    angle, along = rng.uniform(-np.pi, np.pi, 4000), rng.uniform(-0.06, 0.06, 4000)
    normals = np.stack((np.zeros(4000), np.cos(angle), np.sin(angle)), axis=1)
    return seen(0.03 * normals + along[:, None] * np.eye(3)[0], normals)


def test_a_ball_is_round_about_every_axis() -> None:
    found = roundness(residuals(ball(), np.eye(3), np.full(3, 0.06)))
    assert (found > 0.95).all()


def test_a_box_is_round_about_none() -> None:
    found = roundness(residuals(box(), np.eye(3), SIZE))
    assert (found < 0.05).all()


@pytest.mark.parametrize("yaw", [0.0, 0.7])
def test_a_lying_cylinder_is_round_about_its_axis_however_it_lies(yaw: float) -> None:
    turn = Rotation.from_euler("z", yaw).as_matrix()
    found = roundness(residuals(cylinder(), np.eye(3), SIZE))
    turned = roundness(residuals(cylinder() @ turn.T, turn, SIZE))
    np.testing.assert_allclose(turned, found)
    assert found[0] > 0.95
    assert (found[1:] < 0.05).all()


def test_a_glimpse_says_nothing() -> None:
    points = box()
    points[5:] = np.nan
    assert residuals(points, np.eye(3), SIZE) is None
    np.testing.assert_array_equal(roundness(None), 0.5)
