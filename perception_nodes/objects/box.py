"""Oriented boxes: what two sightings of one object have in common."""

from __future__ import annotations

import numpy as np

from perception_nodes.arrays import Bools, Floats

# A footprint whose sides differ by less than this factor has no orientation worth following.
SQUARE = 1.25


def align(rotation: Floats, size: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Choose, among the four equivalent descriptions of an upright box, the one closest to another.

    A box turned by 90 degrees about its z axis with x and y extents swapped is the same box.

    Args:
        rotation: (3, 3), box to world, z up.
        size: (3,) extents.
        reference: (3, 3) rotation to be close to.

    Returns:
        Rotation and size of the same box. Of a nearly square footprint the rotation is the
        reference itself, since its own carries no information.
    """
    if bool(_is_square(size)):
        return reference.copy(), size.copy()
    alignment = float(rotation[:, 0] @ reference[:, 0]), float(rotation[:, 0] @ reference[:, 1])
    if abs(alignment[0]) >= abs(alignment[1]):
        sign = 1.0 if alignment[0] >= 0 else -1.0
        return np.column_stack((sign * rotation[:, :2], rotation[:, 2])), size.copy()
    sign = 1.0 if alignment[1] >= 0 else -1.0
    x, y = -sign * rotation[:, 1], sign * rotation[:, 0]
    return np.column_stack((x, y, rotation[:, 2])), size[[1, 0, 2]]


def aligned_sizes(rotations: Floats, sizes: Floats, references: Floats) -> Floats:
    """The sizes that `align` gives to many boxes at once.

    Args:
        rotations: (P, 3, 3), box to world.
        sizes: (P, 3) extents.
        references: (P, 3, 3) rotations to be close to.

    Returns:
        (P, 3) extents.
    """
    along = np.abs((rotations[:, None, :, 0] @ references[:, :, :2])[:, 0])
    swapped = (along[:, 0] < along[:, 1]) & ~_is_square(sizes)
    return np.where(swapped[:, None], sizes[:, [1, 0, 2]], sizes)


def _is_square(sizes: Floats) -> Bools:
    x, y = sizes[..., 0], sizes[..., 1]
    return np.asarray(np.maximum(x, y) < SQUARE * np.minimum(x, y))


def blend(a: Floats, b: Floats, weight: float) -> Floats:
    """Rotate `a` a share of the way towards `b`: (3, 3) each; exact for small angles."""
    u, _, vt = np.linalg.svd((1.0 - weight) * a + weight * b)
    return np.asarray(u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt)


def inside(points: Floats, centers: Floats, rotations: Floats, half: Floats) -> Floats:
    """For each box, the share of each set of points that lies inside.

    Args:
        points: (S, P, 3) sets of points in the world; NaN rows do not count.
        centers: (N, 3) of the boxes.
        rotations: (N, 3, 3), box to world.
        half: (N, 3) half extents.

    Returns:
        (N, S) shares, 0..1.
    """
    known = np.isfinite(points)
    low = np.min(points, axis=1, initial=np.inf, where=known)
    high = np.max(points, axis=1, initial=-np.inf, where=known)
    with np.errstate(invalid="ignore"):  # sets without points are nowhere
        middle, radius = (low + high) / 2.0, np.linalg.norm(high - low, axis=-1) / 2.0
        apart = np.linalg.norm(centers[:, None] - middle[None], axis=-1)
        i, j = np.nonzero(apart <= np.linalg.norm(half, axis=-1)[:, None] + radius)
    local = (points[j] - centers[i, None]) @ rotations[i]
    hits = (np.abs(local) <= half[i, None]).all(axis=-1).sum(axis=-1)
    shares = np.zeros((len(centers), len(points)))
    shares[i, j] = hits / np.maximum(known[j, :, 0].sum(axis=-1), 1)
    return shares


def interval_center(
    predicted: Floats, size: Floats, seen_center: Floats, seen_size: Floats, rotation: Floats
) -> tuple[Floats, Floats]:
    """Where the center of an object can be, given that what is seen is part of it.

    Along each axis of the box the object, of extent L, must contain the seen interval [a, b], so
    that its center lies in [b - L/2, a + L/2]. Inside this range a sighting says nothing.

    Args:
        predicted: (..., 3) believed center, world.
        size: (..., 3) believed extents L.
        seen_center: (..., 3) center of the sighting, world.
        seen_size: (..., 3) its extents along the same axes.
        rotation: (..., 3, 3) axes of the box, world.

    Returns:
        The measured center (..., 3), which equals the prediction where that is possible, and the
        slack (..., 3), the half width of the possible range along each axis.
    """
    offset = ((seen_center - predicted)[..., None, :] @ rotation)[..., 0, :]
    slack = np.maximum(size - seen_size, 0.0) / 2.0
    outside = offset - np.minimum(np.maximum(offset, -slack), slack)
    return predicted + (rotation @ outside[..., None])[..., 0], slack
