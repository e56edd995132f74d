"""`vision_msgs/Detection2DArray` of a user's detector, and which image each belongs to.

ROS-free: messages are duck-typed, so that their package need not be installed.
"""

from __future__ import annotations

import math
from typing import Any

from perception_nodes.errors import InputError
from perception_nodes.geometry.synchronizer import Synchronizer
from perception_nodes.ros.camera_input import Shot
from perception_nodes.ros.geometry_messages import time_from_msg
from perception_nodes.viewrope.detections import Detection

DETECTIONS_TYPE = "vision_msgs/msg/Detection2DArray"


def detections_from_msg(message: Any) -> tuple[Detection, ...]:
    """The detections of a message; the score is that of the best hypothesis.

    Raises:
        InputError: A box or score is not finite, or a box has a negative size.
    """
    return tuple(_detection(item) for item in message.detections)


def _detection(item: Any) -> Detection:
    center, turn = item.bbox.center.position, item.bbox.center.theta
    width, height = float(item.bbox.size_x), float(item.bbox.size_y)
    score = max((float(result.hypothesis.score) for result in item.results), default=1.0)
    values = (center.x, center.y, turn, width, height, score)
    if not all(map(math.isfinite, values)) or width < 0 or height < 0:
        raise InputError(f"a detection has an impossible box or score: {values}")
    # Of a turned box, the upright one around it.
    c, s = abs(math.cos(turn)), abs(math.sin(turn))
    half_x, half_y = (c * width + s * height) / 2.0, (s * width + c * height) / 2.0
    box = (center.x - half_x, center.y - half_y, center.x + half_x, center.y + half_y)
    return Detection(box, score)


class DetectionInput:
    """Brings images and the detections in them together, by stamp.

    A detector answers later than the image comes, and not for every image; each answer carries
    the stamp of the image that it is about.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what waits, as after a backward jump of the clock."""
        self._pairs: Synchronizer[Shot, Any] = Synchronizer("image", "detection", newest_only=True)

    def take_shot(self, shot: Shot) -> tuple[Shot, tuple[Detection, ...]] | None:
        """Take an image; give it with its detections if they are here already."""
        return self._newest(self._pairs.add_first(shot.stamp, shot))

    def take_detections(self, message: Any) -> tuple[Shot, tuple[Detection, ...]] | None:
        """Take a `Detection2DArray`; give it with its image if that is here.

        Raises:
            InputError: A detection is impossible.
        """
        return self._newest(self._pairs.add_second(time_from_msg(message.header.stamp), message))

    def explain(self) -> str:
        """Why no image has detections."""
        return self._pairs.explain()

    def _newest(self, pairs: list[Any]) -> tuple[Shot, tuple[Detection, ...]] | None:
        if not pairs:
            return None
        return pairs[-1].first, detections_from_msg(pairs[-1].second)
