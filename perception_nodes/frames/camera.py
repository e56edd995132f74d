"""One camera of a recording: pairs its images, decodes, rectifies and registers them."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import cv2
import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.errors import InputError
from perception_nodes.frames.account import Account
from perception_nodes.frames.alignment import DepthAlignment
from perception_nodes.frames.realsense import ViewerConstants
from perception_nodes.frames.topics import CameraTopics
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.synchronizer import Synchronizer
from perception_nodes.geometry.transforms import TransformBuffer
from perception_nodes.ros.calibration import Rectifier, camera_from_info
from perception_nodes.ros.geometry_messages import time_from_msg
from perception_nodes.ros.images import color_image, depth_image


class Picture(NamedTuple):
    """A frame without its pose."""

    stamp: int
    frame_id: str
    camera: Camera
    color: Bytes
    depth: Floats


class _Model(NamedTuple):
    camera: Camera
    rectifier: Rectifier | None
    signature: bytes


class CameraInput:
    """Turns the messages of one camera into pictures.

    Args:
        topics: Of this camera.
        transforms: For registering depth to color.
        constants: What the recording says once about this camera.
        account: Told what was assumed and what could not be used.

    Raises:
        InputError: The constants are impossible.
    """

    def __init__(
        self,
        topics: CameraTopics,
        transforms: TransformBuffer,
        constants: ViewerConstants,
        account: Account,
    ) -> None:
        self.topics = topics
        self.synchronizer: Synchronizer[Any, Any] = Synchronizer(
            f"color {topics.color}", f"depth {topics.depth}"
        )
        self._account = account
        self._models: dict[str, _Model] = {}
        self._refused: dict[str, str] = {}
        self._depth_scale = constants.depth_scale
        self._alignment = DepthAlignment(
            topics.name, transforms, constants.color_from_depth(), account
        )

    def take_info(self, topic: str, message: Any) -> None:
        """Take a CameraInfo; one that can't be used is noted."""
        signature = _signature(message)
        known = self._models.get(topic)
        if known is not None and known.signature == signature:
            return
        try:
            self._models[topic] = _Model(
                camera_from_info(message), Rectifier.from_info(message), signature
            )
        except InputError as error:
            self._refused.setdefault(topic, str(error))
            if known is not None:
                self._account.note(f"{topic} has impossible messages, which are ignored")

    def take_image(self, topic: str, message: Any, log_time: int) -> list[Picture]:
        """Take an image; return the pictures that became complete."""
        stamp = time_from_msg(message.header.stamp)
        if stamp <= 0:
            kind = f"{topic} has stamps of zero or less; the time of recording is used"
            self._account.note(kind)
            stamp = log_time
        if not self.topics.color:
            return self._pictures([(stamp, None, message)])
        add = (
            self.synchronizer.add_first
            if topic == self.topics.color
            else self.synchronizer.add_second
        )
        return self._pictures([(p.stamp, p.first, p.second) for p in add(stamp, message)])

    def flush(self) -> list[Picture]:
        """The last pictures, at the end of the recording; what stayed alone is counted."""
        pictures = self._pictures([(p.stamp, p.first, p.second) for p in self.synchronizer.flush()])
        name = self.topics.name
        for kind, seen in zip(("color", "depth"), self.synchronizer.statistics, strict=True):
            if seen.unpaired > seen.outside:
                count = seen.unpaired - seen.outside
                self._account.drop(f"{kind} image of {name} without a partner", count=count)
        if any(seen.unpaired for seen in self.synchronizer.statistics):
            self._account.note(f"{name}: {self.synchronizer.explain()}")
        return pictures

    def _pictures(self, pairs: list[tuple[int, Any, Any]]) -> list[Picture]:
        pictures = []
        for stamp, color, depth in pairs:
            try:
                pictures.append(self._picture(stamp, color, depth))
            except InputError as error:
                name = self.topics.name
                self._account.drop(f"frame of {name} that can't be used", str(error))
        return pictures

    def _picture(self, stamp: int, color_message: Any, depth_message: Any) -> Picture:
        depth = depth_image(depth_message)
        if self._depth_scale != 1.0:
            depth = depth * np.float32(self._depth_scale)
        if color_message is None:
            self._account.note(f"{self.topics.name} has no color topic: colors are black")
            color = np.zeros((*depth.shape, 3), dtype=np.uint8)
            frame_id = depth_message.header.frame_id
        else:
            color = _packed(color_image(color_message))
            frame_id = color_message.header.frame_id
        model = self._model(self.topics.color_info, color.shape[:2])
        if model.rectifier is not None:
            color = model.rectifier.color(color)
        frames = (depth_message.header.frame_id, frame_id)
        depth = self._registered(depth, model, frames, stamp)
        if not np.isfinite(depth).any():
            self._account.note(f"{self.topics.name}: there are depth images without any reading")
        return Picture(stamp, frame_id, model.camera, color, depth)

    def _model(self, topic: str, shape: tuple[int, ...]) -> _Model:
        model = self._models.get(topic)
        if model is None:
            reason = self._refused.get(topic, "no message came on it before the images")
            raise InputError(f"{topic} gives no camera model: {reason}")
        camera, (height, width) = model.camera, shape
        if (camera.width, camera.height) == (width, height):
            return model
        if abs(camera.width * height - camera.height * width) > 0.01 * camera.width * height:
            raise InputError(
                f"images are {width}x{height}, but {topic} says {camera.width}x{camera.height}",
                "record the CameraInfo of this image",
            )
        if model.rectifier is not None:
            raise InputError(
                f"images are {width}x{height}, but {topic} describes the lens for "
                f"{camera.width}x{camera.height}",
                "record the CameraInfo of this image, or rectified images",
            )
        self._account.note(f"{topic} is for another resolution; it is scaled to {width}x{height}")
        return _Model(camera.scaled(width, height), None, b"")

    def _registered(
        self, depth: Floats, color: _Model, frames: tuple[str, str], stamp: int
    ) -> Floats:
        topic = self.topics.depth_info
        usable = topic in self._models or (topic in self._refused and frames[0] != frames[1])
        if usable:
            own = self._model(topic, depth.shape)
            if own.rectifier is not None:
                depth = own.rectifier.depth(depth)
            return self._alignment.align(depth, (own.camera, color.camera), frames, stamp)
        size = (color.camera.height, color.camera.width)
        if depth.shape != size:
            raise InputError(
                f"depth is {depth.shape[1]}x{depth.shape[0]}, color {size[1]}x{size[0]}, and "
                "nothing says how they are related",
                "record the CameraInfo and transform of the depth camera",
            )
        return depth if color.rectifier is None else color.rectifier.depth(depth)


def _packed(color: Bytes) -> Bytes:
    """RGB in one piece: everything that reads a reversed view of BGR copies it again, slowly."""
    if color.strides[2] >= 0:
        return color
    packed: Any = cv2.cvtColor(np.ascontiguousarray(color[..., ::-1]), cv2.COLOR_BGR2RGB)
    return cast(Bytes, packed)


def _signature(msg: Any) -> bytes:
    """All of a CameraInfo but its header, to tell whether it says anything new."""
    k, d = (getattr(msg, name, None) for name in ("k", "d"))
    k, d = (msg.K, msg.D) if k is None else (k, d)
    roi = msg.roi
    numbers = [msg.width, msg.height, msg.binning_x, msg.binning_y]
    region = [roi.x_offset, roi.y_offset, roi.width, roi.height]
    values = np.concatenate([np.asarray(v, dtype=np.float64) for v in (k, d, numbers, region)])
    return values.tobytes() + str(msg.distortion_model).encode()
