"""The simulator as a robot: its pusher obeys commands, its truth says so, and it starts anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.parameter import Parameter
from ros_camera import subscribe, topic
from small_scene import small_scene
from std_srvs.srv import Trigger

from perception_nodes.ros.geometry_messages import time_from_msg
from perception_nodes.ros.run import start
from perception_simulation.node import SimulatorNode
from perception_simulation.scene_file import save_scene


class Bench:
    """A simulator, a controller of its pusher and a listener."""

    def __init__(self, graph: Any, until: Callable[..., bool], file: Path) -> None:
        save_scene(small_scene(duration=60.0), file)
        overrides = [Parameter("scene", value=str(file)), Parameter("speed", value=3.0)]
        self.node = graph.add(SimulatorNode(context=graph.context, parameter_overrides=overrides))
        self.graph, self.until = graph, until
        self.client = graph.client("controller")
        self.truth: list[Any] = []
        self.people: list[Any] = []
        self.transforms: list[Any] = []
        subscribe(self.client, topic("simulator", "truth/objects"), self.truth)
        subscribe(self.client, topic("simulator", "truth/people"), self.people)
        subscribe(self.client, topic("simulator", "/tf"), self.transforms)
        self.commands = self.client.create_publisher(TwistStamped, "command", 10)
        assert start(self.node)
        graph.spin()
        assert until(lambda: self.truth and self.commands.get_subscription_count())

    def pusher(self) -> Any:
        """Where the pusher truly is."""
        (found,) = (o for o in self.truth[-1].objects if o.label == "pusher")
        return found.pose.pose.position

    def command(self, x: float, frame: str = "map", seconds: int = 0) -> None:
        """Command a velocity along x."""
        message = TwistStamped()
        message.header.frame_id, message.header.stamp.sec = frame, seconds
        message.twist.linear.x = x
        self.commands.publish(message)

    def stamp(self) -> int:
        """Time of the newest truth, ns."""
        return time_from_msg(self.truth[-1].header.stamp)


@pytest.fixture
def bench(graph: Any, until: Callable[..., bool], tmp_path: Path) -> Bench:
    return Bench(graph, until, tmp_path / "scene.yaml")


def test_the_pusher_obeys_while_it_is_commanded_and_then_stops(bench: Bench) -> None:
    start_x = bench.pusher().x

    def far() -> bool:
        bench.command(-0.4)
        return bool(bench.pusher().x < start_x - 0.3)

    assert bench.until(far)
    told = bench.stamp()
    assert bench.until(lambda: bench.stamp() > told + 1_000_000_000)
    stopped = bench.pusher().x
    told = bench.stamp()
    assert bench.until(lambda: bench.stamp() > told + 1_000_000_000)
    assert bench.pusher().x == pytest.approx(stopped, abs=1e-3)
    box = next(o for o in bench.truth[-1].objects if o.label == "pusher")
    tips = [t for m in bench.transforms for t in m.transforms if t.child_frame_id == box.id]
    height = tips[-1].transform.translation.z
    assert height == pytest.approx(box.pose.pose.position.z - box.size.z / 2.0, abs=1e-3)


@pytest.mark.parametrize(
    ("velocity", "frame", "seconds", "reason"),
    [
        (-0.4, "base_link", 0, "'base_link', not in 'map'"),
        (float("nan"), "map", 0, "no velocity"),
        (-0.4, "map", 1, "s old"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_with_the_reason(
    bench: Bench, velocity: float, frame: str, seconds: int, reason: str
) -> None:
    assert bench.until(lambda: bench.stamp() > 2_000_000_000)
    start_x = bench.pusher().x

    def refused() -> bool:
        bench.command(velocity, frame, seconds)
        return "dropped, invalid input" in bench.node.health.values()

    assert bench.until(refused)
    assert reason in bench.node.health.judge(1.0, 3.0)[1]
    assert bench.pusher().x == pytest.approx(start_x, abs=1e-3)


def test_reset_starts_the_scene_anew_and_puts_the_pusher_back(bench: Bench) -> None:
    start_x = bench.pusher().x

    def far() -> bool:
        bench.command(-0.4)
        return bool(bench.pusher().x < start_x - 0.1)

    assert bench.until(far)
    before = bench.stamp()
    client = bench.client.create_client(Trigger, "reset")
    assert bench.graph.call(client, Trigger.Request()).success
    assert bench.until(lambda: bench.stamp() < before)
    assert bench.until(lambda: abs(bench.pusher().x - start_x) < 1e-3)
    assert bench.people[-1].people == []
