"""Where the camera was: from transforms, an odometry topic, or the depth images themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from perception_nodes.bags.reader import Bag
from perception_nodes.errors import InputError
from perception_nodes.frames.account import Account
from perception_nodes.frames.camera import Picture
from perception_nodes.frames.opening import ODOMETRY, Opening
from perception_nodes.frames.topics import CameraTopics
from perception_nodes.geometry.leveling import leveling_rotation
from perception_nodes.geometry.odometry import RgbdOdometry
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.transforms import PoseTrack, TransformBuffer, TransformError
from perception_nodes.ros.geometry_messages import pose_from_msg

# Frames that stand still in the world, best first (REP-105).
WORLD_FRAMES = ("map", "world", "odom")


class NotYetError(Exception):
    """The pose at this stamp is not known yet but may come with later messages."""


class UnknownPoseError(Exception):
    """The pose at this stamp can't be known."""


class OutsideError(NotYetError):
    """The stamp lies before the first or after the last pose known so far.

    Attributes:
        gap_ns: By how much.
    """

    def __init__(self, message: str, gap_ns: int) -> None:
        super().__init__(message)
        self.gap_ns = gap_ns


class PoseOrigin(Protocol):
    """Gives the pose of a picture's camera in the world.

    Attributes:
        sequential: Whether each pose follows from the one before, so that pictures must come in
            order of time.
    """

    sequential: bool

    def describe(self) -> str:
        """Where poses come from, for a person."""
        ...

    def pose(self, picture: Picture) -> Pose:
        """The pose. Asked about a picture until it is known, and once if `sequential`.

        Raises:
            NotYetError: It may become known with later messages.
            UnknownPoseError: It will not.
        """
        ...


class TransformPoses:
    """Poses from TF."""

    sequential = False

    def __init__(self, transforms: TransformBuffer, world: str) -> None:
        self._transforms = transforms
        self._world = world

    def describe(self) -> str:
        """Where poses come from."""
        return f"transforms in the recording (frame {self._world})"

    def pose(self, picture: Picture) -> Pose:
        """The transform from the optical frame to the world at the stamp."""
        try:
            return self._transforms.lookup(self._world, picture.frame_id, picture.stamp)
        except (TransformError, InputError) as error:
            raise _explained(error) from error


class OdometryTopicPoses:
    """Poses from a nav_msgs/Odometry topic and the transform from its child frame.

    Args:
        topic: Name.
        transforms: Where the camera is on the robot.
        account: Told of messages that can't be used.
    """

    sequential = False

    def __init__(self, topic: str, transforms: TransformBuffer, account: Account) -> None:
        self.topic = topic
        self._transforms = transforms
        self._account = account
        self._track = PoseTrack(topic)
        self._child = ""

    def take(self, message: Any, stamp: int) -> None:
        """Take an odometry message; one with impossible values is noted."""
        try:
            self._track.insert(stamp, pose_from_msg(message.pose.pose))
        except InputError as error:
            self._account.note(
                f"{self.topic} has impossible messages, which are ignored", str(error)
            )
            return
        self._child = message.child_frame_id

    def describe(self) -> str:
        """Where poses come from."""
        return f"odometry in the recording ({self.topic})"

    def pose(self, picture: Picture) -> Pose:
        """Odometry at the stamp, then the transform to the optical frame."""
        try:
            base = self._track.at(picture.stamp)
            if self._child == picture.frame_id:
                return base
            return base @ self._transforms.lookup(self._child, picture.frame_id, picture.stamp)
        except (TransformError, InputError) as error:
            raise _explained(error) from error


class VisualOdometry:
    """Poses from aligning depth images; the world is leveled by the first one."""

    sequential = True

    def __init__(self) -> None:
        self._odometry: RgbdOdometry | None = None

    def describe(self) -> str:
        """Where poses come from."""
        failures = self._odometry.failures if self._odometry is not None else 0
        failed = f"; {failures} frames could not be aligned" if failures else ""
        return f"RGB-D odometry, leveled by the main plane of the first frame{failed}"

    def pose(self, picture: Picture) -> Pose:
        """The pose after the motion since the last picture."""
        if self._odometry is None:
            if not np.isfinite(picture.depth).any():
                raise UnknownPoseError("there has been no depth reading yet")
            start = Pose(leveling_rotation(picture.depth, picture.camera), np.zeros(3))
            self._odometry = RgbdOdometry(picture.camera, start)
        return self._odometry.track(picture.depth)


def choose_origin(
    bag: Bag,
    cameras: Sequence[CameraTopics],
    opening: Opening,
    transforms: TransformBuffer,
    account: Account,
) -> PoseOrigin:
    """The best way to know where the cameras are: TF, an odometry topic, or else depth images.

    Args:
        bag: The recording.
        cameras: Those used; the first one decides.
        opening: What the start of the recording says.
        transforms: Those of the start.
        account: Told why what the recording has can't be used.
    """
    frame = opening.frame_ids.get(cameras[0].color or cameras[0].depth, "")
    world = world_frame_above(transforms, frame)
    if world is not None:
        return TransformPoses(transforms, world)
    for topic in sorted(t.name for t in bag.topics.values() if t.type_name == ODOMETRY):
        child = opening.children.get(topic)
        if child is not None and (child == frame or _connected(transforms, child, frame)):
            return OdometryTopicPoses(topic, transforms, account)
        if child is not None:
            account.note(f"{topic} is not used: no transform leads from {child!r} to {frame!r}")
    if transforms.frames() and not frame:
        account.note("the images do not name their frame, so that transforms can't be used")
    elif transforms.frames():
        worlds = ", ".join(WORLD_FRAMES)
        account.note(f"the transforms do not lead from the frame {frame!r} to one of {worlds}")
    return VisualOdometry()


def world_frame_above(transforms: TransformBuffer, frame_id: str) -> str | None:
    """The best world frame that a frame hangs from, if there is one."""
    try:
        chain = transforms.ancestors(frame_id)
    except (TransformError, InputError):  # unknown, or an empty name
        return None
    for wanted in WORLD_FRAMES:
        for frame in chain:
            if frame == wanted or frame.rpartition("/")[2] == wanted:
                return frame
    return None


def _connected(transforms: TransformBuffer, a: str, b: str) -> bool:
    try:
        return transforms.ancestors(a)[-1] == transforms.ancestors(b)[-1]
    except (TransformError, InputError):
        return False


def _explained(error: TransformError | InputError) -> NotYetError | UnknownPoseError:
    if isinstance(error, TransformError) and error.gap_ns:
        return OutsideError(str(error), error.gap_ns)
    if isinstance(error, TransformError) and error.may_resolve:
        return NotYetError(str(error))
    return UnknownPoseError(str(error))
