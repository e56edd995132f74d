"""On the graph: where the robot is described, its own links become no objects."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from ros_camera import FACTORY, Camera, subscribe, topic
from std_msgs.msg import String
from tabletop import PERIOD, Box, observe

from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.geometry_messages import transform_to_msg, transforms_to_msg
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.run import start
from perception_nodes.scene import Frame
from perception_nodes.viewrope.node import ViewropeNode

MUG = Box((0.0, 0.2, 0.05), (0.08, 0.08, 0.1))
HAND = Box((0.0, -0.15, 0.06), (0.1, 0.1, 0.12), (60.0, 60.0, 200.0))
URDF = """<robot name="r"><link name="hand"><collision><geometry><box size="0.1 0.1 0.12"/>
</geometry></collision></link>{}</robot>"""


class Robot:
    """A camera that sees a mug and the robot's own hand."""

    def __init__(self, graph: Any, until: Callable[..., bool]) -> None:
        self.until, self.number = until, 0
        patience = [Parameter("transform_patience", value=0.1)]
        self.node = graph.add(ViewropeNode(context=graph.context, parameter_overrides=patience))
        self.client = graph.client("robot")
        self.camera = Camera(self.client, node("viewrope"))
        latched = profile(Intent.LATCHED)
        self.description = self.client.create_publisher(String, "robot_description", latched)
        self.slots: list[Any] = []
        self.reports: list[str] = []
        subscribe(self.client, topic("viewrope", "slots"), self.slots)
        self.client.create_subscription(DiagnosticArray, "/diagnostics", self._report, 10)
        assert start(self.node)
        graph.spin()
        assert until(self.camera.connected)
        assert until(self.description.get_subscription_count)

    def _report(self, message: Any) -> None:
        self.reports += [s.message for s in message.status if s.name.startswith("viewrope")]

    def describe(self, more: str = "") -> None:
        """Publish what the robot consists of."""
        self.description.publish(String(data=URDF.format(more)))
        assert self.until(lambda: self.node._robot is not None)

    def sees(self, hand: Box = HAND, told: bool = True) -> int:
        """How many objects it finds in its next image; `told` says whether TF has the hand."""
        self.number += 1
        frame: Frame = observe((MUG, hand), 10**9 + self.number * PERIOD)[0]
        if told:
            place = transform_to_msg(
                Pose(np.eye(3), np.array(hand.center)), frame.stamp, "map", "hand", FACTORY
            )
            self.camera.publishers["/tf"].publish(transforms_to_msg([place], FACTORY))
        before = len(self.slots)
        self.camera.show(frame)
        assert self.until(lambda: len(self.slots) > before)
        return len(self.slots[-1].slots)


@pytest.fixture
def robot(graph: Any, until: Callable[..., bool]) -> Robot:
    return Robot(graph, until)


def test_a_link_of_the_robot_is_an_object_only_until_it_is_described(robot: Robot) -> None:
    assert robot.sees() == 2
    robot.describe()
    assert robot.sees() == 1


def test_the_mask_follows_a_link_that_moves(robot: Robot) -> None:
    robot.describe()
    for y in (-0.15, -0.05, 0.03):
        assert robot.sees(HAND.at(0.0, y)) == 1


def test_a_link_without_a_transform_is_not_masked_and_diagnostics_say_so(robot: Robot) -> None:
    robot.describe(
        '<link name="gone"><visual><geometry><mesh filename="x.stl"/></geometry></visual></link>'
    )
    assert robot.sees(told=False) == 2
    wanted = ("not masked fully", "hand: no transform", "gone: the mesh 'x.stl' is not found")
    for _ in range(100):
        if any(all(w in r for w in wanted) for r in robot.reports):
            return
        assert robot.sees(told=False) == 2
        time.sleep(0.1)
    pytest.fail(f"it says: {robot.reports[-1]}")


def test_a_description_that_cannot_be_read_is_refused_and_the_node_goes_on(robot: Robot) -> None:
    robot.description.publish(String(data="<sdf/>"))
    assert robot.until(lambda: robot.node.health.values().get("dropped, invalid input") == "1")
    assert robot.sees() == 2
