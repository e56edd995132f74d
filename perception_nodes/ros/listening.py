"""Listen to the cameras and transforms of a running graph for a while."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from perception_nodes.bags.model import Message
from perception_nodes.doctor.finding import Finding
from perception_nodes.doctor.recording import cameras_of, examine_messages
from perception_nodes.errors import BagError
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import interface

_DISCOVERY_S = 2.0
_TF = "tf2_msgs/msg/TFMessage"


def examine_graph(seconds: float, context: rclpy.Context | None = None) -> Iterator[Finding]:
    """Findings about the cameras and transforms that are published now.

    Args:
        seconds: How long to listen.
        context: Of rclpy; a fresh one unless given.
    """
    own = context is None
    context = context or rclpy.Context()
    if own:
        rclpy.init(context=context, args=[])
    node = Node("permanence_doctor", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        _spin(executor, _DISCOVERY_S)
        types = {
            name: kinds[0]
            for name, kinds in node.get_topic_names_and_types()
            if node.count_publishers(name)
        }
        try:
            cameras = cameras_of(types)
        except BagError as error:
            text = error.message.replace("the recording has", "the graph has")
            yield Finding("BAD", "cameras", text, error.remedy)
            return
        moving = {name for name, kind in types.items() if kind == _TF}
        wanted = {t for camera in cameras for t in camera.topics.all()} | moving
        for topic in sorted(t for camera in cameras for t in camera.topics.all()):
            yield from _publishers(node, topic)
        heard = _listen(node, executor, {t: types[t] for t in wanted if t in types}, seconds)
        yield from examine_messages(cameras, moving, heard)
    finally:
        executor.shutdown(1.0)
        node.destroy_node()
        if own:
            context.try_shutdown()


def _publishers(node: Node, topic: str) -> Iterator[Finding]:
    count = node.count_publishers(topic)
    if count > 1:
        names = sorted(
            f"{p.node_namespace.rstrip('/')}/{p.node_name}"
            for p in node.get_publishers_info_by_topic(topic)
        )
        text = f"{count} publishers: {', '.join(names)}"
        yield Finding("BAD", topic, text, "remap one of them to a name of its own")


def _listen(
    node: Node, executor: SingleThreadedExecutor, types: dict[str, str], seconds: float
) -> list[Message]:
    heard: list[Message] = []

    def keep(topic: str, kind: str) -> Any:
        return lambda m: heard.append(Message(topic, node.get_clock().now().nanoseconds, m, kind))

    for topic, kind in types.items():
        qos = qos_profile_sensor_data
        if kind == _TF:
            qos = profile(Intent.STATIC_TRANSFORMS if "static" in topic else Intent.TRANSFORMS)
        node.create_subscription(interface(kind), topic, keep(topic, kind), qos)
    _spin(executor, seconds)
    return heard


def _spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0.0:
        executor.spin_once(timeout_sec=left)
