"""Publishes a node's health on /diagnostics: at once when the level changes, else once a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from perception_nodes.ros.health import Level
from perception_nodes.ros.qos import mismatch

_CHECK_S = 0.2
_CHECKS_A_REPORT = 5


@dataclass(frozen=True, slots=True)
class Report:
    """What a node says of itself: level, one sentence, figures."""

    level: Level
    message: str
    values: Mapping[str, str]


class Diagnostics:
    """The publisher of one node, on a steady clock so that a stopped /clock doesn't silence it.

    Args:
        node: Whose health it is.
        report: Asked five times a second.
    """

    def __init__(self, node: Node, report: Callable[[], Report]) -> None:
        self._node = node
        self._report = report
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._last: Level | None = None
        self._checks = 0
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_CHECK_S, self.check, clock=clock)

    def check(self) -> None:
        """Publish if the level changed or a second has passed."""
        report = self._report()
        self._checks += 1
        if report.level != self._last or self._checks >= _CHECKS_A_REPORT:
            self._publisher.publish(self._message(report))
            self._last, self._checks = report.level, 0

    def _message(self, report: Report) -> DiagnosticArray:
        name = self._node.get_fully_qualified_name()
        status = DiagnosticStatus(
            level=bytes([report.level]),
            name=f"{name.lstrip('/')}: health",
            hardware_id=name,
            message=report.message,
            values=[KeyValue(key=k, value=v) for k, v in report.values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        return message


def why_silent(node: Node, topic: str) -> str:
    """Why a subscription hears nothing: no publisher, or one whose QoS doesn't match.

    Args:
        node: That subscribes.
        topic: Relative name before remapping.

    Returns:
        One sentence that names both ends; empty if there is a matching publisher.
    """
    resolved = node.resolve_topic_name(topic)
    here = node.get_fully_qualified_name()
    publishers = node.get_publishers_info_by_topic(resolved)
    if not publishers:
        return f"nobody publishes {resolved}"
    ours = [
        s
        for s in node.get_subscriptions_info_by_topic(resolved)
        if _path(s.node_namespace, s.node_name) == here
    ]
    for publisher in publishers:
        for subscription in ours:
            reason = mismatch(publisher.qos_profile, subscription.qos_profile)
            if reason:
                there = _path(publisher.node_namespace, publisher.node_name)
                return f"{resolved}: QoS of {there} (publisher) and {here} don't match: {reason}"
    return ""


def _path(namespace: str, name: str) -> str:
    return f"{namespace.rstrip('/')}/{name}"
