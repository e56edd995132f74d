from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.geometry.pose import Pose

COORDINATES = st.lists(st.floats(-100, 100), min_size=3, max_size=3)


@st.composite
def poses(draw: st.DrawFn) -> Pose:
    turn = Rotation.from_rotvec(np.array(draw(COORDINATES)) / 30)
    return Pose(turn.as_matrix(), np.array(draw(COORDINATES)))


@given(poses(), poses(), COORDINATES)
def test_a_product_applies_the_right_pose_first(a: Pose, b: Pose, point: list[float]) -> None:
    p = np.array(point)
    np.testing.assert_allclose((a @ b).apply(p), a.apply(b.apply(p)), atol=1e-9)
    np.testing.assert_allclose((a @ b).matrix(), a.matrix() @ b.matrix(), atol=1e-9)


@given(poses())
def test_the_inverse_undoes_a_pose(pose: Pose) -> None:
    np.testing.assert_allclose((pose @ pose.inverse()).matrix(), np.eye(4), atol=1e-9)


@given(poses())
def test_quaternions_and_matrices_describe_the_same_pose(pose: Pose) -> None:
    q = pose.quaternion()
    assert q[3] >= 0
    for same in (Pose.from_quaternion(pose.translation, q), Pose.from_matrix(pose.matrix())):
        np.testing.assert_allclose(same.matrix(), pose.matrix(), atol=1e-9)


@pytest.mark.parametrize("degrees", [0.0, 30.0, 180.0])
def test_the_angle_between_two_poses_is_that_of_the_turn(degrees: float) -> None:
    start = Pose(Rotation.from_euler("xyz", [0.3, 1.0, -2.0]).as_matrix(), np.ones(3))
    turn = Pose(Rotation.from_euler("y", degrees, degrees=True).as_matrix(), np.zeros(3))
    assert np.degrees(start.angle_to(start @ turn)) == pytest.approx(degrees, abs=1e-5)


def test_points_keep_their_shape_and_type() -> None:
    points = np.zeros((4, 5, 3), np.float32)
    moved = Pose(np.eye(3), np.array([1.0, 2.0, 3.0])).apply(points)
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved, np.broadcast_to([1, 2, 3], (4, 5, 3)))


@pytest.mark.parametrize(
    ("translation", "quaternion", "reason"),
    [
        ([0, 0, 0], [0, 0, 0, 0], "length 0.000"),
        ([0, 0, 0], [0, 0, 0, 2], "length 2.000"),
        ([0, 0, 0], [0, np.nan, 0, 1], "not finite"),
        ([np.inf, 0, 0], [0, 0, 0, 1], "not finite"),
    ],
)
def test_impossible_poses_are_refused(translation: Floats, quaternion: Floats, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Pose.from_quaternion(translation, quaternion)


@pytest.mark.parametrize("degrees", [0.0, 1e-6, 90.0, 179.999, 180.0])
def test_quaternions_are_exact_around_every_axis_up_to_half_a_turn(degrees: float) -> None:
    rng = np.random.default_rng(0)
    for axis in [*np.eye(3), *-np.eye(3), *rng.normal(size=(50, 3))]:
        turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
        q = Pose(turn.as_matrix(), np.zeros(3)).quaternion()
        assert q[3] >= 0
        assert abs(q @ turn.as_quat()) == pytest.approx(1.0, abs=1e-15)
        np.testing.assert_allclose(
            Pose.from_quaternion(np.zeros(3), turn.as_quat()).rotation, turn.as_matrix(), atol=1e-15
        )
