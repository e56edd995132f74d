from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.transforms import (
    PoseTrack,
    TransformBuffer,
    TransformError,
    TransformFailure,
)

S = 1_000_000_000


def pose(x: float = 0.0, yaw_deg: float = 0.0) -> Pose:
    return Pose(
        Rotation.from_euler("z", yaw_deg, degrees=True).as_matrix(), np.array([x, 0.0, 0.0])
    )


def assert_same(a: Pose, b: Pose) -> None:
    np.testing.assert_allclose(a.matrix(), b.matrix(), atol=1e-12)


def robot() -> TransformBuffer:
    """A robot that drives 1 m/s and turns 90 degrees/s, with a camera and a sibling branch."""
    buffer = TransformBuffer()
    for second in range(5):
        buffer.insert("odom", "base", second * S, pose(float(second), 90.0 * second))
    buffer.insert("base", "camera", 0, pose(0.5), static=True)
    buffer.insert("odom", "beacon", 0, pose(7.0), static=True)
    return buffer


def test_lookup_interpolates_position_and_rotation_at_the_stamp() -> None:
    found = robot().lookup("odom", "base", round(1.5 * S))
    assert_same(found, pose(1.5, 135.0))


def test_lookup_chains_through_the_common_ancestor() -> None:
    found = robot().lookup("beacon", "camera", 2 * S)
    assert_same(found, pose(7.0).inverse() @ pose(2.0, 180.0) @ pose(0.5))


def test_lookup_of_a_frame_in_itself_is_the_identity() -> None:
    assert_same(robot().lookup("camera", "camera", 123 * S), Pose.identity())


def test_lookup_of_the_inverse_direction_is_the_inverse() -> None:
    buffer = robot()
    there = buffer.lookup("odom", "camera", S)
    assert_same(buffer.lookup("camera", "odom", S), there.inverse())


def test_leading_slashes_of_old_frame_names_do_not_matter() -> None:
    assert_same(robot().lookup("/odom", "/base", S), pose(1.0, 90.0))


def test_a_static_chain_is_known_at_all_times() -> None:
    assert_same(robot().lookup("base", "camera", 99 * S), pose(0.5))


@pytest.mark.parametrize(
    ("stamp", "reason", "gap"),
    [
        (-S // 4, TransformFailure.TOO_EARLY, S // 4),
        (4 * S + S // 2, TransformFailure.TOO_LATE, S // 2),
    ],
)
def test_poses_are_never_extrapolated_and_the_error_names_edge_and_gap(
    stamp: int, reason: TransformFailure, gap: int
) -> None:
    with pytest.raises(TransformError, match="odom -> base") as error:
        robot().lookup("odom", "camera", stamp)
    assert error.value.reason is reason
    assert error.value.gap_ns == gap
    assert f"{gap / S:.3f} s" in str(error.value)


def test_only_a_stamp_before_all_transforms_can_never_resolve() -> None:
    with pytest.raises(TransformError) as early:
        robot().lookup("odom", "base", -S)
    with pytest.raises(TransformError) as late:
        robot().lookup("odom", "base", 9 * S)
    assert (early.value.may_resolve, late.value.may_resolve) == (False, True)


def test_an_unknown_frame_is_named_with_those_that_are_known() -> None:
    with pytest.raises(TransformError, match=r"'hand'.*base, beacon, camera, odom") as error:
        robot().lookup("odom", "hand", S)
    assert error.value.reason is TransformFailure.UNKNOWN_FRAME


def test_an_image_without_a_frame_name_is_an_unknown_frame() -> None:
    with pytest.raises(TransformError) as error:
        robot().lookup("odom", "", S)
    assert error.value.reason is TransformFailure.UNKNOWN_FRAME


def test_frames_of_two_trees_are_not_connected_and_the_roots_are_named() -> None:
    buffer = robot()
    buffer.insert("map", "door", 0, pose(), static=True)
    with pytest.raises(TransformError, match=r"'map' and 'odom'") as error:
        buffer.lookup("door", "camera", S)
    assert error.value.reason is TransformFailure.DISCONNECTED


def test_a_loop_is_refused_with_its_frames_and_the_tree_stays_usable() -> None:
    buffer = robot()
    with pytest.raises(InputError, match="odom -> base -> camera -> odom"):
        buffer.insert("camera", "odom", 0, pose())
    with pytest.raises(InputError, match="loop"):
        buffer.insert("base", "base", 0, pose())
    assert_same(buffer.lookup("odom", "base", S), pose(1.0, 90.0))


@pytest.mark.parametrize(
    ("rotation", "translation"),
    [
        (np.eye(3) * 1.1, np.zeros(3)),
        (np.full((3, 3), np.nan), np.zeros(3)),
        (np.eye(3), np.array([0.0, np.inf, 0.0])),
        (np.diag([1.0, 1.0, -1.0]), np.zeros(3)),
    ],
)
def test_what_is_no_rigid_transform_is_refused(rotation: Floats, translation: Floats) -> None:
    buffer = TransformBuffer()
    with pytest.raises(InputError, match="a -> b"):
        buffer.insert("a", "b", 0, Pose(rotation, translation))
    assert buffer.frames() == set()


def test_an_empty_frame_name_is_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        TransformBuffer().insert("map", "/", 0, pose())


def test_a_backward_jump_forgets_moving_transforms_and_keeps_static_ones() -> None:
    buffer = robot()
    buffer.insert("odom", "arm", 4 * S, pose())
    buffer.insert("odom", "base", S // 2, pose(9.0))
    assert buffer.jumps == 1
    assert_same(buffer.lookup("odom", "camera", S // 2), pose(9.5))
    with pytest.raises(TransformError):
        buffer.lookup("odom", "base", 2 * S)
    with pytest.raises(TransformError):
        buffer.lookup("odom", "arm", 4 * S)


def test_a_late_transform_is_sorted_in_and_a_repeated_one_changes_nothing() -> None:
    buffer = TransformBuffer()
    for second in (0.0, 1.0, 0.5):
        buffer.insert("a", "b", round(second * S), pose(second**2))
    buffer.insert("a", "b", S, pose(77.0))
    assert buffer.jumps == 0
    assert_same(buffer.lookup("a", "b", S // 4), pose(0.125))
    assert_same(buffer.lookup("a", "b", S), pose(1.0))


def test_a_zero_stamp_amid_others_is_refused_instead_of_clearing_the_buffer() -> None:
    buffer = TransformBuffer()
    buffer.insert("a", "b", 100 * S, pose(1.0))
    with pytest.raises(InputError, match="stamp 0"):
        buffer.insert("a", "b", 0, pose())
    assert_same(buffer.lookup("a", "b", 100 * S), pose(1.0))


def test_the_history_is_bounded() -> None:
    track = PoseTrack("robot", history_s=1.0)
    for i in range(1000):
        track.insert(i * S // 100, pose())
    assert len(track) == 101
    with pytest.raises(TransformError, match="robot"):
        track.at(8 * S)


def test_a_child_that_gets_another_parent_moves_there() -> None:
    buffer = robot()
    buffer.insert("hand", "beacon", 0, pose(1.0), static=True)
    assert buffer.ancestors("beacon") == ["beacon", "hand"]


def test_frames_fixed_to_each_other_are_told_from_moving_ones() -> None:
    buffer = robot()
    buffer.insert("camera", "optical", 0, pose(), static=True)
    assert buffer.is_static("base", "optical")
    assert not buffer.is_static("odom", "optical")
    assert not buffer.is_static("odom", "nowhere")
