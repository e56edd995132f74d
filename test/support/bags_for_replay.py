"""Small recordings of a table with boxes, as lists of messages that a test can spoil."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tabletop import CAMERA, DEFAULT_VIEW, Box, render

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.bags.writer import BagWriter
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.factory import RosbagsFactory
from perception_nodes.ros.geometry_messages import (
    camera_info_to_msg,
    header_to_msg,
    transform_to_msg,
    transforms_to_msg,
)
from perception_nodes.ros.image_messages import color_to_msg, depth_to_msg

FACTORY = RosbagsFactory()
COLOR, DEPTH = "/camera/color/image_raw", "/camera/depth/image_raw"
INFO, DEPTH_INFO = "/camera/color/camera_info", "/camera/depth/camera_info"
OPTICAL, DEPTH_OPTICAL = "camera_color_optical_frame", "camera_depth_optical_frame"
START = 1_700_000_000_000_000_000
PERIOD = 100_000_000
BOXES = (
    Box((0.0, 0.15, 0.06), (0.12, 0.12, 0.12)),
    Box((0.0, -0.15, 0.04), (0.1, 0.1, 0.08), (60.0, 200.0, 60.0)),
)


class Recorded(NamedTuple):
    """A message as it lies in a recording."""

    topic: str
    message: Any
    log_time: int


def stamps(count: int, start: int = START) -> list[int]:
    """Ten a second."""
    return [start + i * PERIOD for i in range(count)]


def tabletop_messages(
    times: Sequence[int],
    view: Callable[[int], Pose] = lambda _: DEFAULT_VIEW,
    boxes: Callable[[int], Sequence[Box]] = lambda _: BOXES,
    depth: Callable[[Floats, Any], Any] = lambda image, header: depth_to_msg(
        image, header, FACTORY
    ),
) -> list[Recorded]:
    """What a driver that registers depth to color records: transform, camera model, two images.

    Args:
        times: Stamps; a message is recorded at its stamp.
        view: Camera pose of the frame with a number.
        boxes: What stands on the table then.
        depth: Makes the depth message.
    """
    recorded = []
    for number, stamp in enumerate(times):
        color, image = picture(tuple(boxes(number)), view(number))
        header = header_to_msg(stamp, OPTICAL, FACTORY)
        recorded += [
            Recorded("/tf", transforms((view(number), stamp, "map", OPTICAL)), stamp),
            Recorded(INFO, info(CAMERA, stamp), stamp),
            Recorded(COLOR, color_to_msg(color, header, FACTORY), stamp),
            Recorded(DEPTH, depth(image, header), stamp),
        ]
    return recorded


def picture(boxes: tuple[Box, ...], pose: Pose) -> tuple[Bytes, Floats]:
    """Color and depth (m) of boxes on a table."""
    return _picture(boxes, pose.matrix().tobytes())


def info(camera: Camera, stamp: int, frame_id: str = OPTICAL) -> Any:
    """A CameraInfo without distortion."""
    return camera_info_to_msg(camera, stamp, frame_id, FACTORY)


def transforms(*edges: tuple[Pose, int, str, str]) -> Any:
    """A TFMessage of (pose, stamp, parent, child)."""
    return transforms_to_msg([transform_to_msg(*edge, FACTORY) for edge in edges], FACTORY)


def meters_to_msg(depth: Floats, header: Any) -> Any:
    """A 32FC1 image with NaN where there is no reading."""
    height, width = depth.shape
    return FACTORY.make(
        "sensor_msgs/msg/Image",
        header=header,
        height=height,
        width=width,
        encoding="32FC1",
        step=4 * width,
        data=np.ascontiguousarray(depth, "<f4").view(np.uint8).reshape(-1),
    )


def save(path: Path, recorded: Sequence[Recorded]) -> Path:
    """Write messages in the order of a list."""
    with BagWriter(path) as writer:
        for topic, message, log_time in recorded:
            writer.write(topic, message, log_time, latched=topic == "/tf_static")
    return path


@functools.cache
def _picture(boxes: tuple[Box, ...], matrix: bytes) -> tuple[Bytes, Floats]:
    pose = Pose.from_matrix(np.frombuffer(matrix).reshape(4, 4))
    depth, labels = render(boxes, pose)
    palette = np.array([(120.0, 120.0, 120.0), *(box.color for box in boxes)]).astype(np.uint8)
    return palette[labels], depth
