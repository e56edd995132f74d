"""Which pixels of objects lie beside which others, also across gaps without readings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.viewrope.surface import Surface

_MAX_GAP = 8
_STEP = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """N pairs of pixels with readings that are next to each other in a row or column.

    Attributes:
        first, second: (N,) flat pixel indices; the second lies to the right or below.
        linked: (N,) whether they lie on one surface.
        farther: (N,) int8: 1 where the first lies clearly behind the second, -1 where in front.
    """

    first: Ints
    second: Ints
    linked: Bools
    farther: Ints


def find_pairs(surface: Surface, objects: Bools) -> Pairs:
    """Pairs of neighbors of which at least one belongs to an object.

    Across up to `_MAX_GAP` missing pixels also pairs of background pixels are given, so that the
    surroundings of a hole are complete.

    Args:
        surface: The depth image.
        objects: (h, w) pixels that may belong to objects.
    """
    shape = surface.disparity.shape
    down = _along_rows(surface.disparity.T, surface.down.T, objects.T)
    first, second = (i % shape[0] * shape[1] + i // shape[0] for i in (down.first, down.second))
    right = _along_rows(surface.disparity, surface.right, objects)
    return Pairs(
        np.concatenate((right.first, first)),
        np.concatenate((right.second, second)),
        np.concatenate((right.linked, down.linked)),
        np.concatenate((right.farther, down.farther)),
    )


def _along_rows(disparity: Floats, link: Bools, objects: Bools) -> Pairs:
    width = disparity.shape[1]
    disparity, link, objects = disparity.ravel(), link.ravel(), objects.ravel()
    known = np.flatnonzero(disparity > 0)
    first, second = known[:-1], known[1:]
    gap = second - first
    wanted = (objects[first] | objects[second] | (gap > 1)) & (gap <= _MAX_GAP + 1)
    first, second = first[wanted], second[wanted]
    same_row = first // width == second // width
    first, second = first[same_row], second[same_row]
    a, b = disparity[first], disparity[second]
    linked = link[first] & (second == first + 1)
    step = (b - a) / np.maximum(a, b)
    farther = np.where(linked | (np.abs(step) < _STEP), 0, np.sign(step)).astype(np.int8)
    return Pairs(first, second, linked, farther)
