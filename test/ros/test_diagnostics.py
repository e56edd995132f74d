"""Everything that nodes promise to tell of themselves, as it arrives at whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from ros_camera import Camera
from std_msgs.msg import Float64
from tabletop import PERIOD, Box, observe

from perception_nodes.cjepa.node import CjepaNode
from perception_nodes.memory.node import MemoryNode
from perception_nodes.ros.figures import EVERY_NODE
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.run import start

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))


def test_a_listener_is_told_rates_ages_latencies_drops_and_the_health_of_the_store(
    graph: Any, until: Callable[..., bool], tmp_path: Path
) -> None:
    file = [Parameter("file", value=str(tmp_path / "memory.db"))]
    nodes = (
        graph.add(CjepaNode(context=graph.context)),
        graph.add(MemoryNode(context=graph.context, parameter_overrides=file)),
    )
    client = graph.client()
    told: dict[str, dict[str, str]] = {"cjepa": {}, "memory": {}}
    times: list[Float64] = []

    def hear(message: DiagnosticArray) -> None:
        for status in message.status:
            figures = {value.key: value.value for value in status.values}
            told[status.hardware_id.strip("/")] = figures

    client.create_subscription(DiagnosticArray, "/diagnostics", hear, 10)
    client.create_subscription(Float64, "cjepa/processing_time_ms", times.append, 10)
    camera = Camera(client, node("cjepa"))
    assert start(*nodes)
    graph.spin()
    assert until(camera.connected)
    stamp = 10**9

    def well() -> bool:
        nonlocal stamp
        stamp += PERIOD
        camera.show_slots(*observe((MUG,), stamp))
        latencies = [told[name].get("latency p50/p95/p99 ms", "none") for name in told]
        return bool(times) and "none" not in latencies

    assert until(well)
    for name, figures in told.items():
        for key in (k for k, _ in EVERY_NODE if "<" not in k):
            assert key in figures, f"{name} does not tell {key}"
        assert all(part.replace(".", "").isdigit() for part in latency(figures))
    given = told["cjepa"]["input slots"]
    assert all(word in given for word in ("messages", "Hz", "s ago"))
    assert told["memory"]["memory health"] == "ok"
    assert times[0].data > 0.0


def latency(figures: dict[str, str]) -> list[str]:
    """The three quantiles."""
    return figures["latency p50/p95/p99 ms"].split(" / ")
