"""A camera and a detector on the ROS graph that see one walking person; for `resources.py`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from latency_ros import FACTORY
from rclpy.node import Node

from perception_nodes.embodmocap.interface import Keypoints
from perception_nodes.embodmocap.skeleton import COUNT, SURFACE
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.geometry_messages import (
    camera_info_to_msg,
    header_to_msg,
    transform_to_msg,
    transforms_to_msg,
)
from perception_nodes.ros.image_messages import color_to_msg, depth_to_msg
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.people_messages import keypoints_to_msg
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import interface
from perception_nodes.scene import Frame
from perception_simulation.people.walking import WalkingMotion

_CAMERA = Camera(640, 480, 520.0, 520.0, 319.5, 239.5)
_AHEAD = Pose(
    np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.array([-2.5, 0.0, 1.0])
)
_WALL, _RATE, _REACH = 4.0, 30.0, 7


class Seen(NamedTuple):
    """An image, and the keypoints in it."""

    frame: Frame
    keypoints: Keypoints


def walker(count: int) -> list[Seen]:
    """A person who walks in front of a wall; depth is theirs at their joints."""
    motion, found = WalkingMotion(), []
    for number in range(count):
        pixels, z = _CAMERA.project(_AHEAD.inverse().apply(motion.at(number / _RATE)))
        depth = np.full((_CAMERA.height, _CAMERA.width), _WALL, np.float32)
        for (u, v), near in zip(np.rint(pixels).astype(int), z - SURFACE, strict=True):
            rows, columns = (slice(max(at - _REACH, 0), at + _REACH + 1) for at in (v, u))
            depth[rows, columns] = near
        color = np.zeros((*depth.shape, 3), np.uint8)
        frame = Frame(0, "camera_a", "camera_a_optical", _CAMERA, color, depth, _AHEAD)
        found.append(Seen(frame, Keypoints(0, "camera_a", pixels[None], np.ones((1, COUNT)))))
    return found


class PeopleStream(Node):  # type: ignore[misc]
    """Publishes what was seen with the time of now."""

    def __init__(self) -> None:
        super().__init__("people_stream")
        self._outputs = {
            topic.name: self.create_publisher(
                interface(topic.type_name), topic.name, profile(Intent[topic.intent])
            )
            for topic in node("embodmocap").subscribes
            if not topic.optional and "ompressed" not in topic.name and topic.name != "/tf_static"
        }

    def ready(self) -> bool:
        """Whether the node listens."""
        return all(p.get_subscription_count() for p in self._outputs.values())

    def send(self, seen: Seen) -> None:
        """Publish as if it had been seen now."""
        stamp, frame = self.get_clock().now().nanoseconds, seen.frame
        header = header_to_msg(stamp, frame.frame_id, FACTORY)
        assert frame.pose is not None
        pose = transform_to_msg(frame.pose, stamp, "map", frame.frame_id, FACTORY)
        keypoints = Keypoints(stamp, "camera_a", seen.keypoints.pixels, seen.keypoints.confidence)
        info = camera_info_to_msg(frame.camera, stamp, frame.frame_id, FACTORY)
        messages = {
            "/tf": transforms_to_msg([pose], FACTORY),
            "camera_a/color/camera_info": info,
            "camera_a/color/image_raw": color_to_msg(frame.color, header, FACTORY),
            "camera_a/depth/image_raw": depth_to_msg(frame.depth, header, FACTORY),
            "keypoints_a": keypoints_to_msg(keypoints, frame.frame_id, FACTORY),
        }
        for name, message in messages.items():
            self._outputs[name].publish(message)
