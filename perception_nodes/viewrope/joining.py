"""Join slots that are pieces of one object: alike to the network, and on one surface in depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.viewrope.segmentation import CREASE, concavity
from perception_nodes.viewrope.surface import Surface

ALIKE = 0.95
"""Of latents, which are unit vectors; pieces of an object have nearly the same (chosen, like the
others, on validation scenes of the slot encoder)."""
_CONTINUOUS = 0.7  # of the border between two pieces, without a step or crease
_LONG = 0.6  # of a border, as a part of the root of the smaller piece's area


def join_pieces(regions: Ints, latents: Floats, surface: Surface) -> Ints:
    """Give pieces of one object the number of the largest.

    Args:
        regions: (h, w) at the resolution of the surface; region i + 1 has latent i.
        latents: (N, D) unit vectors.
        surface: The depth image.

    Returns:
        (h, w) regions, fewer or as many.
    """
    alike = latents @ latents.T >= ALIKE
    np.fill_diagonal(alike, False)
    present = np.flatnonzero(np.bincount(regions.ravel(), minlength=len(latents) + 1)[1:])
    if not alike[np.ix_(present, present)].any():
        return regions
    areas = np.bincount(regions.ravel(), minlength=len(latents) + 1)
    chief = np.arange(len(areas))
    for a, b in _continuous(regions, alike, areas, surface):
        first, second = chief[a], chief[b]
        large, small = (first, second) if areas[first] >= areas[second] else (second, first)
        chief[chief == small] = large
    return np.asarray(chief[regions].astype(regions.dtype))


def _continuous(
    regions: Ints, alike: Bools, areas: Ints, surface: Surface
) -> Iterator[Sequence[int]]:
    """Pairs of regions that are alike and whose border is mostly without step or crease."""
    count = len(areas)
    wanted = np.zeros((count, count), dtype=bool)
    wanted[1:, 1:] = alike
    asked = np.asarray(wanted.any(axis=1))
    inner = concavity(surface, asked[regions]) < CREASE
    border = np.zeros(count * count)
    smooth = np.zeros(count * count)
    for link, near, far in (
        (surface.right, np.s_[:, :-1], np.s_[:, 1:]),
        (surface.down, np.s_[:-1], np.s_[1:]),
    ):
        a, b = regions[near], regions[far]
        y, x = np.nonzero((a != b) & wanted[a, b])
        key = np.minimum(a[y, x], b[y, x]) * count + np.maximum(a[y, x], b[y, x])
        flat = link[near][y, x] & inner[near][y, x] & inner[far][y, x]
        border += np.bincount(key, minlength=count * count).astype(float)
        smooth += np.bincount(key, flat, minlength=count * count)
    for index in np.flatnonzero(border).tolist():
        pair = divmod(index, count)
        least = _LONG * np.sqrt(min(areas[pair[0]], areas[pair[1]]))
        if border[index] >= least and smooth[index] >= _CONTINUOUS * border[index]:
            yield pair
