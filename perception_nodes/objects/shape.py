"""What is round: told from the surface that a camera sees.

The points of a sighting are compared with five surfaces that have its box: the box itself, an
ellipsoid (a ball), and elliptic cylinders about each axis. The power to which a smaller residual
counts, and how common the shapes are, were fitted on random tabletops (`bench/cjepa_shapes.py
--fit`); the same script measures on others how often it is right.
"""

from __future__ import annotations

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.scene import UNKNOWN_ROUNDNESS

BOX, BALL, CYLINDERS = 0, 1, slice(2, 5)
POWER = 16.95
COMMON = (0.54, -1.17, -0.26, -0.26, 0.66)
"""Log weights of box, ball, and cylinders about each axis; those that stand are more common."""
_CAP, _LEAST = 0.01, 0.0005
_RIM = 1.1
_MIN_POINTS = 12
_OTHERS = ((1, 2), (0, 2), (0, 1))


def residuals(points: Floats, rotation: Floats, size: Floats) -> Floats | None:
    """Log root mean square distances, m, of a surface from the five shapes (5,).

    Args:
        points: (P, 3) seen surface, relative to the middle of its box.
        rotation: (3, 3), box to the frame of the points.
        size: (3,) extents of the box; standing, its third axis is the vertical.

    Returns:
        None where too few points tell.
    """
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < _MIN_POINTS:
        return None
    half = np.maximum(size, 1e-3) / 2.0
    inside = points @ rotation
    faces = np.abs(half - np.abs(inside))
    scaled = (inside / half) ** 2
    away = np.empty((5, len(points)))
    away[BOX] = faces.min(axis=1)
    away[BALL] = np.abs(np.sqrt(scaled.sum(axis=1)) - 1.0) * half.mean()
    for axis, (a, b) in enumerate(_OTHERS):
        from_axis = np.sqrt(scaled[:, a] + scaled[:, b])
        side = np.abs(from_axis - 1.0) * (half[a] + half[b]) / 2.0
        end = np.where(from_axis < _RIM, faces[:, axis], np.inf)
        away[2 + axis] = np.minimum(side, end)
    square = np.minimum(away, _CAP) ** 2
    return np.asarray(np.log(np.maximum(np.sqrt(square.mean(axis=1)), _LEAST)))


def roundness(fits: Floats | None) -> Floats:
    """(3,) chance that the surface is round about each axis of the box.

    Args:
        fits: (5,) mean of `residuals` over sightings; none if it was never seen whole.
    """
    if fits is None:
        return np.full(3, UNKNOWN_ROUNDNESS)
    chance = chances(fits)
    return np.asarray(chance[BALL] + chance[CYLINDERS])


def chances(fits: Floats) -> Floats:
    """(5,) of the shapes."""
    score = np.array(COMMON) - POWER * fits
    weight = np.exp(score - score.max())
    return np.asarray(weight / weight.sum())
