"""From the plain layout to a recording with the topics of an RGB-D camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import cv2
import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.bags.plain import PlainFrame, PlainRecording
from perception_nodes.bags.writer import BagWriter
from perception_nodes.errors import BagError
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.leveling import leveling_rotation
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.factory import RosbagsFactory
from perception_nodes.ros.geometry_messages import (
    camera_info_to_msg,
    header_to_msg,
    transform_to_msg,
    transforms_to_msg,
)
from perception_nodes.ros.image_messages import (
    color_to_compressed_msg,
    color_to_msg,
    depth_to_compressed_msg,
    depth_to_msg,
)
from perception_nodes.scene import WORLD_FRAME

OPTICAL_FRAME = "camera_color_optical_frame"
COLOR, DEPTH = "/camera/color/image_raw", "/camera/depth/image_raw"
CAMERA_INFO = "/camera/color/camera_info"
_IDENTITY_ANGLE, _IDENTITY_DISTANCE = 0.01, 0.01


@dataclass(slots=True)
class Summary:
    """What was converted: how many frames, what could not be read, whether there were poses."""

    frames: int = 0
    has_poses: bool = False
    problems: list[str] = field(default_factory=list)


class CameraWriter:
    """Writes the messages of one RGB-D frame.

    Args:
        writer: Where to.
        camera: Intrinsics of both images.
        compressed: Whether color becomes JPEG and depth PNG.
    """

    def __init__(self, writer: BagWriter, camera: Camera, compressed: bool) -> None:
        self._writer = writer
        self._camera = camera
        self._compressed = compressed
        self._factory = RosbagsFactory()

    def write(self, stamp: int, color: Bytes, depth: Floats, pose: Pose | None) -> None:
        """Write color, depth, camera model and, if the pose is known, the transform.

        Raises:
            BagError: The file can't be written.
        """
        make, header = self._factory, header_to_msg(stamp, OPTICAL_FRAME, self._factory)
        if pose is not None:
            transform = transform_to_msg(pose, stamp, WORLD_FRAME, OPTICAL_FRAME, make)
            self._writer.write("/tf", transforms_to_msg([transform], make), stamp)
        info = camera_info_to_msg(self._camera, stamp, OPTICAL_FRAME, make)
        self._writer.write(CAMERA_INFO, info, stamp)
        if self._compressed:
            image = color_to_compressed_msg(color, header, make)
            self._writer.write(f"{COLOR}/compressed", image, stamp)
            image = depth_to_compressed_msg(depth, header, make)
            self._writer.write(f"{DEPTH}/compressedDepth", image, stamp)
        else:
            self._writer.write(COLOR, color_to_msg(color, header, make), stamp)
            self._writer.write(DEPTH, depth_to_msg(depth, header, make), stamp)


def convert(
    recording: PlainRecording,
    frames: Sequence[PlainFrame],
    output: Path,
    *,
    storage: Literal["mcap", "sqlite3"] = "mcap",
    scale: float = 1.0,
    compressed: bool = True,
    on_frame: Callable[[], None] = lambda: None,
) -> Summary:
    """Write frames of a plain recording as a bag; frames that can't be read are left out.

    Args:
        recording: Where the frames come from.
        frames: Which of its frames.
        output: NAME.mcap, or the folder of a rosbag2.
        storage: The format of a folder's storage file.
        scale: Factor on the size of the images, 0..1.
        compressed: Whether color becomes JPEG and depth PNG.
        on_frame: Called after each frame.

    Raises:
        BagError: Not one frame can be read, or the output can't be written.
    """
    summary = Summary()
    width, height = (max(1, round(scale * n)) for n in _size(recording.camera))
    leveling: Pose | None = None
    with BagWriter(output, storage) as writer:
        camera = CameraWriter(writer, recording.camera.scaled(width, height), compressed)
        for frame in frames:
            try:
                color, depth = recording.read(frame)
            except BagError as error:
                summary.problems.append(str(error))
                on_frame()
                continue
            if leveling is None:
                leveling = _leveling(recording, depth, frame)
            pose = None if frame.pose is None else leveling @ frame.pose
            summary.has_poses |= pose is not None
            camera.write(frame.stamp, *_resized(color, depth, width, height), pose)
            summary.frames += 1
            on_frame()
        if not summary.frames:
            raise BagError(f"no frame can be read: {summary.problems[0]}")
    return summary


def _size(camera: Camera) -> tuple[int, int]:
    return camera.width, camera.height


def _leveling(recording: PlainRecording, depth: Floats, frame: PlainFrame) -> Pose:
    """What turns the world upright: nothing, unless the world is the first camera.

    `depth` is that of `frame`, in whose optical frame the support plane is found.
    """
    first = recording.frames[0].pose
    if first is None or frame.pose is None or not _is_identity(first):
        return Pose.identity()
    upright = leveling_rotation(depth, recording.camera)
    return Pose(upright @ frame.pose.rotation.T, np.zeros(3))


def _is_identity(pose: Pose) -> bool:
    distance = float(np.linalg.norm(pose.translation))
    return distance < _IDENTITY_DISTANCE and pose.angle_to(Pose.identity()) < _IDENTITY_ANGLE


def _resized(color: Bytes, depth: Floats, width: int, height: int) -> tuple[Bytes, Floats]:
    """Color averaged; depth picked, since a mean over an edge is a point in the air."""
    if depth.shape == (height, width):
        return color, depth
    size = (width, height)
    small = cv2.resize(np.ascontiguousarray(color), size, interpolation=cv2.INTER_AREA)
    picked = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return cast(Bytes, small), cast(Floats, picked)
