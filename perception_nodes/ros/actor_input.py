"""Who pushes things, from messages as they arrive: commands, transforms, people. ROS-free."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.actors import ROBOT, Actor, Hands
from perception_nodes.errors import InputError
from perception_nodes.geometry.transforms import TransformBuffer, TransformError, TransformFailure
from perception_nodes.ros.conversion import people_from_msg
from perception_nodes.ros.geometry_messages import (
    time_from_msg,
    transform_from_msg,
    vector_from_msg,
)

PUSHER = "pusher"
"""TF frame of the tip with which the robot pushes."""
COMMAND_LIFE = 200_000_000
"""Nanoseconds for which a command holds that is not renewed."""
_SPAN = 100_000_000
_LATE = 100_000_000


class ActorInput:
    """Knows the robot's pusher and, where it is away, the hand nearest to an object.

    Messages and questions may come from different threads.

    Args:
        world_frame: In which commands, people and the answer are.
    """

    def __init__(self, world_frame: str) -> None:
        self._world_frame = world_frame
        self._lock = threading.Lock()
        self._transforms = TransformBuffer()
        self.reset()

    def reset(self) -> None:
        """Forget all that changes, as after a backward jump of the clock."""
        with self._lock:
            self._transforms.clear()
            self._command: tuple[int, Floats] | None = None
            self._hands = Hands()
            self.problem = ""

    def take_transforms(self, message: Any, static: bool) -> None:
        """Take a TFMessage.

        Raises:
            InputError: A transform is impossible.
        """
        for transform in message.transforms:
            stamp, parent, child, pose = transform_from_msg(transform)
            with self._lock:
                self._transforms.insert(parent, child, stamp, pose, static)

    def take_command(self, message: Any) -> None:
        """Take a `TwistStamped`, the velocity of the pusher.

        Raises:
            InputError: It is in another frame, or no velocity.
        """
        self._check_frame("command", message)
        velocity = vector_from_msg(message.twist.linear)
        if not np.isfinite(velocity).all():
            raise InputError(f"the command {velocity.tolist()} is no velocity")
        with self._lock:
            self._command = time_from_msg(message.header.stamp), velocity

    def take_people(self, message: Any) -> None:
        """Take a `PersonArray`.

        Raises:
            InputError: It is in another frame.
        """
        self._check_frame("people", message)
        found = people_from_msg(message)
        with self._lock:
            self._hands.take(found)

    def at(self, stamp: int, places: Floats) -> Actor | None:
        """Who can push at a time.

        Args:
            stamp: ns.
            places: (N, 3) where objects are.
        """
        with self._lock:
            return self._robot(stamp) or self._hands.at(stamp, places)

    def _check_frame(self, topic: str, message: Any) -> None:
        frame = message.header.frame_id
        if frame not in ("", self._world_frame):
            raise InputError(
                f"{topic} is expressed in {frame!r}, not in {self._world_frame!r}",
                "express it in the world frame, or change the parameter world_frame",
            )

    def _robot(self, stamp: int) -> Actor | None:
        self.problem = ""
        try:
            known, tip = self._tip(stamp)
        except TransformError as error:
            self.problem = str(error)
            return None
        velocity: Floats = np.zeros(3)
        with suppress(TransformError):
            velocity = np.divide(tip - self._tip(known - _SPAN)[1], _SPAN * 1e-9)
        if self._command is not None and 0 <= stamp - self._command[0] < COMMAND_LIFE:
            velocity = self._command[1]
        return Actor(ROBOT, tip + velocity * (stamp - known) * 1e-9, velocity)

    def _tip(self, stamp: int) -> tuple[int, Floats]:
        """When, at or shortly before the stamp, the tip was where."""
        try:
            return stamp, self._transforms.lookup(self._world_frame, PUSHER, stamp).translation
        except TransformError as error:
            if error.reason is not TransformFailure.TOO_LATE or not 0 < error.gap_ns <= _LATE:
                raise
            known = stamp - error.gap_ns
            return known, self._transforms.lookup(self._world_frame, PUSHER, known).translation
