from __future__ import annotations

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.viewrope.regions import _is_wall

UP = np.array([0.0, -1.0, 0.0])
NOISE = 0.001


def board(strays: int, depth: float = 0.3) -> Floats:
    """Points of an upright plane 2 m ahead, and some in front of it."""
    rng = np.random.default_rng(0)
    points = np.column_stack((*rng.uniform(-0.5, 0.5, (2, 600)), np.full(600, 2.0)))
    points[:strays, 2] -= depth
    points[:, 2] += rng.normal(0.0, 0.002, 600)
    return points


def test_a_few_stray_points_do_not_make_a_wall_a_thing() -> None:
    assert _is_wall(board(0), UP, NOISE)
    assert _is_wall(board(12), UP, NOISE)


def test_what_is_not_flat_or_not_upright_is_no_wall() -> None:
    assert not _is_wall(board(250), UP, NOISE)
    assert not _is_wall(board(0)[:, [0, 2, 1]], UP, NOISE)
