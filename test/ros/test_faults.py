"""What a robot's sensors, clocks and transforms do wrong, on the genuine graph.

docs/faults.md lists all faults and who tests them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from ros_camera import FACTORY, Camera
from ros_robot import CAN, MUG, START, Robot, table
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo
from tabletop import PERIOD
from tf2_msgs.msg import TFMessage

from perception_nodes.cjepa.node import CjepaNode
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.geometry_messages import transform_to_msg, transforms_to_msg
from perception_nodes.ros.interfaces import node
from perception_nodes.scene import Frame


@pytest.fixture
def robot(graph: Any, until: Callable[..., bool]) -> Robot:
    return Robot(graph, until)


def figure(robot: Robot, name: str) -> str:
    """A figure of the diagnostics of `viewrope`."""
    return robot.viewrope.health.values().get(name, "0")


def publish(robot: Robot, frame: Frame, **changes: Callable[[Any], None]) -> None:
    """Show a frame whose messages are changed: `depth`, `color` or `info` by a function each."""
    names = {
        "info": "camera/color/camera_info",
        "color": "camera/color/image_raw",
        "depth": "camera/depth/image_raw",
    }
    messages = robot.camera.messages(frame)
    for short, change in changes.items():
        change(messages[names[short]])
    for name, message in messages.items():
        robot.camera.publishers[name].publish(message)


def fields(**values: Any) -> Callable[[Any], None]:
    """Sets fields of a message."""

    def change(message: Any) -> None:
        for name, value in values.items():
            setattr(message, name, value)

    return change


def fine(robot: Robot, number: int) -> None:
    """A good frame still gives both objects, and no callback has raised."""
    message = robot.show(table(number))
    assert len(message.objects) == 2
    assert figure(robot, "errors") == "0"
    assert robot.cjepa.health.values()["errors"] == "0"


def test_a_frozen_camera_is_noticed_although_its_stamps_go_on(robot: Robot) -> None:
    numbers = iter(range(10_000))
    assert robot.stream(numbers, lambda: robot.objects)
    still = table(0)

    def told() -> bool:
        robot.camera.show(replace(still, stamp=START + next(numbers) * PERIOD))
        return robot.says("the camera is frozen")

    robot.reports.clear()
    for _ in range(200):
        if told():
            break
        time.sleep(0.03)
    assert robot.says("the camera is frozen")
    assert robot.level() == 1
    count = len(robot.slots)
    told()
    time.sleep(0.2)
    assert len(robot.slots) == count, "what a frozen image shows may be gone"
    robot.show(table(next(numbers)))


def spoiled(value: float) -> Callable[[Frame], Frame]:
    """A frame whose depth is the same number everywhere."""
    return lambda frame: replace(frame, depth=np.full_like(frame.depth, value))


def test_depth_that_says_nothing_or_is_noise_makes_and_moves_no_objects(robot: Robot) -> None:
    chance = np.random.default_rng(0)
    spoil: list[Callable[[Frame], Frame]] = [
        *(spoiled(value) for value in (np.nan, np.inf, 0.0, -1.0)),
        lambda f: replace(f, depth=chance.uniform(0.3, 4.0, f.depth.shape).astype(np.float32)),
    ]
    for number in range(8):
        before = robot.show(table(number))
    for number, change in enumerate(spoil, start=8):
        publish(robot, change(table(number)))
        time.sleep(0.15)
    after = robot.show(table(20))
    assert [o.id for o in after.objects] == [o.id for o in before.objects]
    fine(robot, 21)


def test_images_that_lie_about_themselves_cost_only_their_frame(robot: Robot) -> None:
    lies = [
        {"depth": fields(encoding="mono8")},
        {"depth": fields(encoding="no such encoding")},
        {"depth": fields(step=1)},
        {"depth": fields(width=4000)},
        {"color": fields(height=2)},
        {"color": fields(encoding="")},
        {"color": fields(data=b"")},
    ]
    for number in range(8):
        robot.show(table(number))
    for number, changes in enumerate(lies, start=8):
        publish(robot, table(number), **changes)
        wanted = str(number - 7)
        assert robot.until(lambda w=wanted: figure(robot, "dropped, invalid input") == w), changes
        assert robot.level() in (0, 1)
    fine(robot, 20)


def test_images_of_another_size_are_used_as_soon_as_their_camera_model_comes(
    robot: Robot,
) -> None:
    for number in range(8):
        robot.show(table(number))
    frame = table(8)
    small = replace(
        frame,
        camera=frame.camera.scaled(80, 60),
        color=np.ascontiguousarray(frame.color[::2, ::2]),
        depth=np.ascontiguousarray(frame.depth[::2, ::2]),
    )
    robot.camera.show(small, without=("camera_info",))
    assert robot.until(lambda: figure(robot, "dropped, invalid input") != "0")
    before = len(robot.objects)
    for number in range(9, 30):
        robot.camera.show(replace(small, stamp=START + number * PERIOD))
        time.sleep(0.05)
    assert robot.until(lambda: len(robot.objects) > before + 5, 5.0)
    assert len(robot.objects[-1].objects) == 2
    robot.camera.show(table(30))  # images and camera model may pass each other once
    robot.camera.show(table(31))
    fine(robot, 32)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf"), -300.0])
def test_a_camera_model_that_turns_impossible_stops_images_until_it_is_right_again(
    robot: Robot, value: float
) -> None:
    for number in range(8):
        robot.show(table(number))
    bad = CameraInfo(width=160, height=120, k=[value] * 9)
    robot.camera.publishers["camera/color/camera_info"].publish(bad)
    assert robot.until(lambda: figure(robot, "dropped, invalid input") == "1")
    robot.slots.clear()
    robot.camera.show(table(8), without=("camera_info",))
    time.sleep(0.2)
    assert not robot.slots
    fine(robot, 9)


def test_stamps_that_are_zero_repeated_in_the_future_or_out_of_order_harm_nothing(
    robot: Robot,
) -> None:
    for number in range(8):
        robot.show(table(number))
    good = [table(n) for n in (9, 8, 9, 10)]  # out of order, then repeated
    for frame in (*good, replace(table(11), stamp=0)):
        robot.camera.show(frame)
        time.sleep(0.05)
    fine(robot, 12)
    assert robot.until(lambda: figure(robot, "dropped, invalid input") == "2")  # color and depth
    tomorrow = robot.viewrope.get_clock().now().nanoseconds + 24 * 3600 * 10**9
    robot.camera.show(replace(table(13), stamp=tomorrow))
    assert robot.until(lambda: figure(robot, "dropped, invalid input") == "4")
    fine(robot, 14)
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in robot.slots]
    assert len(set(stamps)) == len(stamps), "no image was processed twice"


def test_one_image_in_three_lost_and_depth_half_a_second_late_leave_the_objects(
    robot: Robot,
) -> None:
    chance = np.random.default_rng(1)
    late: list[Frame] = []
    for number in range(40):
        frame = table(number)
        late.append(frame)
        if chance.random() > 0.3:
            robot.camera.show(frame, without=("depth",))
        if len(late) > 7:  # half a second at 15 Hz
            robot.camera.show(late.pop(0), without=("color/image",))
        time.sleep(0.03)
    assert robot.until(lambda: robot.objects and len(robot.objects[-1].objects) == 2)
    assert figure(robot, "errors") == "0"


def test_after_a_stall_the_newest_of_a_burst_is_processed(robot: Robot) -> None:
    for number in range(8):
        robot.show(table(number))
    frames = [table(number) for number in range(8, 38)]
    for frame in frames:
        robot.camera.show(frame)

    def newest() -> bool:
        stamp = robot.slots[-1].header.stamp
        return bool(stamp.sec * 10**9 + stamp.nanosec == frames[-1].stamp)

    assert robot.until(newest, 20.0)
    assert len(robot.slots) < 8 + len(frames), "it did not work through all that waited"
    fine(robot, 40)


def transform(child: str, parent: str, **changes: float) -> TransformStamped:
    """A transform at the time of frame 8, with fields of its rotation changed."""
    made = transform_to_msg(Pose.identity(), START + 8 * PERIOD, parent, child, FACTORY)
    for name, value in changes.items():
        setattr(made.transform.rotation, name, value)
    return made


def test_impossible_transforms_are_refused_and_the_tree_stays_usable(robot: Robot) -> None:
    for number in range(8):
        robot.show(table(number), static=False)
    bad = [
        transform("optical", "map", w=float("nan")),
        transform("optical", "map", w=0.0),
        transform("optical", "map", w=7.0),
        transform("map", "optical"),  # a loop
        transform("map", "map"),
        transform("", "map"),
    ]
    for count, message in enumerate(bad, start=1):
        robot.camera.publishers["/tf"].publish(TFMessage(transforms=[message]))
        wanted = str(count)
        assert robot.until(lambda w=wanted: figure(robot, "dropped, invalid input") == w), message
    message = robot.show(table(9), static=False)
    assert len(message.objects) == 2


def test_a_transform_two_seconds_late_costs_the_pose_of_its_images_and_nothing_else(
    robot: Robot,
) -> None:
    for number in range(8):
        robot.show(table(number), static=False)
    kept = len(robot.objects[-1].objects)
    for number in range(8, 38):
        robot.camera.show(table(number), static=False, without=("/tf",))
        time.sleep(0.03)
    assert robot.until(lambda: robot.slots[-1].world_frame == "")
    for number in range(8, 38):
        frame = table(number)
        assert frame.pose is not None
        made = transform_to_msg(frame.pose, frame.stamp, "map", frame.frame_id, FACTORY)
        robot.camera.publishers["/tf"].publish(transforms_to_msg([made], FACTORY))
    message = robot.show(table(38), static=False)
    assert len(message.objects) == kept == 2
    assert figure(robot, "errors") == "0"


def test_two_cameras_on_one_topic_are_survived(robot: Robot) -> None:
    other = Camera(robot.graph.client("second_driver"), node("viewrope"))
    assert robot.until(other.connected)
    for number in range(10):
        robot.camera.show(table(number))
        other.show(table(number, MUG, CAN.at(0.0, -0.2)))
        time.sleep(0.05)
    assert robot.until(lambda: robot.objects)
    assert figure(robot, "errors") == "0"


def test_a_clock_that_never_starts_stops_or_jumps_an_hour_ahead_stops_nothing(
    graph: Any, until: Callable[..., bool]
) -> None:
    robot = Robot(graph, until, use_sim_time=True)
    assert until(lambda: robot.reports), "it reports although there is no time yet"
    for number in range(4):
        robot.show(table(number))
    clock = robot.client.create_publisher(Clock, "/clock", 10)
    assert until(clock.get_subscription_count)
    now = robot.viewrope.get_clock().now
    for seconds in (1, 3601):
        message = Clock()
        message.clock.sec = seconds
        clock.publish(message)
        assert until(lambda s=seconds: now().nanoseconds == s * 10**9)
    assert robot.viewrope.health.values()["clock jumps"] == "1"
    robot.reports.clear()
    assert until(lambda: robot.reports), "it reports although the clock stands still"
    fine(robot, 5)


def test_an_identity_survives_a_stop_of_the_node_that_finds_objects(robot: Robot) -> None:
    for number in range(8):
        before = robot.show(table(number))
    robot.viewrope.trigger_deactivate()
    robot.camera.show(table(9))
    time.sleep(0.2)
    robot.viewrope.trigger_activate()
    after = robot.show(table(10))
    assert [o.id for o in after.objects] == [o.id for o in before.objects]


def test_numbers_that_are_none_in_the_slots_of_another_node_are_refused(robot: Robot) -> None:
    for number in range(8):
        robot.show(table(number))
    assert isinstance(robot.cjepa, CjepaNode)
    message = robot.slots[-1]
    message.slots[0].pose.position.x = float("nan")
    message.header.stamp.sec += 1
    publisher = robot.client.create_publisher(type(message), "slots", 10)
    assert robot.until(publisher.get_subscription_count)
    publisher.publish(message)
    time.sleep(0.2)
    after = robot.show(table(30))
    assert all(np.isfinite(o.pose.pose.position.x) for o in after.objects)
    assert len(after.objects) == 2


def test_a_simulated_camera_without_noise_may_repeat_itself_for_ever_if_told_so(
    graph: Any, until: Callable[..., bool]
) -> None:
    robot = Robot(graph, until, frozen_after=0.0)
    still = table(0)
    for number in range(60):
        robot.camera.show(replace(still, stamp=START + number * PERIOD))
        time.sleep(0.01)
    robot.show(replace(still, stamp=START + 61 * PERIOD))
    assert figure(robot, "dropped, frozen image") == "0"
