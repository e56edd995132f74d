"""Arrays as image messages: the reverse of `images`."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.errors import InputError
from perception_nodes.ros.message_factory import MessageFactory

JPEG_QUALITY = 90
_DEPTH_HEADER = struct.pack("<iff", 0, 0.0, 0.0)  # read by compressed_depth_image_transport
_MAX_MILLIMETERS = 65535


def color_to_msg(color: Bytes, header: Any, factory: MessageFactory) -> Any:
    """An rgb8 `sensor_msgs/Image` of an (H, W, 3) uint8 RGB image."""
    return _image(color, 3, "rgb8", header, factory)


def labels_to_msg(labels: Bytes, header: Any, factory: MessageFactory) -> Any:
    """A mono8 `sensor_msgs/Image` of an (H, W) uint8 image, such as the masks of slots."""
    return _image(labels, 1, "mono8", header, factory)


def depth_to_msg(depth: Floats, header: Any, factory: MessageFactory) -> Any:
    """A 16UC1 `sensor_msgs/Image` of an (H, W) depth image in meters, rounded to millimeters."""
    return _image(millimeters(depth), 2, "16UC1", header, factory)


def color_to_compressed_msg(color: Bytes, header: Any, factory: MessageFactory) -> Any:
    """A JPEG `sensor_msgs/CompressedImage` of an (H, W, 3) uint8 RGB image."""
    pixels = cv2.cvtColor(color, cv2.COLOR_RGB2BGR)
    data = _encode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return factory.make(
        "sensor_msgs/msg/CompressedImage",
        header=header,
        format="rgb8; jpeg compressed bgr8",
        data=np.frombuffer(data, np.uint8),
    )


def depth_to_compressed_msg(depth: Floats, header: Any, factory: MessageFactory) -> Any:
    """A compressedDepth `sensor_msgs/CompressedImage` in millimeters, without further loss."""
    data = _DEPTH_HEADER + _encode(".png", millimeters(depth), [cv2.IMWRITE_PNG_COMPRESSION, 6])
    return factory.make(
        "sensor_msgs/msg/CompressedImage",
        header=header,
        format="16UC1; compressedDepth png",
        data=np.frombuffer(data, np.uint8),
    )


def millimeters(depth: Floats) -> Any:
    """(H, W) uint16 millimeters of a depth image in meters; 0 for no reading (REP-118).

    Depths beyond 65.535 m, which 16 bits can't hold, become no reading.
    """
    scaled = np.nan_to_num(np.rint(depth * np.float32(1000.0)), nan=0.0, posinf=0.0, neginf=0.0)
    return np.where((scaled < 0) | (scaled > _MAX_MILLIMETERS), 0, scaled).astype(np.uint16)


def _image(pixels: Any, bytes_a_pixel: int, encoding: str, header: Any, factory: Any) -> Any:
    height, width = pixels.shape[:2]
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    return factory.make(
        "sensor_msgs/msg/Image",
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * bytes_a_pixel,
        data=np.ascontiguousarray(little).view(np.uint8).reshape(-1),
    )


def _encode(codec: str, pixels: Any, options: list[int]) -> bytes:
    done, data = cv2.imencode(codec, np.ascontiguousarray(pixels), options)
    if not done:
        raise InputError(f"an image of {pixels.shape} can't be encoded as {codec}")
    return bytes(data)
