"""Where objects go that the pusher moves, by the physics prior.

What the robot pushes behind a panel is not lost: it knows where its tip is, and what that does. It
speaks of seen objects as well, since one that slides behind something shows ever less of itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.motion import Belief
from perception_nodes.planner.blocks import blocks_of
from perception_nodes.planner.prior import Physics, roll, start_state, things
from perception_nodes.scene import ObjectState

_NANOSECONDS = 1e-9
_STILL = 1e-5
_LONGEST = 0.1


class PriorMotion:
    """A model of motion for the tracker; see `cjepa.motion.MotionModel`.

    Args:
        physics: What the prior assumes.
    """

    def __init__(self, physics: Physics | None = None) -> None:
        self._physics = physics or Physics()
        self._tips: list[tuple[int, Floats]] = []

    def tell_tip(self, stamp: int, tip: Floats) -> None:
        """Where the tip (3,) is at the time of the frame to come, ns."""
        self._tips = [*self._tips[-1:], (stamp, tip.copy())]

    def reset(self) -> None:
        """See `MotionModel`."""
        self._tips = []

    def advance(self, stamp: int, objects: Sequence[ObjectState]) -> Mapping[str, Belief]:
        """See `MotionModel`."""
        if not objects or len(self._tips) < 2 or self._tips[-1][0] != stamp:
            return {}
        (_, before), (_, after) = self._tips
        dt = (stamp - objects[0].stamp) * _NANOSECONDS
        if not 0.0 < dt < 1.0:
            return {}
        steps = math.ceil(dt / _LONGEST)
        share = np.linspace(0.0, 1.0, steps + 1)[:, None]
        tips = (before + share * (after - before))[None]
        blocks = blocks_of(objects)
        blocks.velocities[:] = 0.0
        still = things(blocks, self._physics, dt / steps)
        end = roll(np, start_state(blocks, 1), still, tips, dt / steps, self._physics)[-1]
        change = end.poses[0] - blocks.poses
        spread = end.deviation[0]
        return {
            item.id: _belief(item, change[k], float(spread[k]))
            for k, item in enumerate(objects)
            if np.abs(change[k]).max() > _STILL
        }


def _belief(item: ObjectState, change: Floats, deviation: float) -> Belief:
    """Slow pushes leave no velocity behind: what is pushed stops with the tip."""
    c, s = math.cos(change[2]), math.sin(change[2])
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = item.pose_covariance[:3, :3]
    widen = max(deviation**2 - float(np.trace(covariance[:2, :2])) / 2.0, 0.0)
    covariance[0, 0] += widen
    covariance[1, 1] += widen
    position = item.position + np.append(change[:2], 0.0)
    return Belief(position, np.zeros(3), covariance, turn @ item.pose.rotation)
