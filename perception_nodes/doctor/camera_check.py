"""Is an RGB-D camera what the nodes need?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from perception_nodes.doctor.arrivals import Arrivals
from perception_nodes.doctor.finding import Finding
from perception_nodes.errors import InputError
from perception_nodes.frames.topics import CameraTopics
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.synchronizer import Synchronizer
from perception_nodes.ros.calibration import camera_from_info
from perception_nodes.ros.geometry_messages import time_from_msg
from perception_nodes.ros.images import color_image, depth_image

_LOOKED_AT = 5
_NEAR, _FAR = 0.05, 30.0
_FEW = 0.3


class CameraCheck:
    """Collects the messages of one camera; ask for `findings` at the end.

    Args:
        topics: Of the camera.
    """

    def __init__(self, topics: CameraTopics) -> None:
        self.topics = topics
        self.arrivals = {name: Arrivals() for name in (topics.color, topics.depth) if name}
        self.frame_id = ""
        self._pairs: Synchronizer[None, None] = Synchronizer("color", "depth")
        self._paired = 0
        self._camera: Camera | None = None
        self._problems: list[str] = []
        self._infos = 0
        self._depths: list[Any] = []
        self._encoding = ""
        self._sizes: dict[str, tuple[int, int]] = {}

    def take(self, topic: str, message: Any, time: int) -> None:
        """Take a message that arrived at a time, ns; those of other topics are passed over."""
        if topic in (self.topics.color_info, self.topics.depth_info):
            if topic == self.topics.color_info:
                self._info(message)
            return
        if topic not in self.arrivals:
            return
        arrivals = self.arrivals[topic]
        stamp = time_from_msg(message.header.stamp)
        arrivals.add(stamp, time)
        self.frame_id = self.frame_id or message.header.frame_id.lstrip("/")
        add = self._pairs.add_first if topic == self.topics.color else self._pairs.add_second
        self._paired += len(add(stamp, None))
        if len(arrivals.stamps) <= _LOOKED_AT:
            self._look(topic, message)

    def findings(self) -> Iterator[Finding]:
        """What is right and wrong with it."""
        name = self.topics.name
        for topic, arrivals in self.arrivals.items():
            yield from arrivals.findings(topic)
        for problem in dict.fromkeys(self._problems):
            yield Finding("BAD", name, problem)
        yield from self._synchronization()
        yield from self._intrinsics()
        yield from self._registration()
        yield from self._units()

    def _info(self, message: Any) -> None:
        self._infos += 1
        try:
            self._camera = camera_from_info(message)
        except InputError as error:
            self._problems.append(str(error))

    def _look(self, topic: str, message: Any) -> None:
        try:
            if topic == self.topics.depth:
                depth = depth_image(message)
                self._encoding = getattr(message, "encoding", "") or message.format
                self._depths.append(depth)
                height, width = depth.shape
            else:
                height, width = color_image(message).shape[:2]
        except InputError as error:
            self._problems.append(f"{topic}: {error}")
            return
        self._sizes[topic] = (width, height)

    def _synchronization(self) -> Iterator[Finding]:
        if not self.topics.color:
            remedy = "objects then have no colors; the nodes need a color topic"
            yield Finding("note", self.topics.name, "has depth alone, no color", remedy)
            return
        paired = self._paired + len(self._pairs.flush())
        least = min(len(a.stamps) for a in self.arrivals.values())
        if not least:
            return
        text = f"{paired} pairs of {least} images"
        if paired < 0.9 * least:
            yield Finding("BAD", f"{self.topics.name} sync", f"{text}: {self._pairs.explain()}")
        else:
            yield Finding("ok", f"{self.topics.name} sync", text)

    def _intrinsics(self) -> Iterator[Finding]:
        subject = f"{self.topics.name} intrinsics"
        if not self._infos:
            remedy = "publish a CameraInfo beside the images"
            yield Finding("BAD", subject, f"no message on {self.topics.color_info}", remedy)
            return
        camera = self._camera
        if camera is None:
            return  # told among the problems
        text = f"f = ({camera.fx:.0f}, {camera.fy:.0f}) px of {camera.width}x{camera.height}"
        size = self._sizes.get(self.topics.color or self.topics.depth)
        if size is not None and size != (camera.width, camera.height):
            remedy = "use the CameraInfo that the driver publishes beside these images"
            yield Finding(
                "BAD", subject, f"{text}, but the images have {size[0]}x{size[1]}", remedy
            )
        elif not (camera.width / 4 < camera.cx < 3 * camera.width / 4) or not (
            0.8 < camera.fx / camera.fy < 1.25
        ):
            remedy = "is this the calibration of this camera and resolution?"
            yield Finding("note", subject, f"{text}, which is unusual", remedy)
        else:
            yield Finding("ok", subject, text)

    def _registration(self) -> Iterator[Finding]:
        color, depth = self._sizes.get(self.topics.color), self._sizes.get(self.topics.depth)
        if color and depth and color != depth:
            yield Finding(
                "BAD",
                f"{self.topics.name} depth",
                f"{depth[0]}x{depth[1]}, but color {color[0]}x{color[1]}: not registered",
                "subscribe to the aligned depth; `permanence replay` can register recordings",
            )

    def _units(self) -> Iterator[Finding]:
        if not self._depths:
            return
        subject = f"{self.topics.name} depth"
        values = np.concatenate([image[::4, ::4].ravel() for image in self._depths])
        known = values[np.isfinite(values)]
        share = len(known) / len(values)
        if not len(known):
            remedy = "is the emitter on, is the lens covered, is everything out of range?"
            yield Finding("BAD", subject, "no pixel has a reading", remedy)
            return
        middle = float(np.median(known))
        text = f"{self._encoding}: median {middle:.3g} m, {share:.0%} of the pixels have a reading"
        if not _NEAR < middle < _FAR:
            remedy = "16UC1 must be millimeters, 32FC1 meters (REP-118): what does the driver send?"
            yield Finding("BAD", subject, text, remedy)
        elif share < _FEW:
            yield Finding("note", subject, text, "much is too near, too far, shiny or black")
        else:
            yield Finding("ok", subject, text)
