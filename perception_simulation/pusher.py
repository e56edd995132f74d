"""The pusher under live control: a bounded velocity that somebody keeps commanding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.ros.geometry_messages import time_from_msg, vector_from_msg

MAX_SPEED = 0.5
"""Faster commands are slowed down to this, m/s."""
COMMAND_LIFE = 0.2
"""A command that is not renewed for so long is stale and the pusher stops, s."""
_LEASH = 0.03
_OLD_NS = 500_000_000


def bounded(velocity: Floats) -> Floats:
    """A commanded velocity (3,), m/s, slowed down to `MAX_SPEED`.

    Raises:
        InputError: It is not finite.
    """
    wanted = np.array(velocity, dtype=np.float64)
    if wanted.shape != (3,) or not np.isfinite(wanted).all():
        raise InputError(f"the command {wanted.tolist()} is no velocity")
    # of the largest component first, since the square of 1e308 is infinite
    largest = max(float(np.abs(wanted).max()), MAX_SPEED)
    speed = largest * float(np.linalg.norm(wanted / largest))
    return wanted if speed <= MAX_SPEED else wanted / largest * (MAX_SPEED / (speed / largest))


def velocity_of(message: Any, world_frame: str, now: int) -> Floats:
    """The velocity (3,) that a `TwistStamped` commands, m/s, world frame, bounded.

    Args:
        message: The command.
        world_frame: In which it must be expressed.
        now: ns, to refuse what is old; a stamp of 0 means now.

    Raises:
        InputError: It is old, not finite, or expressed in another frame.
    """
    frame, stamp = message.header.frame_id, time_from_msg(message.header.stamp)
    if frame not in ("", world_frame):
        raise InputError(
            f"the command is expressed in {frame!r}, not in {world_frame!r}",
            "express the pusher's velocity in the world frame",
        )
    if stamp and stamp < now - _OLD_NS:
        raise InputError(f"the command is {(now - stamp) * 1e-9:.1f} s old")
    return bounded(vector_from_msg(message.twist.linear))


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """Where the pusher's tip is being driven.

    Attributes:
        low, high: (3,) corners of the box that the tip stays in, world frame.
        target: (3,) where its servos pull it now.
        velocity: (3,) m/s, world frame.
        until: Time at which the command is stale, s.
    """

    low: Floats
    high: Floats
    target: Floats
    velocity: Floats
    until: float

    def commanded(self, velocity: Floats, time: float) -> Drive:
        """The same with a new velocity (3,), which holds from `time` for `COMMAND_LIFE`.

        Raises:
            InputError: The velocity is not finite.
        """
        return replace(self, velocity=bounded(velocity), until=time + COMMAND_LIFE)

    def advanced(self, time: float, period: float, place: Floats) -> Drive:
        """One control period on; the tip is at `place` (3,).

        The target runs ahead of the tip by at most `_LEASH`, so that a blocked pusher does not
        store up a leap.
        """
        target = self.target
        if time < self.until:
            target = target + self.velocity * period
            target = np.clip(target, place - _LEASH, place + _LEASH)
        return replace(self, target=np.clip(target, self.low, self.high))
