"""The node `view`: the running graph as a page."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from beliefs import SECOND, event, scene, state
from rclpy.parameter import Parameter
from ros_camera import FACTORY, topic

from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.node import MemoryNode
from perception_nodes.ros.conversion import events_to_msg, object_states_to_msg
from perception_nodes.ros.geometry_messages import header_to_msg, pose_to_msg
from perception_nodes.ros.interfaces import TopicSpec
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import interface
from perception_nodes.ros.run import start
from perception_nodes.scene import EventKind, PlanStatus
from perception_nodes.view.node import ViewNode


class Page:
    """The node, its page and somebody who publishes."""

    def __init__(self, graph: Any, until: Callable[..., bool], *others: Any) -> None:
        override = [Parameter("port", value=0)]
        self.node = graph.add(ViewNode(context=graph.context, parameter_overrides=override))
        self.client, self.until = graph.client("teller"), until
        for other in (*others, self.node):
            assert start(other)
        graph.spin()

    def publisher(self, of: TopicSpec, listeners: int = 1) -> Any:
        qos = profile(Intent[of.intent])
        made = self.client.create_publisher(interface(of.type_name), of.name, qos)
        assert self.until(lambda: made.get_subscription_count() >= listeners)
        return made

    def get(self, path: str = "state.json") -> Any:
        with urllib.request.urlopen(self.node.address + path, timeout=10) as answer:
            return json.loads(answer.read())


def test_the_page_shows_objects_events_and_the_plan_of_the_graph(
    graph: Any, until: Callable[..., bool]
) -> None:
    page = Page(graph, until)
    objects, events = (page.publisher(topic("cjepa", name)) for name in ("objects", "events"))
    plan, status = (page.publisher(topic("planner", name)) for name in ("plan", "plan_status"))
    where = (SECOND, "map", FACTORY)
    happened = (event(SECOND, EventKind.MOVED, "o1", text="o1 moves"),)
    events.publish(events_to_msg(happened, *where))
    header = header_to_msg(SECOND, "map", FACTORY)
    pose = pose_to_msg(Pose(np.eye(3), np.array([0.1, 0.2, 0.3])), FACTORY)
    place = FACTORY.make("geometry_msgs/msg/PoseStamped", header=header, pose=pose)
    plan.publish(FACTORY.make("nav_msgs/msg/Path", header=header, poses=[place, place]))
    running = int(PlanStatus.RUNNING)
    status.publish(FACTORY.make("permanence/msg/PlanStatus", header=header, status=running))
    values = page.node.health.values
    for name in ("events", "plan", "plan_status"):
        assert until(lambda n=name: not values()[f"input {n}"].startswith("0 "))
    told = scene(SECOND, state("o1", SECOND), state("o2", SECOND))
    objects.publish(object_states_to_msg(told.objects, *where, "camera"))
    assert until(lambda: "stamp" in page.get())
    shown = page.get()
    assert [item["id"] for item in shown["objects"]] == ["o1", "o2"]
    assert [item["text"] for item in shown["events"]] == ["o1 moves"]
    assert shown["plan"] == {"status": "RUNNING", "reason": "", "tip": [[0.1, 0.2], [0.1, 0.2]]}


def test_the_page_asks_the_memory_node(
    graph: Any, until: Callable[..., bool], tmp_path: Path
) -> None:
    file = [Parameter("file", value=str(tmp_path / "memory.db"))]
    memory = MemoryNode(context=graph.context, parameter_overrides=file)
    page = Page(graph, until, graph.add(memory))
    objects = page.publisher(topic("cjepa", "objects"), listeners=2)
    told = scene(SECOND, state("o1", SECOND, label="mug", label_score=1.0))
    objects.publish(object_states_to_msg(told.objects, SECOND, "map", FACTORY, "camera"))
    question = f"ask?{urllib.parse.urlencode({'q': 'where is the mug'})}"
    assert until(lambda: "o1" in page.get(question)["answer"])


def test_without_a_memory_node_the_page_says_so(graph: Any, until: Callable[..., bool]) -> None:
    page = Page(graph, until)
    assert page.get("ask?q=where") == {"answer": "no memory node is running here"}
