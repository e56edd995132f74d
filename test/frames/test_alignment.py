"""Depth on the pixels of color, whatever the recording says about the two sensors."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bags_for_replay import FACTORY, OPTICAL, START, info, meters_to_msg
from tabletop import CAMERA, DEFAULT_VIEW, Box, render

from perception_nodes.arrays import Floats
from perception_nodes.bags.reader import open_bag
from perception_nodes.errors import InputError
from perception_nodes.frames.account import Account
from perception_nodes.frames.alignment import DepthAlignment, nearest_transform
from perception_nodes.frames.camera import CameraInput, Picture
from perception_nodes.frames.realsense import ViewerConstants
from perception_nodes.frames.source import FrameSource
from perception_nodes.frames.topics import CameraTopics
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.transforms import TransformBuffer
from perception_nodes.ros.geometry_messages import header_to_msg
from perception_nodes.ros.image_messages import color_to_msg

BOXES = (Box((0.0, 0.1, 0.1), (0.2, 0.2, 0.2)),)
# 50 mm to the right of the color camera and turned a little; another lens.
BETWEEN = Pose.from_quaternion(np.array([0.05, 0.0, 0.0]), np.array([0.0, 0.02, 0.0, 0.9998]))
DEPTH_CAMERA = Camera(160, 120, 120.0, 120.0, 80.0, 60.0)
TOPICS = CameraTopics("camera", "/depth", "/color", "/color_info", "/depth_info")
NOTHING = ViewerConstants("/depth", "/color", {})
COLOR_DEPTH = render(BOXES, DEFAULT_VIEW)[0]


def measured(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> Floats:
    """What a depth camera beside the color camera measures."""
    with monkeypatch.context() as patch:
        patch.setattr("tabletop.CAMERA", camera)
        return render(BOXES, DEFAULT_VIEW @ BETWEEN)[0]


def disagreement(found: Floats) -> float:
    """Share of pixels that are off by more than 4 % from what the color camera would measure."""
    both = np.isfinite(found) & np.isfinite(COLOR_DEPTH)
    assert both.mean() > 0.5
    return float((np.abs(found - COLOR_DEPTH)[both] > 0.04 * COLOR_DEPTH[both]).mean())


def aligned(alignment: DepthAlignment, depth: Floats, stamp: int = START) -> Floats:
    return alignment.align(depth, (DEPTH_CAMERA, CAMERA), ("depth", "color"), stamp)


def test_depth_is_registered_with_the_transform_between_the_sensors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    depth, buffer, account = measured(DEPTH_CAMERA, monkeypatch), TransformBuffer(), Account()
    buffer.insert("color", "depth", 0, BETWEEN, static=True)
    found = aligned(DepthAlignment("c", buffer, None, account), depth)
    assert found.shape == COLOR_DEPTH.shape
    assert disagreement(found) < 0.01
    assert account.notes == ()


def test_without_a_transform_the_sensors_are_taken_to_be_at_one_place_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    depth, account = measured(DEPTH_CAMERA, monkeypatch), Account()
    found = aligned(DepthAlignment("c", TransformBuffer(), None, account), depth)
    assert disagreement(found) > 0.04
    assert np.isfinite(found).mean() > 0.5
    assert "taken to be at one place" in account.notes[0]


def test_a_transform_that_a_driver_repeats_on_tf_is_used_at_any_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    depth, buffer = measured(DEPTH_CAMERA, monkeypatch), TransformBuffer()
    alignment = DepthAlignment("c", buffer, None, Account())
    for i in range(3):
        buffer.insert("housing", "depth", START + i * 10**8, BETWEEN)
        buffer.insert("housing", "color", START + i * 10**8 + 10**7, Pose.identity())
    for stamp in (START - 10**9, START, START + 10**9):
        assert disagreement(aligned(alignment, depth, stamp)) < 0.01


def test_an_unknown_or_nameless_frame_has_no_transform() -> None:
    buffer = TransformBuffer()
    buffer.insert("a", "b", 0, BETWEEN, static=True)
    assert nearest_transform(buffer, "a", "c", 0) is None
    assert nearest_transform(buffer, "a", "", 0) is None


@pytest.mark.parametrize("frames", [("same", "same"), ("a", "b"), ("", "")])
def test_depth_with_the_camera_model_of_color_is_already_registered(
    frames: tuple[str, str],
) -> None:
    alignment = DepthAlignment("c", TransformBuffer(), None, Account())
    assert alignment.align(COLOR_DEPTH, (CAMERA, CAMERA), frames, START) is COLOR_DEPTH


def test_images_in_one_frame_are_registered_though_their_models_differ_and_that_is_told() -> None:
    account = Account()
    alignment = DepthAlignment("c", TransformBuffer(), None, account)
    models = (DEPTH_CAMERA, CAMERA)
    assert alignment.align(COLOR_DEPTH, models, ("o", "o"), START) is COLOR_DEPTH
    assert "though their camera models differ" in account.notes[0]


def camera_input(depth_info: Any, buffer: TransformBuffer, account: Account) -> CameraInput:
    camera = CameraInput(TOPICS, buffer, NOTHING, account)
    camera.take_info("/color_info", info(CAMERA, START))
    camera.take_info("/depth_info", depth_info)
    return camera


def shot(camera: CameraInput, depth: Floats) -> Picture:
    """The one picture of a color and a depth message."""
    color = np.zeros((120, 160, 3), np.uint8)
    header = header_to_msg(START, OPTICAL, FACTORY)
    camera.take_image("/color", color_to_msg(color, header, FACTORY), START)
    header = header_to_msg(START, "depth", FACTORY)
    (picture,) = camera.take_image("/depth", meters_to_msg(depth, header), START)
    return picture


def test_a_distorted_depth_image_is_straightened_before_it_is_registered() -> None:
    message = info(CAMERA, START)
    message.d = np.array([0.2, 0.0, 0.0, 0.0, 0.0])
    account = Account()
    straight = shot(camera_input(message, TransformBuffer(), account), COLOR_DEPTH).depth
    assert not np.array_equal(straight, COLOR_DEPTH, equal_nan=True)
    center = (slice(55, 65), slice(75, 85))
    np.testing.assert_allclose(straight[center], COLOR_DEPTH[center], atol=0.05)


def test_a_repeated_camera_model_is_not_worked_out_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = info(CAMERA, START)
    message.d = np.array([0.2, 0.0, 0.0, 0.0, 0.0])
    camera = camera_input(message, TransformBuffer(), Account())
    monkeypatch.setattr("perception_nodes.frames.camera.Rectifier", None)
    message.header.stamp.sec += 1
    camera.take_info("/depth_info", message)
    message.d = message.d + 0.1
    with pytest.raises(AttributeError):
        camera.take_info("/depth_info", message)


def viewer(unit: float | None = None, **poses: Pose) -> ViewerConstants:
    """Constants as the RealSense viewer records them; poses take points to a stream."""
    constants: dict[str, Any] = {}
    for stream, pose in poses.items():
        x, y, z, w = pose.quaternion()
        constants[f"/d/s/{stream}/tf/0"] = SimpleNamespace(
            translation=SimpleNamespace(**dict(zip("xyz", pose.translation, strict=True))),
            rotation=SimpleNamespace(x=x, y=y, z=z, w=w),
        )
    if unit is not None:
        constants["/d/s/option/Depth Units/value"] = SimpleNamespace(data=unit)
    return ViewerConstants("/d/s/Depth_0/image/data", "/d/s/Color_0/image/data", constants)


def test_the_realsense_viewers_calibration_counts_more_than_its_equal_frame_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    depth = measured(DEPTH_CAMERA, monkeypatch)
    reference = Pose.from_quaternion(np.array([0.3, 0.1, 0.0]), np.array([0.0, 0.0, 0.1, 0.995]))
    constants = viewer(Color_0=BETWEEN @ reference, Depth_0=reference)
    known = constants.color_from_depth()
    assert known is not None
    alignment = DepthAlignment("c", TransformBuffer(), known, Account())
    found = alignment.align(depth, (DEPTH_CAMERA, CAMERA), ("0", "0"), START)
    assert disagreement(found) < 0.01


def test_the_realsense_viewers_depth_unit_is_believed_unless_impossible() -> None:
    assert viewer().depth_scale == 1.0
    assert viewer(unit=0.00025).depth_scale == pytest.approx(0.25)
    for unit in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="in units of"):
            viewer(unit=unit).depth_scale  # noqa: B018 -- the property raises


def test_the_calibration_of_a_real_viewer_recording_is_found(shared_data: Path) -> None:
    folder = shared_data / "bags" / "realsense_single_frame"
    with open_bag(next(folder.glob("*.bag"))) as bag:
        source = FrameSource(bag)
        assert [c.name for c in source.cameras] == ["device_0"]
        between = source._inputs[0]._alignment._between
    assert between is not None
    np.testing.assert_allclose(between.translation, [0.0143, 0.0006, 0.0006], atol=1e-4)
