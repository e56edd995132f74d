"""Whether feet stand and hands lean: near a surface and not moving against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy.special import expit

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.skeleton import COUNT, INDEX

FEET = (INDEX["left_ankle"], INDEX["right_ankle"])
HANDS = (INDEX["left_wrist"], INDEX["right_wrist"])
ENDS = (*FEET, *HANDS)
_ENDS = np.array(ENDS)
REACH: Floats = np.array([0.1, 0.1, 0.1, 0.1])
"""(4,) how far from ankles and wrists soles and palms are, m."""
_RESTING, _MOVING = 0.07, 0.5
_NEAR_SPREAD, _HEIGHTS = 0.02, 0.3


class Supports(Protocol):
    """What can be touched: the static scene."""

    def distance(self, points: Floats) -> Floats:
        """(N,) meters from points (N, 3) to the nearest surface; infinite where none is known."""
        ...


class Floor:
    """The level floor of the world frame.

    Args:
        height: Of it, m.
    """

    def __init__(self, height: float = 0.0) -> None:
        self._height = height

    def distance(self, points: Floats) -> Floats:
        """See `Supports`."""
        return np.asarray(np.abs(points[:, 2] - self._height))


def contacts(
    joints: Floats, velocities: Floats, variances: Floats, speeds: Floats,
    supports: Sequence[Supports],
) -> Floats:  # fmt: skip
    """(17,) probability that a joint touches something; 0 for others than ankles and wrists.

    Args:
        joints: (17, 3) world frame.
        velocities: (17, 3).
        variances: (17,) of the joints, per axis.
        speeds: (17,) variances of the velocities, per axis.
        supports: What is there to touch.
    """
    away = np.full(len(_ENDS), math.inf)
    for support in supports:
        away = np.minimum(away, support.distance(joints[_ENDS]))
    gap = np.maximum(away - REACH, 0.0)
    # Which is more likely, a place and a velocity as these if it touches, or if it does not (Bayes,
    # even odds before; what does not touch is anywhere within a range of heights)?
    blur = variances[_ENDS] + _NEAR_SPREAD**2
    odds = 0.5 * gap * gap / blur + 0.5 * np.log(2.0 * math.pi * blur / _HEIGHTS**2)
    spread = speeds[_ENDS]
    resting, moving = spread + _RESTING**2, spread + _MOVING**2
    squared = np.sum(velocities[_ENDS] ** 2, axis=1)
    odds += 0.5 * squared * (1.0 / resting - 1.0 / moving) + 1.5 * np.log(resting / moving)
    touching = np.zeros(COUNT)
    touching[_ENDS] = expit(-odds)
    return touching
