"""From camera images to a push and back: simulator, viewrope, cjepa and planner on one graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from planner_graph import achieve
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from ros_camera import subscribe, topic
from small_scene import small_scene
from std_srvs.srv import SetBool

from perception_nodes.cjepa.node import CjepaNode
from perception_nodes.planner.node import PlannerNode
from perception_nodes.ros.rclpy_factory import interface
from perception_nodes.ros.run import start
from perception_nodes.viewrope.node import ViewropeNode
from perception_simulation.node import SimulatorNode
from perception_simulation.scene_file import save_scene
from perception_simulation.specification import DepthSensor


@pytest.mark.slow
def test_a_box_is_pushed_to_its_goal_by_what_the_camera_shows(
    graph: Any, until: Callable[..., bool], tmp_path: Path
) -> None:
    scene = replace(small_scene(duration=300.0), sensor=DepthSensor())
    save_scene(scene, tmp_path / "scene.yaml")
    clock = Parameter("use_sim_time", value=True)
    patient = Parameter("max_age", value=2.0)  # of a machine that has no time
    file = Parameter("scene", value=str(tmp_path / "scene.yaml"))
    made = [
        SimulatorNode(
            context=graph.context, parameter_overrides=[file, Parameter("speed", value=0.4)]
        ),
        ViewropeNode(context=graph.context, parameter_overrides=[clock]),
        CjepaNode(
            context=graph.context, parameter_overrides=[clock, Parameter("map_id", value="")]
        ),
        PlannerNode(context=graph.context, parameter_overrides=[clock, patient]),
    ]
    client = graph.client("operator")
    truth: list[Any] = []
    believed: list[Any] = []
    subscribe(client, topic("simulator", "truth/objects"), truth)
    subscribe(client, topic("cjepa", "objects"), believed)
    action = ActionClient(client, interface("permanence/action/Achieve"), "achieve")
    for each in made:
        assert start(graph.add(each))
    graph.spin()
    assert until(lambda: believed and believed[-1].objects, 60.0)
    assert until(lambda: made[-1]._pilot._situation)
    (box,) = believed[-1].objects
    enable = client.create_client(SetBool, "enable")
    assert graph.call(enable, SetBool.Request(data=True)).success
    place = box.pose.pose.position
    goal = achieve(place.x, box.id, deadline=90, position_tolerance=0.03)
    goal.target.pose.position.y, goal.target.pose.position.z = place.y + 0.1, place.z
    sent = action.send_goal_async(goal)
    assert until(sent.done)
    ended = sent.result().get_result_async()
    assert until(ended.done, 240.0)
    assert ended.result().status == GoalStatus.STATUS_SUCCEEDED, ended.result().result.reason
    found = next(o for o in truth[-1].objects if o.id == "box").pose.pose.position
    assert math.hypot(found.x - place.x, found.y - place.y - 0.1) < 0.045
