"""Images in, object states out: the node graph as a robot runs it, and its faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from ros_camera import Camera, subscribe, topic
from ros_robot import CAN, MUG, START, Robot, table
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo
from tabletop import PERIOD, look_at, observe

from perception_nodes.cjepa.node import CjepaNode
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.ros.camera_input import CameraInput
from perception_nodes.ros.conversion import object_states_from_msg
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.run import start
from perception_nodes.scene import Frame
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.node import ViewropeNode
from perception_simulation.generator import generate
from perception_simulation.node import SimulatorNode
from perception_simulation.simulator import Simulator


@pytest.fixture
def robot(graph: Any, until: Callable[..., bool]) -> Robot:
    return Robot(graph, until)


def test_the_graph_gives_the_states_that_the_pipeline_gives(robot: Robot) -> None:
    samples = [s.frame for s, _ in zip(Simulator(generate(3)), range(24), strict=False)]
    pipeline = Pipeline(DepthFinder(), ObjectTracker())
    seen = 0
    for frame in samples:
        wanted = pipeline.process(_as_received(robot.camera, frame)).objects
        message = robot.show(frame, static=False)
        found = object_states_from_msg(message)
        assert [s.id for s in found] == [s.id for s in wanted]
        for a, b in zip(found, wanted, strict=True):
            assert a.visibility == b.visibility
            assert np.allclose(a.position, b.position, atol=1e-4)
            assert np.allclose(a.size, b.size, atol=1e-4)
            assert np.isclose(a.existence, b.existence, atol=1e-4)
        seen += len(found)
    assert seen > 24, "the scene showed nothing that could be compared"


def test_a_simulated_world_streams_through_the_graph(
    graph: Any, until: Callable[..., bool]
) -> None:
    options = {"context": graph.context}
    clock = Parameter("use_sim_time", value=True)
    for made in (
        CjepaNode(parameter_overrides=[clock, Parameter("map_id", value="")], **options),
        ViewropeNode(parameter_overrides=[clock], **options),
        SimulatorNode(parameter_overrides=[Parameter("speed", value=1.0)], **options),
    ):
        assert start(graph.add(made))
    client = graph.client()
    objects: list[Any] = []
    truth: list[Any] = []
    subscribe(client, topic("cjepa", "objects"), objects)
    subscribe(client, topic("simulator", "truth/objects"), truth)
    graph.spin()
    assert until(lambda: objects and len(objects[-1].objects) >= 3, 30.0)
    real = {s.id: s.position for s in object_states_from_msg(truth[-1])}
    for state in object_states_from_msg(objects[-1]):
        nearest = min(float(np.linalg.norm(state.position - p)) for p in real.values())
        assert nearest < 0.15, f"{state.id} is where nothing is"


def test_an_image_waits_for_the_transform_of_its_stamp(robot: Robot) -> None:
    frame = table(0)
    robot.camera.show(table(-1), static=False)
    robot.camera.show(frame, static=False, without=("/tf",))
    time.sleep(0.1)
    assert frame.stamp not in {_stamp(m) for m in robot.slots}
    robot.camera.show(table(1), static=False, without=("camera",))
    assert robot.until(lambda: frame.stamp in {_stamp(m) for m in robot.slots})
    assert robot.slots[-1].world_frame == "map"


def test_a_missing_transform_is_named_and_slots_come_without_a_pose(robot: Robot) -> None:
    def reported() -> bool:
        return bool(robot.slots) and robot.says("optical")

    assert robot.stream(range(60), reported, without=("/tf",))
    assert robot.slots[-1].world_frame == ""
    assert robot.level() == 1


@pytest.mark.parametrize("part", ["depth", "color/image"])
def test_an_input_that_stops_is_a_warning_then_stale_and_recovers(robot: Robot, part: str) -> None:
    numbers = iter(range(10_000))
    assert robot.stream(numbers, lambda: robot.level() == 0 and robot.objects)
    robot.reports.clear()
    assert robot.stream(numbers, lambda: robot.level() == 1, without=(part,))
    assert robot.says(part)
    assert robot.stream(numbers, lambda: robot.level() == 3, without=(part,))
    before = len(robot.objects)
    assert robot.stream(numbers, lambda: robot.level() == 0 and len(robot.objects) > before)


def test_a_camera_driver_that_restarts_is_heard_again(robot: Robot) -> None:
    for number in range(3):
        robot.show(table(number))
    for publisher in robot.camera.publishers.values():
        robot.client.destroy_publisher(publisher)
    robot.camera = Camera(robot.graph.client("new_driver"), node("viewrope"))
    assert robot.until(robot.camera.connected)
    robot.show(table(3))


def test_an_uncalibrated_camera_is_refused_with_the_reason(robot: Robot) -> None:
    publisher = robot.camera.publishers["camera/color/camera_info"]

    def named() -> bool:
        publisher.publish(CameraInfo(width=160, height=120))
        return robot.says("uncalibrated")

    assert robot.stream(range(60), named, without=("camera_info",))
    robot.slots.clear()
    assert robot.stream(range(60, 120), lambda: robot.slots)


def test_a_clock_that_jumps_back_starts_afresh_and_tracking_goes_on(
    graph: Any, until: Callable[..., bool]
) -> None:
    robot = Robot(graph, until, use_sim_time=True)
    clock = robot.client.create_publisher(Clock, "/clock", QoSProfile(depth=10))
    assert until(clock.get_subscription_count)

    def tick(number: int) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(START + number * PERIOD, 10**9)
        clock.publish(message)
        now = robot.viewrope.get_clock().now
        assert until(lambda: now().nanoseconds == START + number * PERIOD)

    for number in (*range(200, 206), *range(6)):
        tick(number)
        message = robot.show(table(number), static=False)
    assert robot.viewrope.health.values()["clock jumps"] == "1"
    assert len(message.objects) == 2
    assert _stamp(message) == START + 5 * PERIOD


def test_a_moving_camera_does_not_move_the_objects(robot: Robot) -> None:
    for number in range(12):
        pose = look_at((-0.9, 0.02 * number, 0.8), (0.0, 0.0, 0.0))
        boxes = (MUG, CAN)
        frame, _ = observe(boxes, START + number * PERIOD, pose)
        message = robot.show(frame, static=False)
    positions = [s.position for s in object_states_from_msg(message)]
    assert len(positions) == 2
    for box in (MUG, CAN):
        assert min(np.linalg.norm(p - box.center) for p in positions) < 0.03


def _stamp(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def _as_received(camera: Camera, frame: Frame) -> Frame:
    """The frame as the node sees it: depth in whole millimeters, the pose through a quaternion."""
    given = CameraInput("camera", "map", 0)
    messages = camera.messages(frame, static=True)
    given.take_transforms(messages["/tf_static"], static=True)
    given.take_info(messages["camera/color/camera_info"])
    given.take_color(messages["camera/color/image_raw"])
    shot = given.take_depth(messages["camera/depth/image_raw"])
    assert shot is not None
    return shot.frame()
