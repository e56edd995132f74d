from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_kernels.attention import (
    TokenGeometry,
    ray_rotary_attention,
    ray_rotary_attention_reference,
    turned,
)
from perception_kernels.rays import frequencies, rotary_phases

HEADS, LENGTH, FRAMES, TOKENS, WIDTH = 2, 5, 4, 6, 32
RNG = np.random.default_rng(3)


def geometry(*shape: int, turn: np.ndarray | None = None) -> TokenGeometry:
    count = int(np.prod(shape))
    rays = Rotation.random(count, random_state=count).as_matrix()
    rays = rays if turn is None else turn @ rays
    points = np.random.default_rng(count).normal(size=(count, 3))
    phases = rotary_phases(points, np.zeros(3), frequencies(0.2, 12.8, 2))
    return TokenGeometry(
        rays.reshape(*shape, 3, 3).astype(np.float32), phases.reshape(*shape, 6, 2)
    )


def tokens(*shape: int) -> np.ndarray:
    return RNG.normal(size=(HEADS, *shape, WIDTH)).astype(np.float32)


QUERY, KEY, VALUE = tokens(LENGTH), tokens(FRAMES, TOKENS), tokens(FRAMES, TOKENS)
HERE, THERE = geometry(LENGTH), geometry(FRAMES, TOKENS)


@pytest.mark.parametrize("selected", [[0], [2, 0], [0, 1, 2, 3], []])
def test_attention_equals_its_reference(selected: list[int]) -> None:
    arguments = QUERY, KEY, VALUE, HERE, THERE, np.array(selected, int)
    found = ray_rotary_attention(*arguments)
    assert found.shape == (HEADS, LENGTH, WIDTH)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, ray_rotary_attention_reference(*arguments), atol=2e-6)


def test_frames_that_are_not_selected_change_nothing() -> None:
    selected = np.array([1, 3])
    before = ray_rotary_attention(QUERY, KEY, VALUE, HERE, THERE, selected)
    key, value = KEY.copy(), VALUE.copy()
    key[:, [0, 2]], value[:, [0, 2]] = np.nan, np.inf
    np.testing.assert_array_equal(
        before, ray_rotary_attention(QUERY, key, value, HERE, THERE, selected)
    )


def test_turning_the_world_changes_no_score() -> None:
    turn = Rotation.from_euler("xyz", (0.3, 1.0, -2.0)).as_matrix()
    arguments = QUERY, KEY, VALUE
    turned_world = geometry(LENGTH, turn=turn), geometry(FRAMES, TOKENS, turn=turn)
    selected = np.arange(FRAMES)
    np.testing.assert_allclose(
        ray_rotary_attention(*arguments, HERE, THERE, selected),
        ray_rotary_attention(*arguments, *turned_world, selected),
        atol=2e-5,
    )


def test_turning_one_camera_alone_changes_scores() -> None:
    turn = Rotation.from_euler("y", 0.7).as_matrix()
    selected = np.arange(FRAMES)
    before = ray_rotary_attention(QUERY, KEY, VALUE, HERE, THERE, selected)
    after = ray_rotary_attention(QUERY, KEY, VALUE, geometry(LENGTH, turn=turn), THERE, selected)
    assert np.abs(before - after).max() > 1e-3


def test_turning_keeps_lengths() -> None:
    np.testing.assert_allclose(
        np.linalg.norm(turned(KEY, THERE), axis=-1), np.linalg.norm(KEY, axis=-1), rtol=1e-5
    )


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="keys"):
        ray_rotary_attention(QUERY, KEY[..., :8], VALUE, HERE, THERE, np.array([0]))
    with pytest.raises(ValueError, match="values"):
        ray_rotary_attention(QUERY, KEY, VALUE[:, :2], HERE, THERE, np.array([0]))
    with pytest.raises(ValueError, match="phases"):
        turned(QUERY, THERE)
