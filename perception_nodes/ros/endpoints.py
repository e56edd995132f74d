"""What a node subscribes, publishes and offers, made in configure and freed in cleanup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

from perception_nodes.ros.actions import DeferredActionServer
from perception_nodes.ros.interfaces import ServiceSpec, TopicSpec
from perception_nodes.ros.qos import Intent, overriding, profile
from perception_nodes.ros.rclpy_factory import interface


class Endpoints:
    """Makes what the interface table lists, and remembers how to free it.

    Args:
        node: That owns them.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._frees: list[Callable[[], object]] = []
        self._group = MutuallyExclusiveCallbackGroup()

    def subscribe(self, topic: TopicSpec, receive: Callable[[Any], None]) -> None:
        """Subscribe with the QoS of the topic's intent, which users can override."""
        made = self._node.create_subscription(
            interface(topic.type_name),
            topic.name,
            receive,
            profile(Intent[topic.intent]),
            callback_group=self._group,
            qos_overriding_options=overriding(),
        )
        self._frees.append(lambda: self._node.destroy_subscription(made))

    def advertise(self, topic: TopicSpec) -> Any:
        """A publisher that is silent outside of state active.

        Returns:
            None for an optional topic whose message package is not installed.
        """
        try:
            message = interface(topic.type_name)
        except ModuleNotFoundError:
            if topic.optional:
                return None
            raise
        made = self._node.create_lifecycle_publisher(
            message,
            topic.name,
            profile(Intent[topic.intent]),
            callback_group=self._group,
            qos_overriding_options=overriding(),
        )
        self._frees.append(lambda: self._node.destroy_lifecycle_publisher(made))
        return made

    def offer(self, service: ServiceSpec, answer: Callable[[Any, Any], Any]) -> None:
        """Offer a service."""
        made = self._node.create_service(
            interface(service.type_name), service.name, answer, callback_group=self._group
        )
        self._frees.append(lambda: self._node.destroy_service(made))

    def act(self, action: ServiceSpec, accepted: Callable[[Any], None]) -> DeferredActionServer:
        """Offer an action; each goal goes to `accepted` at once, and ends when it is finished."""
        kind = interface(action.type_name)
        made = DeferredActionServer(self._node, kind, action.name, accepted, self._group)
        self._frees.append(made.destroy)
        return made

    def every(self, seconds: float, work: Callable[[], None]) -> None:
        """Call something again and again, by a steady clock."""
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        made = self._node.create_timer(seconds, work, callback_group=self._group, clock=clock)
        self._frees.append(lambda: self._node.destroy_timer(made))

    def client(self, service: ServiceSpec) -> Any:
        """A client of another node's service."""
        made = self._node.create_client(
            interface(service.type_name), service.name, callback_group=self._group
        )
        self._frees.append(lambda: self._node.destroy_client(made))
        return made

    def free(self) -> None:
        """Destroy everything, the newest first."""
        while self._frees:
            self._frees.pop()()
        # rclpy keeps a weak reference to each entity a group ever had: a fresh group frees them.
        self._group = MutuallyExclusiveCallbackGroup()
