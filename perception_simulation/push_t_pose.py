"""Where a T lies by the pixels of a camera above it: its known outline laid over what they show.

Every viewing ray crosses the plane of the T's top somewhere. It hits the top if, and only if, it
crosses inside of the outline: what shows sides or the table crossed outside, and what shows
nothing, as under the filtered tool, says nothing. So the outline is moved and turned until inside
and outside agree best with the pixels (least squares of a smooth edge, as in level-set
registration; Prisacariu and Reid, PWP3D, 2012).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.special import expit

from perception_nodes.arrays import Bools, Floats
from perception_simulation.push_t import PARTS

REACH = 0.1
"""m around the middle of mass in which pixels are looked at; the T itself reaches 8 cm."""
_COARSE, _FINE = 0.008, 0.002
_SPARSE, _NEAR = 4, 4.0
_STARTS = 12
_SCALE = (0.01, 0.01, 0.2)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Where an outline fits best.

    Attributes:
        pose: (3,) x, y of the middle of mass, heading.
        covariance: (3, 3) by the curvature of the fit and what it leaves; pixels are taken to be
            independent.
        disagreement: Share of the T's pixels that say inside where the fit says outside or the
            other way round.
    """

    pose: Floats
    covariance: Floats
    disagreement: float


def outside(points: Floats, pose: Floats) -> Floats:
    """(P,) how far points (P, 2) are outside of the outline of a T at a pose (3,), m; else < 0."""
    c, s = math.cos(pose[2]), math.sin(pose[2])
    off = points - pose[:2]
    local = np.stack((c * off[:, 0] + s * off[:, 1], c * off[:, 1] - s * off[:, 0]), axis=-1)
    beyond = np.abs(local[None] - _OUTLINE[:, None, :2]) - _OUTLINE[:, None, 2:]
    far = np.hypot(*np.moveaxis(np.maximum(beyond, 0.0), -1, 0))
    return np.asarray((far + np.minimum(beyond.max(axis=-1), 0.0)).min(axis=0))


def find(points: Floats, inside: Bools) -> Fit:
    """The pose of a T that nothing is known of yet; see `follow`."""
    middle = points[inside].mean(axis=0)
    headings = np.arange(_STARTS) / _STARTS * 2.0 * math.pi - math.pi
    tried = [follow(points, inside, np.array([*middle, heading])) for heading in headings]
    return min(tried, key=lambda fit: fit.disagreement)


def follow(points: Floats, inside: Bools, start: Floats) -> Fit:
    """The pose of a T that is near a pose.

    Args:
        points: (P, 2) where viewing rays cross the plane of its top, m; at least four.
        inside: (P,) which of them hit the top.
        start: (3,).

    Returns:
        The best fit.
    """
    rough, _ = _fit(points[::_SPARSE], inside[::_SPARSE], start, _COARSE)
    near = np.abs(outside(points, rough)) < _NEAR * _FINE
    pose, covariance = _fit(points[near], inside[near], rough, _FINE)
    wrong = int(np.count_nonzero((outside(points, pose) < 0.0) != inside))
    return Fit(pose, covariance, wrong / max(int(np.count_nonzero(inside)), 1))


def _fit(points: Floats, inside: Bools, start: Floats, blur: float) -> tuple[Floats, Floats]:
    """The pose with the least squares, and its covariance (3, 3)."""
    wanted = inside.astype(float)

    def residuals(pose: Floats) -> Floats:
        return np.asarray(expit(-outside(points, pose) / blur) - wanted)

    end = least_squares(residuals, start, method="lm", x_scale=_SCALE, xtol=1e-4, ftol=1e-4)
    slope = np.asarray(end.jac, dtype=np.float64)
    variance = 2.0 * float(end.cost) / max(len(points) - len(start), 1)
    return np.asarray(end.x), variance * np.linalg.pinv(slope.T @ slope)


def _outline() -> Floats:
    """(2, 4) the bar, and the stem through to the far side of the bar, without a seam inside."""
    bar, stem = PARTS
    low, high = stem[1] - stem[3], bar[1] + bar[3]
    return np.array([bar, [stem[0], (low + high) / 2.0, stem[2], (high - low) / 2.0]])


_OUTLINE = _outline()
