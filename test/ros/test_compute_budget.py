"""The governor of the graph: `cjepa` owns the budget, the others heed its pressure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.parameter import Parameter
from ros_camera import Camera, subscribe, topic
from std_msgs.msg import Float64
from tabletop import PERIOD, Box, observe

from perception_nodes.cjepa.node import CjepaNode
from perception_nodes.gate.source import GatedSource
from perception_nodes.memory.node import MemoryNode
from perception_nodes.ros.interfaces import COMPUTE_PRESSURE, node
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.run import start
from perception_nodes.viewrope.node import ViewropeNode

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))
START = 10**9


def run(graph: Any, kind: Any, **parameters: object) -> Any:
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    made = graph.add(kind(context=graph.context, parameter_overrides=overrides))
    assert start(made)
    return made


def drops(of: Any) -> int:
    return int(of.health.values().get("dropped, slowed down", "0"))


def test_over_the_budget_the_graph_is_slowed_down_in_order_and_says_so(
    graph: Any, until: Callable[..., bool], tmp_path: Path
) -> None:
    cjepa = run(graph, CjepaNode, map_id="", compute_budget=0.1)
    memory = run(graph, MemoryNode, file=str(tmp_path / "memory.db"))
    client = graph.client("driver")
    camera = Camera(client, node("cjepa"))
    pressures: list[Any] = []
    objects: list[Any] = []
    subscribe(client, COMPUTE_PRESSURE, pressures)
    subscribe(client, topic("cjepa", "objects"), objects)
    computing = client.create_publisher(
        Float64, "viewrope/processing_time_ms", profile(Intent.RESULTS)
    )
    graph.spin()
    assert until(camera.connected)
    assert until(computing.get_subscription_count)
    assert until(lambda: client.count_publishers("compute_pressure"))
    for k in range(40):
        before = len(objects)
        computing.publish(Float64(data=20.0))  # of the 67 ms between frames
        camera.show_slots(*observe((MUG,), START + k * PERIOD))
        assert until(lambda n=before: len(objects) > n)
    assert until(lambda: len(pressures) > 30)
    told = [message.data for message in pressures]
    assert told == sorted(told)
    assert told[-1] > 1.0
    assert "slowed down are memory writes" in cjepa.degraded()
    assert until(lambda: drops(memory) > 0)
    assert cjepa.facts["slowed down"].startswith("memory writes")


def test_without_a_budget_nothing_is_slowed_down(graph: Any) -> None:
    cjepa = run(graph, CjepaNode, map_id="")
    assert cjepa.degraded() == ""
    assert "compute" not in cjepa.facts


def test_pressure_makes_the_search_wait_for_larger_changes(
    graph: Any, until: Callable[..., bool]
) -> None:
    viewrope = run(graph, ViewropeNode, gate=True)
    client = graph.client("driver")
    publisher = client.create_publisher(
        Float64, COMPUTE_PRESSURE.name, profile(Intent[COMPUTE_PRESSURE.intent])
    )
    graph.spin()
    assert isinstance(viewrope._source, GatedSource)
    assert viewrope._source.governor is None
    publisher.publish(Float64(data=5.0))
    assert until(lambda: viewrope._source.governor is not None)
    assert viewrope._source.governor.threshold > 0.07
