"""How far cameras are from where transforms put them: a turn about gravity and a shift each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose


def _unsure() -> Floats:
    return np.diag([math.radians(0.5) ** 2, 0.02**2, 0.02**2, 0.02**2])


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """What to do to the poses of one camera.

    Attributes:
        yaw: Turn about the vertical through `pivot`, radians.
        shift: (3,) after it, meters, world frame.
        pivot: (3,) a point near what is seen, so that turn and shift hardly depend on each other.
        covariance: (4, 4) of yaw and shift.
        delay: How much later than its stamps say the camera took its images, s.
        stamp: When it held, ns: the middle of what it was found from; 0 for from now on.
    """

    yaw: float = 0.0
    shift: Floats = field(default_factory=lambda: np.zeros(3))
    pivot: Floats = field(default_factory=lambda: np.zeros(3))
    covariance: Floats = field(default_factory=_unsure)
    delay: float = 0.0
    stamp: int = 0

    def apply(self, pose: Pose) -> Pose:
        """The corrected pose of the camera in the world."""
        turn = rotation(self.yaw)
        place = turn @ (pose.translation - self.pivot) + self.pivot + self.shift
        return Pose(turn @ pose.rotation, place)

    def motion(self, pivot: Floats) -> Floats:
        """(4,) yaw and shift of the same correction about another point."""
        there = np.asarray(pivot)
        moved = rotation(self.yaw) @ (there - self.pivot) + self.pivot + self.shift
        return np.concatenate([[self.yaw], moved - there])

    def about(self, pivot: Floats) -> Floats:
        """(4, 4) covariance of yaw and shift if the turn were about another point."""
        move = np.eye(4)
        offset = np.asarray(pivot) - self.pivot
        move[1:3, 0] = -offset[1], offset[0]
        return np.asarray(move @ self.covariance @ move.T)


def rotation(yaw: float) -> Floats:
    """(3, 3) turn about the vertical."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
