"""Node `embodmocap`: people, transforms and calibration from keypoints and depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rclpy.parameter import Parameter
from ros_camera import FACTORY, Camera, subscribe, topic
from std_msgs.msg import Float64
from std_srvs.srv import Trigger

from perception_nodes.embodmocap.interface import Keypoints
from perception_nodes.embodmocap.node import EmbodmocapNode
from perception_nodes.embodmocap.skeleton import JOINTS, SURFACE
from perception_nodes.errors import InputError
from perception_nodes.gate.governor import UNDER_PRESSURE
from perception_nodes.geometry.camera import Camera as Lens
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros import endpoints
from perception_nodes.ros.conversion import people_from_msg
from perception_nodes.ros.interfaces import COMPUTE_PRESSURE, TRACKED, node
from perception_nodes.ros.people_messages import keypoints_from_msg, keypoints_to_msg
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import interface
from perception_nodes.ros.run import start
from perception_nodes.scene import Frame
from perception_simulation.people.walking import WalkingMotion

LENS = Lens(320, 240, 260.0, 260.0, 159.5, 119.5)
AHEAD = Pose(
    np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.array([-2.5, 0, 1])
)
PERIOD = 33_000_000


def shot(number: int) -> tuple[Frame, Keypoints, Any]:
    """A walker in front of a wall, as a camera and a detector see it."""
    stamp = 10**9 + number * PERIOD
    truth = WalkingMotion().at(number * PERIOD * 1e-9)
    local = AHEAD.inverse().apply(truth)
    pixels, z = LENS.project(local)
    depth = np.full((LENS.height, LENS.width), 4.0, np.float32)
    for (u, v), near in zip(np.rint(pixels).astype(int), z - SURFACE, strict=True):
        depth[max(v - 3, 0) : v + 4, max(u - 3, 0) : u + 4] = near
    color = np.zeros((LENS.height, LENS.width, 3), np.uint8)
    frame = Frame(stamp, "camera_a", "camera_a_optical", LENS, color, depth, AHEAD)
    keypoints = Keypoints(stamp, "camera_a", pixels[None], np.ones((1, 17)))
    return frame, keypoints, truth


class Robot:
    """The node, a driver and a detector."""

    def __init__(self, graph: Any, **parameters: object) -> None:
        values = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node: EmbodmocapNode = graph.add(
            EmbodmocapNode(parameter_overrides=values, context=graph.context)
        )
        assert start(self.node)
        self.client = graph.client("driver")
        self.camera = Camera(self.client, node("embodmocap"))
        self.people: list[Any] = []
        self.tree: list[Any] = []
        subscribe(self.client, topic("embodmocap", "people"), self.people)
        subscribe(self.client, topic("embodmocap", "/tf"), self.tree)
        self.graph = graph
        graph.spin()

    def show(self, frame: Frame, keypoints: Keypoints | None) -> None:
        for name, message in self.camera.messages(frame).items():
            name = name.replace("camera/", "camera_a/")
            if name in self.camera.publishers:
                self.camera.publishers[name].publish(message)
        if keypoints is not None:
            message = keypoints_to_msg(keypoints, frame.frame_id, FACTORY)
            self.camera.publishers["keypoints_a"].publish(message)


class Network:
    """Stands for the shipped one: it knows the walker, and counts what it is asked."""

    model_id = "known-0"

    def __init__(self) -> None:
        self.asked = 0

    def find(self, frame: Frame) -> Keypoints:
        self.asked += 1
        assert frame.color.shape == (LENS.height, LENS.width, 3)
        return shot((frame.stamp - 10**9) // PERIOD)[1]

    def reset(self) -> None:
        pass


def test_images_are_searched_until_somebody_sends_keypoints(
    graph: Any, until: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network()
    where = "perception_nodes.embodmocap.node.learned_keypoints"
    monkeypatch.setattr(where, lambda *_: network)
    robot = Robot(graph, keypoints="auto")
    assert until(lambda: robot.camera.publishers["keypoints_a"].get_subscription_count())
    assert until(lambda: robot.camera.publishers["/tf_static"].get_subscription_count())
    assert until(lambda: robot.client.count_publishers("people"))
    for number in range(6):
        frame, _, truth = shot(number)
        robot.show(frame, None)
        assert until(lambda count=number + 1: len(robot.people) >= count)
    person = people_from_msg(robot.people[-1])[0]
    assert np.linalg.norm(person.joints - truth, axis=1).mean() < 0.1
    assert network.asked == 6
    for number in range(6, 12):
        robot.show(*shot(number)[:2])
        assert until(lambda count=number + 1: len(robot.people) >= count)
    assert network.asked <= 7, "the image before the first message may have been searched"


def test_keypoints_and_depth_become_a_person_with_a_transform(
    graph: Any, until: Callable[..., bool]
) -> None:
    robot = Robot(graph)
    publishers = robot.camera.publishers
    assert until(lambda: publishers["keypoints_a"].get_subscription_count())
    assert until(lambda: publishers["/tf_static"].get_subscription_count())
    assert until(lambda: robot.client.count_publishers("people"))
    for number in range(12):
        frame, keypoints, truth = shot(number)
        robot.show(frame, keypoints)
        assert until(lambda count=number + 1: len(robot.people) >= count)
    person = people_from_msg(robot.people[-1])[0]
    assert person.joint_names == JOINTS
    assert np.median(np.linalg.norm(person.joints - truth, axis=1)) < 0.06
    names = {t.child_frame_id for message in robot.tree for t in message.transforms}
    assert f"body_{person.id}" in names
    assert robot.people[-1].header.frame_id == "map"
    assert robot.node.facts["people"] == "1"


def test_calibration_with_one_camera_and_no_map_is_refused_with_the_reason(
    graph: Any, until: Callable[..., bool]
) -> None:
    robot = Robot(graph, scene=False)
    caller = robot.client.create_client(Trigger, "calibrate")
    answer = graph.call(caller, Trigger.Request())
    assert not answer.success
    assert "two cameras" in answer.message
    assert robot.node.facts["calibration"].startswith("refused")


def test_the_node_keeps_no_image(graph: Any, until: Callable[..., bool]) -> None:
    robot = Robot(graph)
    assert until(lambda: robot.camera.publishers["keypoints_a"].get_subscription_count())
    assert until(lambda: robot.camera.publishers["/tf_static"].get_subscription_count())
    assert until(lambda: robot.client.count_publishers("people"))
    robot.show(*shot(0)[:2])
    assert until(lambda: robot.people)
    kinds = {topic.type_name for topic in robot.node.spec.publishes}
    assert not any("Image" in kind for kind in kinds)
    paired = robot.node._paired["a"]
    assert paired.explain() is not None
    assert not robot.node._cameras["a"]._waiting


def test_who_asks_is_told_where_people_will_be(graph: Any, until: Callable[..., bool]) -> None:
    robot = Robot(graph)
    told: list[Any] = []
    subscribe(robot.client, topic("embodmocap", "people_forecast"), told)
    assert until(lambda: robot.camera.publishers["keypoints_a"].get_subscription_count())
    assert until(lambda: robot.camera.publishers["/tf_static"].get_subscription_count())
    assert until(lambda: robot.client.count_publishers("people_forecast"))
    for number in range(12):
        robot.show(*shot(number)[:2])
        assert until(lambda count=number + 1: min(len(robot.people), len(told)) >= count)
    (ahead,) = told[-1].forecasts
    assert ahead.id == robot.people[-1].people[0].id
    assert len(ahead.stamps) == 4
    assert len(ahead.joints) == 4 * 17
    assert len(ahead.covariances) == 4 * 17 * 9
    now = robot.people[-1].people[0].joints[11]
    assert abs(ahead.joints[11].x - now.x) < 1.0


def test_where_hri_msgs_is_installed_the_ids_of_bodies_are_told(
    graph: Any, until: Callable[..., bool]
) -> None:
    """Of REP-155, by a package of that one message which the tests build."""
    pytest.importorskip("hri_msgs")
    robot = Robot(graph)
    told: list[Any] = []
    subscribe(robot.client, topic("embodmocap", TRACKED), told)
    assert until(lambda: robot.camera.publishers["keypoints_a"].get_subscription_count())
    assert until(lambda: robot.camera.publishers["/tf_static"].get_subscription_count())
    assert until(lambda: robot.client.count_publishers(TRACKED))
    for number in range(12):
        robot.show(*shot(number)[:2])
        assert until(lambda count=number + 1: min(len(robot.people), len(told)) >= count)
    assert list(told[-1].ids) == [person.id for person in robot.people[-1].people]
    assert len(told[-1].ids) == 1
    names = {t.child_frame_id for message in robot.tree for t in message.transforms}
    assert f"body_{told[-1].ids[0]}" in names


def test_where_hri_msgs_is_missing_people_are_told_all_the_same(
    graph: Any, until: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(type_name: str) -> Any:
        if type_name.startswith("hri_msgs"):
            raise ModuleNotFoundError(type_name)
        return interface(type_name)

    monkeypatch.setattr(endpoints, "interface", absent)
    robot = Robot(graph)
    assert robot.node._outputs[TRACKED] is None
    assert until(lambda: robot.camera.publishers["keypoints_a"].get_subscription_count())
    assert until(lambda: robot.camera.publishers["/tf_static"].get_subscription_count())
    assert until(lambda: robot.client.count_publishers("people"))
    robot.show(*shot(0)[:2])
    assert until(lambda: robot.people)


def test_keypoints_of_a_wrong_size_are_refused_with_the_order_to_send() -> None:
    _, keypoints, _ = shot(0)
    message = keypoints_to_msg(keypoints, "optical", FACTORY)
    message.people[0].confidence = [1.0] * 5
    with pytest.raises(InputError, match="COCO"):
        keypoints_from_msg(message, "camera_a")


def test_keypoints_that_are_no_numbers_come_without_confidence() -> None:
    _, keypoints, _ = shot(0)
    pixels = keypoints.pixels.copy()
    pixels[0, 3] = np.nan
    message = keypoints_to_msg(replace(keypoints, pixels=pixels), "optical", FACTORY)
    back = keypoints_from_msg(message, "camera_a")
    assert back.confidence[0, 3] == 0.0
    np.testing.assert_allclose(back.pixels[0, :3], pixels[0, :3], atol=1e-3)


def test_under_pressure_people_are_looked_for_in_a_part_of_the_images(
    graph: Any, until: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network()
    where = "perception_nodes.embodmocap.node.learned_keypoints"
    monkeypatch.setattr(where, lambda *_: network)
    robot = Robot(graph, keypoints="learned")
    pressure = robot.client.create_publisher(
        Float64, COMPUTE_PRESSURE.name, profile(Intent[COMPUTE_PRESSURE.intent])
    )
    assert until(lambda: robot.camera.publishers["/tf_static"].get_subscription_count())
    assert until(pressure.get_subscription_count)
    pressure.publish(Float64(data=4.0))  # memory, prediction, planning, keypoints
    assert until(lambda: robot.node._allowance.slowed)
    for number in range(12):
        robot.show(shot(number)[0], None)
        assert until(lambda n=number: asked_or_dropped(robot, network) > n)
    assert network.asked == 12 // UNDER_PRESSURE


def asked_or_dropped(robot: Robot, network: Network) -> int:
    """Images that came to an end."""
    return network.asked + int(robot.node.health.values().get("dropped, slowed down", "0"))
