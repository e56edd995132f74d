"""Keeps the last color images and where their camera was, so that what happened can be shown.

ROS-free. Images are converted only when something happened, by `Picture.frame` in the worker.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from perception_nodes.errors import InputError
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.camera_input import Calibration, CalibrationInput
from perception_nodes.ros.geometry_messages import pose_from_msg, time_from_msg
from perception_nodes.ros.images import color_image
from perception_nodes.scene import Frame

_KEPT = 15
_TOLERANCE_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class Picture:
    """A color image with its camera, not yet converted."""

    stamp: int
    camera_name: str
    color: Any
    calibration: Calibration
    pose: Pose

    def frame(self) -> Frame:
        """The frame, without depth.

        Raises:
            InputError: The image can't be read.
        """
        color, rectifier = color_image(self.color), self.calibration.rectifier
        camera = self.calibration.camera
        if rectifier is not None and color.shape[:2] == (camera.height, camera.width):
            color = rectifier.color(color)
        unknown = np.broadcast_to(np.float32(np.nan), color.shape[:2])
        frame_id = self.color.header.frame_id.lstrip("/")
        return Frame(self.stamp, self.camera_name, frame_id, camera, color, unknown, self.pose)


class PictureInput:
    """Collects messages: the pose comes with the slots, the image has about their stamp."""

    def __init__(self) -> None:
        self._calibration = CalibrationInput()
        self._colors: OrderedDict[int, Any] = OrderedDict()
        self._poses: OrderedDict[tuple[int, str], Pose] = OrderedDict()

    def reset(self) -> None:
        """Forget images and poses, as after a backward jump of the clock."""
        self._colors.clear()
        self._poses.clear()

    def take_info(self, message: Any) -> None:
        """Take a `CameraInfo`.

        Raises:
            InputError: The camera is uncalibrated or its values are impossible.
        """
        self._calibration.take(message)

    def take_color(self, message: Any) -> None:
        """Take a color image, raw or compressed."""
        _keep(self._colors, time_from_msg(message.header.stamp), message)

    def take_slots(self, message: Any) -> None:
        """Take where the camera was; the slots themselves are the tracker's business.

        Raises:
            InputError: The pose is impossible.
        """
        if message.world_frame:
            key = (time_from_msg(message.header.stamp), message.camera_name)
            _keep(self._poses, key, pose_from_msg(message.camera_pose))

    def picture(self, stamp: int, camera_name: str) -> Picture | None:
        """What the camera saw at a stamp; None without image, pose or calibration."""
        calibration, pose = self._calibration.current, self._poses.get((stamp, camera_name))
        nearest = min(self._colors, key=lambda key: abs(key - stamp), default=None)
        if calibration is None or pose is None or nearest is None:
            return None
        if abs(nearest - stamp) > _TOLERANCE_NS:
            return None
        return Picture(stamp, camera_name, self._colors[nearest], calibration, pose)


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    kept[key] = value
    while len(kept) > _KEPT:
        kept.popitem(last=False)


def frame_of(picture: Picture | None) -> tuple[Frame | None, str]:
    """The frame of a picture, or why there is none."""
    try:
        return (None, "") if picture is None else (picture.frame(), "")
    except InputError as error:
        return None, str(error)
