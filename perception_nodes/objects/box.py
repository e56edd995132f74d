"""Oriented boxes: what two sightings of one object have in common."""

from __future__ import annotations

import numpy as np

from perception_nodes.arrays import Floats

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
    if max(size[0], size[1]) < SQUARE * min(size[0], size[1]):
        return reference.copy(), size.copy()
    alignment = float(rotation[:, 0] @ reference[:, 0]), float(rotation[:, 0] @ reference[:, 1])
    if abs(alignment[0]) >= abs(alignment[1]):
        sign = 1.0 if alignment[0] >= 0 else -1.0
        return np.column_stack((sign * rotation[:, :2], rotation[:, 2])), size.copy()
    sign = 1.0 if alignment[1] >= 0 else -1.0
    x, y = -sign * rotation[:, 1], sign * rotation[:, 0]
    return np.column_stack((x, y, rotation[:, 2])), size[[1, 0, 2]]


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
    offset = points[None] - centers[:, None, None]
    local = np.einsum("nspi,nij->nspj", offset, rotations, optimize=True)
    hit = (np.abs(local) <= half[:, None, None]).all(axis=-1)
    count = np.maximum(np.isfinite(points[..., 0]).sum(axis=-1), 1)
    return np.asarray(hit.sum(axis=-1) / count)


def interval_center(
    predicted: Floats, size: Floats, seen_center: Floats, seen_size: Floats, rotation: Floats
) -> tuple[Floats, Floats]:
    """Where the center of an object can be, given that what is seen is part of it.

    Along each axis of the box the object, of extent L, must contain the seen interval [a, b], so
    that its center lies in [b - L/2, a + L/2]. Inside this range a sighting says nothing.

    Args:
        predicted: (3,) believed center, world.
        size: (3,) believed extents L.
        seen_center: (3,) center of the sighting, world.
        seen_size: (3,) its extents along the same axes.
        rotation: (3, 3) axes of the box, world.

    Returns:
        The measured center (3,), which equals the prediction where that is possible, and the
        slack (3,), the half width of the possible range along each axis.
    """
    offset = (seen_center - predicted) @ rotation
    slack = np.maximum(size - seen_size, 0.0) / 2.0
    return predicted + rotation @ (offset - np.clip(offset, -slack, slack)), slack
