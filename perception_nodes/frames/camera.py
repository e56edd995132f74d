"""One camera of a recording: pairs its images, decodes, rectifies and registers them."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.errors import InputError
from perception_nodes.frames.topics import CameraTopics
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.registration import DepthRegistration
from perception_nodes.geometry.synchronizer import Synchronizer
from perception_nodes.geometry.transforms import TransformBuffer, TransformError
from perception_nodes.ros.calibration import Rectifier, camera_from_info
from perception_nodes.ros.geometry_messages import time_from_msg
from perception_nodes.ros.images import color_image, depth_image

_SAME_INTRINSICS = 0.02


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
    frame_id: str


class CameraInput:
    """Turns the messages of one camera into pictures.

    Args:
        topics: Of this camera.
        transforms: For registering depth to color.
        notes: Told what a reader should know, once each.
        drops: Counts what was not delivered, by cause.
    """

    def __init__(
        self,
        topics: CameraTopics,
        transforms: TransformBuffer,
        notes: dict[str, None],
        drops: Counter[str],
    ) -> None:
        self.topics = topics
        self.synchronizer: Synchronizer[Any, Any] = Synchronizer(
            f"color {topics.color}", f"depth {topics.depth}"
        )
        self._transforms = transforms
        self._notes = notes
        self._drops = drops
        self._models: dict[str, _Model] = {}
        self._registration: tuple[Camera, Camera, DepthRegistration] | None = None

    def take_info(self, topic: str, message: Any) -> None:
        """Take a CameraInfo; one that can't be used is noted."""
        try:
            model = _Model(
                camera_from_info(message), Rectifier.from_info(message), message.header.frame_id
            )
        except InputError as error:
            self._note(f"{topic}: {error}")
            return
        self._models[topic] = model

    def take_image(self, topic: str, message: Any, log_time: int) -> list[Picture]:
        """Take an image; return the pictures that became complete."""
        stamp = time_from_msg(message.header.stamp)
        if stamp == 0:
            self._note(f"{topic} has stamps of zero; the time of recording is used")
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
        if self.topics.color:
            color, depth = self.synchronizer.statistics
            for name, unpaired in (("color", color.unpaired), ("depth", depth.unpaired)):
                if unpaired:
                    self._drops[f"{name} image of {self.topics.name} without a partner"] += unpaired
            if color.unpaired or depth.unpaired:
                self._note(f"{self.topics.name}: {self.synchronizer.explain()}")
        return pictures

    def _pictures(self, pairs: list[tuple[int, Any, Any]]) -> list[Picture]:
        pictures = []
        for stamp, color, depth in pairs:
            try:
                pictures.append(self._picture(stamp, color, depth))
            except InputError as error:
                self._drops[f"frame of {self.topics.name} that can't be used"] += 1
                self._note(f"{self.topics.name}: {error}")
        return pictures

    def _picture(self, stamp: int, color_message: Any, depth_message: Any) -> Picture:
        depth = depth_image(depth_message)
        if color_message is None:
            self._note("there is no color topic: colors are black")
            color = np.zeros((*depth.shape, 3), dtype=np.uint8)
            frame_id = depth_message.header.frame_id
        else:
            color = color_image(color_message)
            frame_id = color_message.header.frame_id
        model = self._model(self.topics.color_info, color.shape[:2])
        if model.rectifier is not None:
            color = model.rectifier.color(color)
        depth = self._registered(depth, depth_message.header.frame_id, model, frame_id)
        if not np.isfinite(depth).any():
            self._note(f"{self.topics.name}: some depth images have no reading at all")
        return Picture(stamp, frame_id, model.camera, color, depth)

    def _model(self, topic: str, shape: tuple[int, ...]) -> _Model:
        model = self._models.get(topic)
        if model is None:
            raise InputError(f"no usable CameraInfo came on {topic}")
        camera, (height, width) = model.camera, shape
        if (camera.width, camera.height) == (width, height):
            return model
        if abs(camera.width * height - camera.height * width) > 0.01 * camera.width * height:
            raise InputError(
                f"images are {width}x{height}, but {topic} says {camera.width}x{camera.height}",
                "record the CameraInfo of this image",
            )
        self._note(f"{topic} is for another resolution; it is scaled to {width}x{height}")
        return _Model(camera.scaled(width, height), None, model.frame_id)

    def _registered(
        self, depth: Floats, depth_frame: str, color: _Model, color_frame: str
    ) -> Floats:
        own = self._models.get(self.topics.depth_info)
        size = (color.camera.height, color.camera.width)
        if own is None or depth_frame == color_frame or not self.topics.depth_info:
            if depth.shape != size:
                raise InputError(
                    f"depth is {depth.shape[1]}x{depth.shape[0]} and color {size[1]}x{size[0]}, "
                    "and nothing says how they are related",
                    "record the CameraInfo and transform of the depth camera",
                )
            return depth if color.rectifier is None else color.rectifier.depth(depth)
        model = self._model(self.topics.depth_info, depth.shape)
        if model.rectifier is not None:
            depth = model.rectifier.depth(depth)
        transform = self._between(color_frame, depth_frame)
        if transform is None and _alike(model.camera, color.camera):
            self._note("depth and color have the same camera model: taken to be registered")
            return depth
        if transform is None:
            self._note(
                f"no transform between {depth_frame!r} and {color_frame!r}: the two cameras are "
                "taken to be at one place"
            )
        return self._registration_for(model.camera, color.camera, transform).register(depth)

    def _between(self, color_frame: str, depth_frame: str) -> Pose | None:
        try:
            return self._transforms.lookup(color_frame, depth_frame, 0)
        except TransformError:
            return None

    def _registration_for(
        self, depth: Camera, color: Camera, transform: Pose | None
    ) -> DepthRegistration:
        if self._registration is None or self._registration[:2] != (depth, color):
            registration = DepthRegistration(depth, color, transform or Pose.identity())
            self._registration = (depth, color, registration)
        return self._registration[2]

    def _note(self, text: str) -> None:
        self._notes.setdefault(text)


def _alike(a: Camera, b: Camera) -> bool:
    values = [(a.fx, b.fx), (a.fy, b.fy), (a.cx, b.cx), (a.cy, b.cy)]
    same_size = (a.width, a.height) == (b.width, b.height)
    return same_size and all(abs(x - y) <= _SAME_INTRINSICS * y for x, y in values)
