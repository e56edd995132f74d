"""Whether feet stand and hands lean: near a surface and not moving against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

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
_CERTAIN = 700.0  # beyond which an exponential overflows


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
    near = zip((away - REACH).tolist(), variances[_ENDS].tolist(), strict=True)
    pace = zip(velocities[_ENDS].tolist(), speeds[_ENDS].tolist(), strict=True)
    touching = np.zeros(COUNT)
    touching[_ENDS] = [_touches(*place, *speed) for place, speed in zip(near, pace, strict=True)]
    return touching


def _touches(gap: float, variance: float, velocity: Sequence[float], spread: float) -> float:
    """Which is more likely, such a place and velocity if it touches, or if it does not?

    Bayes, even odds before; what does not touch is anywhere within a range of heights. In numbers,
    not arrays: there are four, and this is done for each image.
    """
    gap, blur = max(gap, 0.0), variance + _NEAR_SPREAD**2
    resting, moving = spread + _RESTING**2, spread + _MOVING**2
    squared = sum(v * v for v in velocity)
    odds = gap * gap / blur + math.log(2.0 * math.pi * blur / _HEIGHTS**2)
    odds += squared * (1.0 / resting - 1.0 / moving) + 3.0 * math.log(resting / moving)
    return 1.0 / (1.0 + math.exp(min(0.5 * odds, _CERTAIN)))
