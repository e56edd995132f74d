"""The camera pose that a drifting odometry believes."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.geometry.pose import Pose
from perception_simulation.specification import Odometry

_METERS_A_RADIAN = 0.2


class Drift:
    """Yaw and position wander with the way traveled; a turn by a radian counts as 0.2 m.

    Args:
        odometry: How strongly.
        seed: Of the scene.
        index: Of the camera in the scene.
    """

    def __init__(self, odometry: Odometry, seed: int, index: int) -> None:
        self._odometry = odometry
        self._rng = np.random.default_rng((seed, index, 2))
        self._error = Pose.identity()
        self._last: Pose | None = None

    def believed(self, true: Pose) -> Pose:
        """What the robot takes for its pose; call it for every frame in order."""
        if self._odometry == Odometry():
            return true
        if self._last is not None:
            self._wander(self._last, true)
        self._last = true
        return self._error @ true

    def _wander(self, last: Pose, true: Pose) -> None:
        way = float(np.linalg.norm(true.translation - last.translation))
        way += _METERS_A_RADIAN * last.angle_to(true)
        yaw = self._odometry.yaw_drift * math.sqrt(way) * self._rng.standard_normal()
        step = self._odometry.position_drift * math.sqrt(way) * self._rng.standard_normal(3)
        turn = Pose(Rotation.from_euler("z", yaw).as_matrix(), np.zeros(3))
        here = Pose(np.eye(3), (self._error @ true).translation)
        moved = Pose(np.eye(3), here.translation + step)
        self._error = moved @ turn @ here.inverse() @ self._error
