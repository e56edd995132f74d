from __future__ import annotations

import numpy as np
import pytest
from raytraced import Cuboid, picture

from perception_nodes.arrays import Floats, Ints
from perception_nodes.viewrope.joining import ALIKE, join_pieces
from perception_nodes.viewrope.surface import Surface, prepare

NOISE = 0.0015
LARGE = Cuboid((0.0, 0.0, 0.06), (0.2, 0.3, 0.12))


def split(*objects: Cuboid, at: float = 0.6) -> tuple[Ints, Surface]:
    """Regions of objects, the first one cut in two: 1 is the larger piece, 2 the smaller."""
    frame, truth = picture(list(objects), noise=NOISE)
    surface = prepare(frame.depth, frame.camera)
    height, width = surface.disparity.shape
    # The nearer thing wins a block, as in the surface: here the one with the larger number.
    blocks = truth.reshape(height, surface.factor, width, surface.factor)
    regions = blocks.max(axis=(1, 3)).astype(int)
    columns = np.flatnonzero((regions == 1).any(axis=0))
    edge = int(np.quantile(columns, at)) + 1
    result = np.where(regions > 1, regions + 1, regions)
    result[:, edge:][regions[:, edge:] == 1] = 2
    return result, surface


def looks(*numbers: int) -> Floats:
    """Latents: the same number is the same look."""
    return np.eye(8)[list(numbers)]


def test_pieces_of_one_box_that_look_alike_become_the_larger_one() -> None:
    regions, surface = split(LARGE)
    joined = join_pieces(regions, looks(0, 0), surface)
    assert (joined == np.where(regions > 0, 1, 0)).all()


def test_pieces_that_look_different_stay_apart() -> None:
    regions, surface = split(LARGE)
    almost = np.array([[1.0, 0.0], [ALIKE - 0.01, np.sqrt(1.0 - (ALIKE - 0.01) ** 2)]])
    for latents in (looks(0, 1), almost):
        assert (join_pieces(regions, latents, surface) == regions).all()


@pytest.mark.parametrize(
    "other",
    [
        Cuboid((0.06, 0.0, 0.16), (0.06, 0.24, 0.08)),  # stands on it: a crease
        Cuboid((-0.5, 0.02, 0.2), (0.05, 0.07, 0.4)),  # stands before it: a step
    ],
)
def test_two_things_of_one_look_stay_two_where_a_step_or_crease_is_between(other: Cuboid) -> None:
    regions, surface = split(LARGE, other, at=1.0)
    regions[regions == 3] = 2
    assert (regions == 2).sum() > 100
    assert (join_pieces(regions, looks(0, 0), surface) == regions).all()


def test_three_pieces_become_one() -> None:
    regions, surface = split(LARGE)
    rows = np.flatnonzero((regions == 1).any(axis=1))
    middle = int(np.median(rows))
    regions[:middle][regions[:middle] == 1] = 3
    joined = join_pieces(regions, looks(0, 0, 0), surface)
    assert len(np.unique(joined)) == 2
