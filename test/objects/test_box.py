from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_nodes.objects.box import align, blend, inside, interval_center


def yaw(angle: float) -> np.ndarray:
    return Rotation.from_euler("z", angle).as_matrix()


@given(st.floats(-3.1, 3.1), st.integers(0, 3))
def test_a_quarter_turn_with_swapped_sides_is_the_same_box(angle: float, turns: int) -> None:
    size = np.array([0.3, 0.1, 0.2])
    turned = yaw(angle + turns * np.pi / 2)
    same = size[[1, 0, 2]] if turns % 2 else size
    rotation, aligned = align(turned, same, yaw(angle + 0.2))
    assert np.allclose(rotation, yaw(angle), atol=1e-9)
    assert np.allclose(aligned, size)


def test_a_square_footprint_keeps_the_reference_orientation() -> None:
    rotation, size = align(yaw(0.7), np.array([0.1, 0.11, 0.2]), yaw(0.1))
    assert np.allclose(rotation, yaw(0.1))
    assert np.allclose(size, [0.1, 0.11, 0.2])


def test_blending_rotations_goes_the_given_share_of_the_way() -> None:
    assert np.allclose(blend(yaw(0.0), yaw(0.2), 0.5), yaw(0.1), atol=1e-9)


def test_inside_counts_the_share_of_points_and_ignores_padding() -> None:
    points = np.array([[[0.0, 0.0, 0.0], [0.4, 0.0, 0.0], [np.nan] * 3]])
    box = (np.zeros((1, 3)), np.eye(3)[None], np.full((1, 3), 0.1))
    assert inside(points, *box)[0, 0] == 0.5


@given(st.floats(-0.2, 0.2))
def test_a_partial_view_says_nothing_inside_its_range_and_pulls_outside(offset: float) -> None:
    """An object of 20 cm, of which 10 cm are seen: the center can be 5 cm to either side."""
    center, slack = interval_center(
        np.zeros(3),
        np.array([0.2, 0.1, 0.1]),
        np.array([offset, 0.0, 0.0]),
        np.array([0.1, 0.1, 0.1]),
        np.eye(3),
    )
    assert np.allclose(slack, [0.05, 0.0, 0.0])
    expected = np.sign(offset) * max(abs(offset) - 0.05, 0.0)
    assert np.isclose(center[0], expected)
