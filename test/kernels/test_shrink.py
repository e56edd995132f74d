from __future__ import annotations

import numpy as np
import pytest

from perception_kernels.shrink import shrink_depth, shrink_depth_reference


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(12, 24), (13, 26)])
def test_shrinking_equals_its_reference(shape: tuple[int, int], factor: int) -> None:
    rng = np.random.default_rng(5)
    depth = rng.uniform(0.3, 4.0, shape).astype(np.float32)
    depth[rng.random(shape) < 0.6] = np.nan
    small = shrink_depth(depth, factor)
    assert small.dtype == np.float32
    assert small.shape == (shape[0] // factor, shape[1] // factor)
    np.testing.assert_array_equal(small, shrink_depth_reference(depth, factor))


def test_a_lattice_of_holes_becomes_a_dense_image() -> None:
    depth = np.full((8, 8), np.nan, np.float32)
    depth[1::2, ::2] = 1.5
    assert (shrink_depth(depth, 2) == 1.5).all()


def test_no_depth_is_made_up_between_two_surfaces() -> None:
    depth = np.full((4, 4), 3.0, np.float32)
    depth[:, :1] = 1.0
    assert set(np.unique(shrink_depth(depth, 2))) == {1.0, 3.0}


def test_a_block_without_a_reading_has_none() -> None:
    depth = np.full((4, 4), np.nan, np.float32)
    depth[0, 0] = 2.0
    np.testing.assert_array_equal(shrink_depth(depth, 2), [[2.0, np.nan], [np.nan, np.nan]])


@pytest.mark.parametrize(("shape", "factor"), [((4, 4), 0), ((4, 4), 5), ((4, 4, 1), 2)])
def test_what_cannot_be_shrunk_is_refused(shape: tuple[int, ...], factor: int) -> None:
    with pytest.raises(ValueError, match="can't be shrunk"):
        shrink_depth(np.ones(shape, np.float32), factor)
