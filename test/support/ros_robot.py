"""A robot with a camera in front of `viewrope` and `cjepa`, for tests of the graph."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from ros_camera import Camera, subscribe, topic
from tabletop import PERIOD, Box, observe

from perception_nodes.cjepa.node import CjepaNode
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.run import start
from perception_nodes.scene import Frame
from perception_nodes.viewrope.node import ViewropeNode

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))
CAN = Box((0.0, 0.25, 0.06), (0.07, 0.07, 0.12), (60.0, 60.0, 200.0))
START = 10**9


def table(number: int, *boxes: Box, pose: Pose | None = None) -> Frame:
    """A frame of a table."""
    frame, _ = observe(boxes or (MUG, CAN), START + number * PERIOD)
    frame.color[0, 0] = number % 256  # or the camera would be called frozen
    return frame if pose is None else replace(frame, pose=pose)


class Robot:
    """A camera in front of `viewrope` and `cjepa`, and what they say."""

    def __init__(self, graph: Any, until: Callable[..., bool], **parameters: object) -> None:
        self.graph, self.until = graph, until
        common = {"input_timeout": 0.4, "stale_after": 1.2, **parameters}
        finding = [Parameter(k, value=v) for k, v in common.items()]
        keeping = [Parameter("map_id", value="")]
        options = {"context": graph.context}
        self.viewrope = graph.add(ViewropeNode(parameter_overrides=finding, **options))
        self.cjepa = graph.add(CjepaNode(parameter_overrides=keeping, **options))
        assert start(self.viewrope)
        assert start(self.cjepa)
        self.client = graph.client("driver")
        self.camera = Camera(self.client, node("viewrope"))
        self.slots: list[Any] = []
        self.objects: list[Any] = []
        self.reports: list[Any] = []
        subscribe(self.client, topic("viewrope", "slots"), self.slots)
        subscribe(self.client, topic("cjepa", "objects"), self.objects)
        self.client.create_subscription(DiagnosticArray, "/diagnostics", self._report, 10)
        graph.spin()
        assert until(self.camera.connected)
        assert until(lambda: self.client.count_publishers("objects"))
        assert until(lambda: self.client.count_subscribers("slots") == 2)

    def _report(self, message: Any) -> None:
        self.reports += [s for s in message.status if s.name.startswith("viewrope")]

    def show(self, frame: Frame, **options: Any) -> Any:
        """Show a frame and wait for the object states."""
        before = len(self.objects)
        self.camera.show(frame, **options)
        assert self.until(lambda: len(self.objects) > before), "no object states came"
        return self.objects[-1]

    def stream(self, numbers: Any, until: Callable[[], Any], **options: Any) -> bool:
        """Show frames at 20 Hz until something holds."""
        for number in numbers:
            if until():
                return True
            self.camera.show(table(number), **options)
            time.sleep(0.05)
        return bool(until())

    def level(self) -> int:
        """Level of the last report of `viewrope`."""
        return int.from_bytes(self.reports[-1].level, "little") if self.reports else -1

    def says(self, text: str) -> bool:
        """Whether the last report of `viewrope` contains a text."""
        return bool(self.reports) and text in self.reports[-1].message
