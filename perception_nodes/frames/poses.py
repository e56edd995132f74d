"""Where the camera was: from transforms, an odometry topic, or the depth images themselves."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from perception_nodes.errors import InputError
from perception_nodes.frames.camera import Picture
from perception_nodes.geometry.leveling import leveling_rotation
from perception_nodes.geometry.odometry import RgbdOdometry
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.transforms import PoseTrack, TransformBuffer, TransformError
from perception_nodes.ros.geometry_messages import pose_from_msg

# Frames that stand still in the world, best first (REP-105).
WORLD_FRAMES = ("map", "world", "odom")


class NotYetError(Exception):
    """The pose at this stamp is not known yet but may come with later messages."""


class PoseOrigin(Protocol):
    """Gives the pose of a picture's camera in the world."""

    def describe(self) -> str:
        """Where poses come from, for a person."""
        ...

    def pose(self, picture: Picture) -> Pose | None:
        """The pose; None if it can't be known. Asked once a picture, in order of time.

        Raises:
            NotYetError: It may become known.
        """
        ...


class TransformPoses:
    """Poses from TF."""

    def __init__(self, transforms: TransformBuffer, world: str) -> None:
        self._transforms = transforms
        self._world = world

    def describe(self) -> str:
        """Where poses come from."""
        return f"transforms in the recording (frame {self._world})"

    def pose(self, picture: Picture) -> Pose | None:
        """The transform from the optical frame to the world at the stamp."""
        try:
            return self._transforms.lookup(self._world, picture.frame_id, picture.stamp)
        except TransformError as error:
            if error.may_resolve:
                raise NotYetError from error
            return None


class OdometryTopicPoses:
    """Poses from a nav_msgs/Odometry topic and the static transform from its child frame."""

    def __init__(self, topic: str, transforms: TransformBuffer) -> None:
        self._topic = topic
        self._transforms = transforms
        self._track = PoseTrack(topic)
        self._child = ""

    def take(self, message: Any, stamp: int) -> None:
        """Take an odometry message; one with impossible values is ignored."""
        try:
            self._track.insert(stamp, pose_from_msg(message.pose.pose))
        except InputError:
            return
        self._child = message.child_frame_id

    def describe(self) -> str:
        """Where poses come from."""
        return f"odometry in the recording ({self._topic})"

    def pose(self, picture: Picture) -> Pose | None:
        """Odometry at the stamp, then the transform to the optical frame."""
        try:
            base = self._track.at(picture.stamp)
        except TransformError as error:
            if error.may_resolve:
                raise NotYetError from error
            return None
        try:
            return base @ self._transforms.lookup(self._child, picture.frame_id, picture.stamp)
        except TransformError:
            return base if self._child == picture.frame_id else None


class VisualOdometry:
    """Poses from aligning depth images; the world is leveled by the first one."""

    def __init__(self) -> None:
        self._odometry: RgbdOdometry | None = None

    def describe(self) -> str:
        """Where poses come from."""
        failures = self._odometry.failures if self._odometry is not None else 0
        failed = f"; {failures} frames could not be aligned" if failures else ""
        return f"RGB-D odometry, leveled by the main plane of the first frame{failed}"

    def pose(self, picture: Picture) -> Pose | None:
        """The pose after the motion since the last picture."""
        if self._odometry is None:
            if not np.isfinite(picture.depth).any():
                return None
            start = Pose(leveling_rotation(picture.depth, picture.camera), np.zeros(3))
            self._odometry = RgbdOdometry(picture.camera, start)
        return self._odometry.track(picture.depth)


def world_frame_above(transforms: TransformBuffer, frame_id: str) -> str | None:
    """The best world frame that a frame hangs from, if there is one."""
    try:
        chain = transforms.ancestors(frame_id)
    except TransformError:
        return None
    for wanted in WORLD_FRAMES:
        for frame in chain:
            if frame == wanted or frame.rpartition("/")[2] == wanted:
                return frame
    return None
