"""Images of ROS messages as arrays, and nothing but what the message says.

All functions are duck-typed: they take messages of rclpy and of rosbags alike. Arrays are views of
the message's bytes where its layout allows it; treat them as read-only.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple, cast

import cv2
import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.errors import InputError

_PNG_MAGIC = b"\x89PNG"
_DEPTH_HEADER = struct.Struct("<iff")  # of compressed_depth_image_transport: format, A, B
_MILLIMETER = np.float32(0.001)
_SUPPORTED_DEPTH = "supported are 16UC1 (mm) and 32FC1 (m), see REP-118"


class _Layout(NamedTuple):
    """Channels a pixel and what to do with them."""

    channels: int
    conversion: str


_COLORS = {
    "rgb8": _Layout(3, "rgb"),
    "bgr8": _Layout(3, "bgr"),
    "8UC3": _Layout(3, "bgr"),
    "rgba8": _Layout(4, "rgb"),
    "bgra8": _Layout(4, "bgr"),
    "8UC4": _Layout(4, "bgr"),
    "mono8": _Layout(1, "mono"),
    "8UC1": _Layout(1, "mono"),
    "yuv422": _Layout(2, "COLOR_YUV2RGB_UYVY"),
    "uyvy": _Layout(2, "COLOR_YUV2RGB_UYVY"),
    "yuv422_yuy2": _Layout(2, "COLOR_YUV2RGB_YUY2"),
    "yuyv": _Layout(2, "COLOR_YUV2RGB_YUY2"),
    "bayer_rggb8": _Layout(1, "COLOR_BayerBG2RGB"),
    "bayer_bggr8": _Layout(1, "COLOR_BayerRG2RGB"),
    "bayer_gbrg8": _Layout(1, "COLOR_BayerGR2RGB"),
    "bayer_grbg8": _Layout(1, "COLOR_BayerGB2RGB"),
}


def color_image(msg: Any) -> Bytes:
    """The color image of a `sensor_msgs/Image` or `CompressedImage` message.

    Returns:
        (H, W, 3) uint8, RGB; a view for rgb8, bgr8, rgba8, bgra8 and mono8.

    Raises:
        InputError: The encoding is not supported, or size, step and data contradict each other.
    """
    if hasattr(msg, "format"):
        return _decoded(msg)
    layout = _COLORS.get(msg.encoding)
    if layout is None:
        raise InputError(
            f"the color encoding {msg.encoding!r} is not supported",
            f"publish one of {', '.join(_COLORS)}",
        )
    pixels: Bytes = _pixels(msg, np.dtype(np.uint8), layout.channels)
    if layout.conversion == "rgb":
        return pixels[..., :3]
    if layout.conversion == "bgr":
        return pixels[..., 2::-1]
    if layout.conversion == "mono":
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    converted: Any = cv2.cvtColor(pixels, getattr(cv2, layout.conversion))
    return cast(Bytes, converted)


def depth_image(msg: Any) -> Floats:
    """The depth image of a `sensor_msgs/Image` or compressedDepth message (REP-118).

    The unit follows from the encoding: 16UC1 and mono16 are millimeters with 0 for no reading,
    32FC1 is meters. What no sensor can have measured (NaN, infinite, zero, negative) is NaN.

    Returns:
        (H, W) float32, meters along the optical axis; NaN where there is no reading. It is a view
        for 32FC1 without invalid values other than NaN.

    Raises:
        InputError: The encoding is no depth, or size, step and data contradict each other.
    """
    if hasattr(msg, "format"):
        return _decoded_depth(msg)
    order = ">" if msg.is_bigendian else "<"
    if msg.encoding in ("16UC1", "mono16"):
        return _from_millimeters(_pixels(msg, np.dtype(f"{order}u2"), 1)[..., 0])
    if msg.encoding == "32FC1":
        return _from_meters(_pixels(msg, np.dtype(f"{order}f4"), 1)[..., 0])
    raise InputError(f"the encoding {msg.encoding!r} is no depth", _SUPPORTED_DEPTH)


def label_image(msg: Any) -> Bytes:
    """The (H, W) uint8 view of a mono8 image whose values are numbers, such as `slot_masks`.

    Raises:
        InputError: The encoding is not mono8, or size, step and data contradict each other.
    """
    if msg.encoding not in ("mono8", "8UC1"):
        raise InputError(f"the encoding {msg.encoding!r} is no label image", "publish mono8")
    labels: Bytes = _pixels(msg, np.dtype(np.uint8), 1)[..., 0]
    return labels


def _pixels(msg: Any, kind: np.dtype[Any], channels: int) -> Any:
    """A (H, W, channels) view of the message's bytes that respects its step.

    Bytes behind the last row are ignored: some recorders append a few.
    """
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    if height < 1 or width < 1:
        raise InputError(f"the image has no pixels: {width}x{height}", "check its publisher")
    row = width * channels * kind.itemsize
    if step < row:
        raise InputError(
            f"the image's step is {step} bytes, but a row of {width} pixels {msg.encoding} "
            f"takes {row}",
            "check its publisher",
        )
    data = np.frombuffer(msg.data, dtype=np.uint8)
    needed = step * (height - 1) + row
    if data.size < needed:
        raise InputError(
            f"the image has {data.size} bytes, but {width}x{height} {msg.encoding} with step "
            f"{step} takes {needed}",
            "check its publisher",
        )
    strides = (step, channels * kind.itemsize, kind.itemsize)
    return np.ndarray((height, width, channels), kind, buffer=data, strides=strides)


def _from_millimeters(raw: Any) -> Floats:
    depth: Floats = np.multiply(raw, _MILLIMETER, dtype=np.float32)
    depth[raw == 0] = np.nan
    return depth


def _from_meters(raw: Any) -> Floats:
    depth: Floats = raw.astype(np.float32, copy=False)
    impossible = (depth <= 0) | (depth == np.inf)
    if impossible.any():
        depth = np.where(impossible, np.float32(np.nan), depth)
    return depth


def _decoded(msg: Any) -> Bytes:
    """The RGB image of a compressed message, whatever its codec."""
    if "compressedDepth" in msg.format:
        raise InputError(f"the format {msg.format!r} is depth, not color", "check the topic names")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = _decode(np.frombuffer(msg.data, dtype=np.uint8), flags, msg.format)
    color: Any = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return cast(Bytes, color)


def _decoded_depth(msg: Any) -> Floats:
    """The depth of a compressedDepth message: a header of 12 bytes, then a PNG of 16 bits."""
    encoding = msg.format.split(";")[0].strip()
    if encoding not in ("16UC1", "mono16", "32FC1") or "rvl" in msg.format:
        raise InputError(
            f"the compressed format {msg.format!r} is no depth that can be read",
            f"publish compressedDepth with PNG; {_SUPPORTED_DEPTH}",
        )
    data = np.frombuffer(msg.data, dtype=np.uint8)
    plain = data[:4].tobytes() == _PNG_MAGIC
    start = 0 if plain else _DEPTH_HEADER.size
    raw = _decode(data[start:], cv2.IMREAD_UNCHANGED, msg.format)
    if raw.dtype != np.uint16 or raw.ndim != 2:
        raise InputError(
            f"the {msg.format!r} image has {raw.dtype} {raw.shape} instead of 16 bits a pixel",
            "check its publisher",
        )
    if encoding != "32FC1":
        return _from_millimeters(raw)
    if plain:
        raise InputError(
            f"the {msg.format!r} image lacks its header of {_DEPTH_HEADER.size} bytes",
            "check its publisher",
        )
    _, a, b = _DEPTH_HEADER.unpack(data[:start].tobytes())
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.float32(a) / (raw.astype(np.float32) - np.float32(b))
    depth[raw == 0] = np.nan
    return _from_meters(depth)


def _decode(data: Bytes, flags: int, name: str) -> Any:
    try:
        image = cv2.imdecode(data, flags) if data.size else None
    except cv2.error as error:
        raise InputError(f"the {name!r} image can't be decoded: {error.err}") from error
    if image is None:
        raise InputError(
            f"the {name!r} image of {data.size} bytes can't be decoded",
            "it is damaged, or its format is not JPEG or PNG",
        )
    return image
