"""Objects and situations for tests of the planner."""

from __future__ import annotations

import math

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.scene import Gaussian, ObjectState, Visibility


def block(
    name: str,
    x: float,
    y: float,
    yaw: float = 0.0,
    size: tuple[float, float, float] = (0.06, 0.06, 0.06),
    z: float = 0.0,
    mass: float = 0.3,
    friction: float = 0.5,
) -> ObjectState:
    """A box whose bottom is at height z."""
    c, s = math.cos(yaw), math.sin(yaw)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return ObjectState(
        id=name,
        stamp=1_000_000_000,
        pose=Pose(turn, np.array([x, y, z + size[2] / 2.0])),
        pose_covariance=np.eye(6) * 1e-6,
        velocity=np.zeros(3),
        angular_velocity=np.zeros(3),
        twist_covariance=np.eye(6) * 1e-6,
        size=np.array(size),
        visibility=Visibility.VISIBLE,
        first_seen=1,
        last_seen=1_000_000_000,
        existence=1.0,
        log_mass=Gaussian(math.log(mass), 0.01),
        log_friction=Gaussian(math.log(friction), 0.01),
    )


def scene(*objects: ObjectState, tip: tuple[float, float, float] = (-0.3, 0.0, 0.3)) -> Situation:
    """Objects on a support at height 0, and a tip at rest."""
    return Situation(1_000_000_000, objects, (), (), np.array(tip), np.zeros(3))


def goal(name: str, x: float, y: float, **more: float) -> Goal:
    """An object at a place."""
    return Goal(name, Pose(np.eye(3), np.array([x, y, 0.03])), **more)


def straight(start: tuple[float, float], end: tuple[float, float], steps: int = 20) -> Floats:
    """(1, steps + 1, 3) a way of the tip just above the support."""
    share = np.linspace(0.0, 1.0, steps + 1)[:, None]
    level = np.array(start) + share * (np.array(end) - np.array(start))
    return np.column_stack((level, np.full(steps + 1, 0.015)))[None]
