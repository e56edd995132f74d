"""Arrays from image messages: every encoding, every lie."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import pytest

from perception_nodes.bags.reader import open_bag
from perception_nodes.errors import InputError
from perception_nodes.ros.factory import RosbagsFactory, typestore
from perception_nodes.ros.geometry_messages import header_to_msg
from perception_nodes.ros.image_messages import (
    color_to_compressed_msg,
    color_to_msg,
    depth_to_compressed_msg,
    depth_to_msg,
    labels_to_msg,
)
from perception_nodes.ros.images import color_image, depth_image, label_image

FACTORY = RosbagsFactory()
HEADER = header_to_msg(7, "camera", FACTORY)
RNG = np.random.default_rng(1)
HEIGHT, WIDTH = 6, 8


def image(encoding: str, pixels: Any, *, padding: int = 0, **changes: Any) -> Any:
    """An Image message of rows of pixels, each row followed by padding bytes of noise."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    noise = RNG.integers(0, 255, (len(rows), padding), dtype=np.uint8)
    fields = {
        "height": len(rows),
        "width": pixels.shape[1],
        "step": rows.shape[1] + padding,
        "data": np.hstack([rows, noise]).ravel(),
    }
    return FACTORY.make("sensor_msgs/msg/Image", encoding=encoding, **(fields | changes))


def rgb() -> Any:
    return RNG.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "order"),
    [("rgb8", [0, 1, 2]), ("bgr8", [2, 1, 0]), ("rgba8", [0, 1, 2, 3]), ("bgra8", [2, 1, 0, 3])],
)
def test_color_is_rgb_whatever_the_order_of_channels_and_the_step(
    encoding: str, order: list[int], padding: int
) -> None:
    color = np.dstack([rgb(), np.full((HEIGHT, WIDTH), 9, np.uint8)])
    message = image(encoding, color[..., order], padding=padding)
    result = color_image(message)
    assert np.array_equal(result, color[..., :3])
    assert np.shares_memory(result, message.data)


def test_gray_becomes_three_equal_channels_without_a_copy() -> None:
    gray = rgb()[..., :1]
    message = image("mono8", gray)
    assert np.array_equal(color_image(message), np.repeat(gray, 3, axis=2))
    assert np.shares_memory(color_image(message), message.data)


@pytest.mark.parametrize(
    ("encoding", "y", "u", "v"),
    [("yuv422", 1, 0, 2), ("uyvy", 1, 0, 2), ("yuv422_yuy2", 0, 1, 3), ("yuyv", 0, 1, 3)],
)
def test_yuv_is_decoded(encoding: str, y: int, u: int, v: int) -> None:
    pair = np.zeros((HEIGHT, WIDTH // 2, 4), np.uint8)
    pair[..., [y, y + 2]], pair[..., u], pair[..., v] = 82, 90, 240  # red in BT.601
    result = color_image(image(encoding, pair.reshape(HEIGHT, WIDTH, 2)))
    assert np.abs(result.astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_keep_the_colors_apart(pattern: str) -> None:
    color = {"r": 200, "g": 120, "b": 40}
    tile = np.array([color[c] for c in pattern], np.uint8).reshape(2, 2)
    result = color_image(image(f"bayer_{pattern}8", np.tile(tile, (HEIGHT // 2, WIDTH // 2))))
    assert result[2:-2, 2:-2].reshape(-1, 3).tolist() == [[200, 120, 40]] * (2 * 4)


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
@pytest.mark.parametrize("big", [False, True])
def test_sixteen_bits_are_millimeters_and_zero_is_no_reading(encoding: str, big: bool) -> None:
    raw = np.array([[0, 1, 1500], [65535, 2, 0]], ">u2" if big else "<u2")
    depth = depth_image(image(encoding, raw, padding=2, is_bigendian=int(big)))
    assert depth.dtype == np.float32
    expected = np.array([[np.nan, 0.001, 1.5], [65.535, 0.002, np.nan]], np.float32)
    np.testing.assert_allclose(depth, expected, rtol=1e-6)


@pytest.mark.parametrize("big", [False, True])
def test_floats_are_meters_and_what_no_sensor_measures_is_nan(big: bool) -> None:
    raw = np.array([[1.5, np.nan, np.inf], [-np.inf, 0.0, -2.0]], ">f4" if big else "<f4")
    depth = depth_image(image("32FC1", raw, is_bigendian=int(big)))
    assert depth[0, 0] == 1.5
    assert np.isnan(depth.ravel()[1:]).all()


def test_valid_float_depth_is_not_copied() -> None:
    message = image("32FC1", np.array([[1.0, np.nan]], np.float32))
    assert np.shares_memory(depth_image(message), message.data)


def test_bytes_behind_the_last_row_are_ignored() -> None:
    color = rgb()
    message = image("rgb8", color)
    message.data = np.append(message.data, np.zeros(4, np.uint8))
    assert np.array_equal(color_image(message), color)


def test_the_last_row_may_lack_its_padding() -> None:
    color = rgb()
    message = image("rgb8", color, padding=3)
    message.data = message.data[:-3]
    assert np.array_equal(color_image(message), color)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"encoding": "jpeg2000"}, "'jpeg2000' is not supported"),
        ({"height": 0}, "no pixels: 8x0"),
        ({"width": 0}, "no pixels: 0x6"),
        ({"step": 23}, "step is 23 bytes, but a row of 8 pixels rgb8 takes 24"),
        ({"height": 7}, "has 144 bytes, but 8x7 rgb8 with step 24 takes 168"),
        ({"data": np.zeros(0, np.uint8)}, "has 0 bytes"),
    ],
)
def test_an_image_that_contradicts_itself_is_refused(changes: dict[str, Any], reason: str) -> None:
    message = image("rgb8", rgb())
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(InputError, match=reason) as caught:
        color_image(message)
    assert caught.value.remedy


def test_color_is_no_depth_and_depth_no_labels() -> None:
    with pytest.raises(InputError, match="'rgb8' is no depth"):
        depth_image(image("rgb8", rgb()))
    with pytest.raises(InputError, match="'rgb8' is no label image"):
        label_image(image("rgb8", rgb()))


def compressed(format_: str, data: bytes) -> Any:
    return FACTORY.make(
        "sensor_msgs/msg/CompressedImage", format=format_, data=np.frombuffer(data, np.uint8)
    )


@pytest.mark.parametrize("codec", ["png", "jpg"])
def test_compressed_color_comes_out_as_rgb(codec: str) -> None:
    color = np.full((16, 16, 3), (200, 120, 40), np.uint8)
    data = cv2.imencode(f".{codec}", color[..., ::-1])[1].tobytes()
    result = color_image(compressed(codec, data))
    assert np.abs(result.astype(int) - color).max() <= 2


def test_compressed_float_depth_is_unquantized() -> None:
    depth = np.array([[0.5, 2.0], [8.0, np.nan]], np.float32)
    a, b = 100.0 * 101.0, 1.0 - 100.0 * 101.0 / 10.0  # as compressed_depth_image_transport does
    inverse = np.nan_to_num(a / depth + b).astype(np.uint16)
    data = struct.pack("<iff", 0, a, b) + cv2.imencode(".png", inverse)[1].tobytes()
    result = depth_image(compressed("32FC1; compressedDepth png", data))
    np.testing.assert_allclose(result, depth, rtol=0.01)


def test_compressed_depth_without_header_is_read() -> None:
    raw = np.array([[0, 1500]], np.uint16)
    data = cv2.imencode(".png", raw)[1].tobytes()
    np.testing.assert_allclose(depth_image(compressed("16UC1; png", data)), [[np.nan, 1.5]])


@pytest.mark.parametrize(
    ("format_", "data", "reason"),
    [
        ("16UC1; compressedDepth rvl", bytes(40), "no depth that can be read"),
        ("rgb8; jpeg compressed bgr8", bytes(40), "no depth that can be read"),
        ("16UC1; compressedDepth png", bytes(40), "can't be decoded"),
        ("16UC1; compressedDepth png", b"", "can't be decoded"),
        ("16UC1; compressedDepth png", None, "instead of 16 bits"),
    ],
)
def test_broken_compressed_depth_is_refused(format_: str, data: bytes | None, reason: str) -> None:
    if data is None:
        data = bytes(12) + cv2.imencode(".png", np.zeros((2, 2), np.uint8))[1].tobytes()
    with pytest.raises(InputError, match=reason):
        depth_image(compressed(format_, data))


def test_a_broken_jpeg_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="'jpeg' image of 40 bytes can't be decoded"):
        color_image(compressed("jpeg", bytes(40)))


def through_bytes(message: Any) -> Any:
    store, kind = typestore(), message.__msgtype__
    return store.deserialize_cdr(store.serialize_cdr(message, kind), kind)


def test_written_images_come_back_as_they_were() -> None:
    color = rgb()
    depth = RNG.integers(1, 60000, (HEIGHT, WIDTH)).astype(np.float32) / np.float32(1000)
    depth[2, 3] = np.nan
    labels = RNG.integers(0, 17, (HEIGHT, WIDTH), dtype=np.uint8)
    result = through_bytes(color_to_msg(color[:, ::-1], HEADER, FACTORY))
    assert np.array_equal(color_image(result), color[:, ::-1])
    assert result.header.frame_id == "camera"
    result = through_bytes(labels_to_msg(labels, HEADER, FACTORY))
    assert np.array_equal(label_image(result), labels)
    for write in (depth_to_msg, depth_to_compressed_msg):
        result = depth_image(through_bytes(write(depth, HEADER, FACTORY)))
        np.testing.assert_allclose(result, depth, atol=1e-6)


def test_depth_that_sixteen_bits_cannot_hold_is_written_as_no_reading() -> None:
    depth = np.array([[70.0, np.inf, -1.0, 1.0]], np.float32)
    result = depth_image(depth_to_msg(depth, HEADER, FACTORY))
    np.testing.assert_allclose(result, [[np.nan, np.nan, np.nan, 1.0]])


def test_written_jpeg_keeps_the_colors() -> None:
    color = np.full((16, 16, 3), (200, 120, 40), np.uint8)
    result = color_image(through_bytes(color_to_compressed_msg(color, HEADER, FACTORY)))
    assert np.abs(result.astype(int) - color).max() <= 2


def test_real_images_of_every_recorder_are_read(shared_data: Any) -> None:
    """A ROS 1 bag of RealSense, a zstd-compressed MCAP, a bag from before Dashing."""
    shapes = []
    for name in (
        "realsense_single_frame/single_depth_color_640x480.bag",
        "soccer_goal_zstd_msg/soccer_goal_12.mcap",
        "old_type_names/sample.db3",
    ):
        with open_bag(shared_data / "bags" / name) as bag:
            for message in bag.messages():
                if not message.type_name.endswith("Image"):
                    continue
                depth = getattr(message.data, "encoding", "") == "mono16"
                array = depth_image(message.data) if depth else color_image(message.data)
                shapes.append((message.topic.split("/")[-1], array.shape))
                if depth:
                    assert 0.2 < np.nanmedian(array) < 10.0
    assert shapes[:3] == [("data", (480, 640)), ("data", (480, 640, 3)), ("data", (480, 640))]
    assert [name for name, _ in shapes[3:5]] == ["image_raw", "image_raw"]
    assert len(shapes) == 7
