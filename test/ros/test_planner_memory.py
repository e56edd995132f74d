"""What the planner does is remembered, as the cause of what moves then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from beliefs import SECOND, state
from rclpy.parameter import Parameter
from ros_camera import FACTORY, topic

from perception_nodes.memory.node import MemoryNode
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.ros.conversion import object_states_to_msg
from perception_nodes.ros.plan_messages import plan_status_to_msg
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import interface
from perception_nodes.ros.run import start
from perception_nodes.scene import PlanStatus

TOLD = (
    (1, PlanStatus.HOLDING, "o1"),
    (2, PlanStatus.RUNNING, "o1"),
    (3, PlanStatus.HOLDING, "o1"),
    (4, PlanStatus.RUNNING, "o1"),
    (5, PlanStatus.SUCCEEDED, "o1"),
    (6, PlanStatus.IDLE, ""),
    (7, PlanStatus.RUNNING, "o1"),
    (8, PlanStatus.RUNNING, "o2"),
    (12, PlanStatus.RUNNING, "o2"),
    (17, PlanStatus.RUNNING, "o2"),
)


def test_each_push_is_an_action_of_the_robot_in_the_memory(
    graph: Any, until: Callable[..., bool], tmp_path: Path
) -> None:
    file = tmp_path / "memory.db"
    override = [Parameter("file", value=str(file))]
    memory = graph.add(MemoryNode(context=graph.context, parameter_overrides=override))
    client = graph.client("teller")

    def publisher(node: str, name: str) -> Any:
        spec = topic(node, name)
        quality = profile(Intent[spec.intent])
        return client.create_publisher(interface(spec.type_name), spec.name, quality)

    def count(figure: str) -> int:
        return int(memory.health.values()[figure].split()[0])

    statuses, objects = publisher("planner", "plan_status"), publisher("cjepa", "objects")
    assert start(memory)
    graph.spin()
    assert until(lambda: statuses.get_subscription_count() and objects.get_subscription_count())
    for second, status, name in TOLD:
        where = (second * SECOND, "map", FACTORY)
        heard = count("input plan_status")
        statuses.publish(plan_status_to_msg(status, "", name, None, *where))
        assert until(lambda h=heard: count("input plan_status") > h)
        written = count("output")
        things = [state(each, second * SECOND) for each in ("o1", "o2")]
        objects.publish(object_states_to_msg(things, *where))
        assert until(lambda w=written: count("output") > w)
    memory.trigger_deactivate()
    memory.trigger_cleanup()
    with MemoryReader(file) as reader:
        found = [(e.stamp // SECOND, e.subjects, e.text) for e in reader.events(kind="action")]
    assert sorted(found) == [
        (2, ("o1", "robot"), "push: robot pushes o1"),
        (7, ("o1", "robot"), "push: robot pushes o1"),
        (8, ("o2", "robot"), "push: robot pushes o2"),
        (17, ("o2", "robot"), "push: robot pushes o2"),
    ]
