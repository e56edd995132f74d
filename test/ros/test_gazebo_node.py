"""The graph that gazebo.launch.py starts, with MuJoCo in the place of Gazebo and its bridge."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from geometry_msgs.msg import TwistStamped
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from ros_camera import FACTORY, subscribe, topic
from small_scene import PERFECT, small_scene, thing

from perception_nodes.cjepa.node import CjepaNode
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.ros.conversion import object_states_from_msg
from perception_nodes.ros.geometry_messages import (
    camera_info_to_msg,
    header_to_msg,
    time_from_msg,
    transform_to_msg,
    transforms_to_msg,
)
from perception_nodes.ros.image_messages import color_to_msg, depth_to_msg
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import interface
from perception_nodes.ros.run import start
from perception_nodes.scene import Sample, Truth, Visibility
from perception_nodes.score.score import Score
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.node import ViewropeNode
from perception_simulation.gazebo.node import GazeboNode
from perception_simulation.gazebo.topics import bridge
from perception_simulation.scene_file import save_scene
from perception_simulation.simulator import Simulator
from perception_simulation.specification import Fixture, Sphere

ROOT = Path(__file__).resolve().parents[2]
SCENE = small_scene(
    thing("box", position=(-0.15, 0.12)),
    thing("ball", Sphere(0.04), position=(-0.1, -0.15)),
    thing("behind", position=(0.22, 0.0)),
    fixtures=(Fixture("crate", (0.05, 0.2, 0.2), (0.05, 0.0, 0.8)),),
    duration=1.5,
    sensor=PERFECT,
    width=240,
    height=180,
    pusher=True,
)


class StandIn:
    """Publishes on the topics, with the types, that the bridge has."""

    def __init__(self, client: Any) -> None:
        self._publishers = {
            ours: client.create_publisher(interface(kind), ours, profile(Intent.RESULTS))
            for ours, _, kind, _, direction in bridge(SCENE)
            if direction == "GZ_TO_ROS"
        }

    def connected(self) -> bool:
        """Whether the nodes `gazebo`, `viewrope` and `cjepa` listen to all that they take."""
        listeners = {
            "camera/color/camera_info": 3,
            "camera/depth/image_raw": 2,
            "camera/color/image_raw": 1,
            "truth/poses": 1,
            "/tf": 2,
        }
        return all(
            self._publishers[topic].get_subscription_count() >= count
            for topic, count in listeners.items()
        )

    def show(self, sample: Sample) -> None:
        """One image, and the poses of its time."""
        frame, truth = sample
        assert frame.pose is not None
        assert truth is not None
        poses = {o.id: o.pose for o in truth.objects if o.label not in {"fixture", "pusher"}}
        self._tell("/tf", {frame.frame_id: frame.pose}, frame.stamp)
        self._tell("truth/poses", poses, frame.stamp)
        header = header_to_msg(frame.stamp, frame.frame_id, FACTORY)
        info = camera_info_to_msg(frame.camera, frame.stamp, frame.frame_id, FACTORY)
        self._publishers["camera/color/camera_info"].publish(info)
        self._publishers["camera/color/image_raw"].publish(
            color_to_msg(frame.color, header, FACTORY)
        )
        self._publishers["camera/depth/image_raw"].publish(
            depth_to_msg(frame.depth, header, FACTORY)
        )

    def _tell(self, name: str, poses: dict[str, Any], stamp: int) -> None:
        made = [transform_to_msg(p, stamp, "map", n, FACTORY) for n, p in poses.items()]
        self._publishers[name].publish(transforms_to_msg(made, FACTORY))


@pytest.fixture
def gazebo(graph: Any, tmp_path: Path) -> Any:
    file = tmp_path / "scene.yaml"
    save_scene(SCENE, file)
    overrides = [Parameter("scene", value=str(file))]
    return graph.add(GazeboNode(context=graph.context, parameter_overrides=overrides))


def test_the_graph_gets_the_score_that_the_pipeline_gets(
    graph: Any, until: Callable[..., bool], gazebo: Any
) -> None:
    client = graph.client("stand_in")
    stand_in = StandIn(client)
    alone = [Parameter("map_id", value="")]
    cjepa = CjepaNode(context=graph.context, parameter_overrides=alone)
    nodes = [gazebo, ViewropeNode(context=graph.context), cjepa]
    for node in nodes[1:]:
        graph.add(node)
    truths: list[Any] = []
    states: list[Any] = []
    subscribe(client, topic("gazebo", "truth/objects"), truths)
    subscribe(client, topic("cjepa", "objects"), states)
    assert all(start(node) for node in nodes)
    graph.spin()
    assert until(stand_in.connected)
    wanted, own = Pipeline(DepthFinder(), ObjectTracker()), Score()
    samples = list(Simulator(SCENE))
    for number, sample in enumerate(samples, start=1):
        assert sample.truth is not None
        own.add(sample.truth, wanted.process(sample.frame).objects)
        stand_in.show(sample)
        assert until(lambda n=number: len(truths) >= n), gazebo.explain()
        assert until(lambda n=number: len(states) >= n), cjepa.health.values()
    score = Score()
    for truth, state in zip(truths, states, strict=True):
        stamp = time_from_msg(truth.header.stamp)
        assert stamp == time_from_msg(state.header.stamp)
        score.add(Truth(stamp, object_states_from_msg(truth)), object_states_from_msg(state))
    for part in ("all", "visible"):
        assert score.figures()[part] == pytest.approx(own.figures()[part])
    assert score.figures()["all"]["recall"] > 0.3, "else there is nothing to compare"
    hidden = {o.id for o in object_states_from_msg(truths[-1]) if o.visibility is _OCCLUDED}
    assert hidden == {o.id for o in samples[-1].truth.objects if o.visibility is _OCCLUDED}  # type: ignore[union-attr]
    assert hidden, "else hiding was not tested"
    assert score.frames == own.frames == len(samples)


_OCCLUDED = Visibility.OCCLUDED


def test_commands_reach_the_pusher_bounded_and_end_when_nobody_renews_them(
    graph: Any, until: Callable[..., bool], gazebo: Any
) -> None:
    client = graph.client("controller")
    velocities: list[Any] = []
    subscribe(client, topic("gazebo", "pusher_velocity"), velocities)
    commands = client.create_publisher(TwistStamped, "command", 10)
    assert start(gazebo)
    graph.spin()
    assert until(commands.get_subscription_count)
    wild = TwistStamped()
    wild.header.frame_id = "map"
    wild.twist.linear.x = 3.0
    commands.publish(wild)
    assert until(lambda: any(v.linear.x > 0.0 for v in velocities))
    assert until(lambda: velocities[-1].linear.x == 0.0), "it stops by itself"
    assert max(v.linear.x for v in velocities) == pytest.approx(0.5)
    count = len(velocities)
    wild.header.frame_id = "camera"
    commands.publish(wild)
    wild.header.frame_id, wild.twist.linear.x = "map", float("nan")
    commands.publish(wild)
    assert until(lambda: gazebo.health.values().get("dropped, invalid input") == "2")
    time.sleep(0.1)
    assert len(velocities) == count


def test_without_a_scene_it_refuses_to_start_and_says_so(graph: Any) -> None:
    node = graph.add(GazeboNode(context=graph.context))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "no scene is given" in node._refusal


def test_its_stand_in_has_the_topics_of_the_committed_bridge() -> None:
    rows = yaml.safe_load((ROOT / "worlds" / "gazebo" / "bridge.yaml").read_text())
    committed = {row["ros_topic_name"] for row in rows if "camera_b" not in row["ros_topic_name"]}
    assert committed == {row[0] for row in bridge(SCENE)}
