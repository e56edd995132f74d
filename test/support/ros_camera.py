"""A robot's camera on the ROS graph, showing frames that a test makes."""

from __future__ import annotations

from typing import Any

from perception_nodes.ros.conversion import slots_to_msg
from perception_nodes.ros.geometry_messages import (
    camera_info_to_msg,
    header_to_msg,
    transform_to_msg,
    transforms_to_msg,
)
from perception_nodes.ros.image_messages import color_to_msg, depth_to_msg, labels_to_msg
from perception_nodes.ros.interfaces import NodeSpec, TopicSpec, node
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import RclpyFactory, interface
from perception_nodes.scene import Frame, Slots

FACTORY = RclpyFactory()


def subscribe(client: Any, topic: TopicSpec, received: list[Any]) -> None:
    """Append what comes on a topic to a list."""
    qos = profile(Intent[topic.intent])
    client.create_subscription(interface(topic.type_name), topic.name, received.append, qos)


class Camera:
    """Publishes frames as a camera driver does, reliably so that tests lose nothing.

    Args:
        client: A node.
        consumer: Whose topics it feeds.
    """

    def __init__(self, client: Any, consumer: NodeSpec) -> None:
        self.client = client
        self.publishers = {
            topic.name: client.create_publisher(
                interface(topic.type_name),
                topic.name,
                profile(
                    Intent.STATIC_TRANSFORMS
                    if topic.intent == "STATIC_TRANSFORMS"
                    else Intent.RESULTS
                ),
            )
            for topic in consumer.subscribes
            if "ompressed" not in topic.name and not topic.optional
        }

    def connected(self) -> bool:
        """Whether somebody listens to every topic."""
        return all(p.get_subscription_count() for p in self.publishers.values())

    def show(self, frame: Frame, static: bool = True, without: tuple[str, ...] = ()) -> None:
        """Publish the transform, camera model and images of a frame.

        Args:
            frame: With a pose, unless its transform is to be left out.
            static: Whether the transform goes to /tf_static.
            without: Parts of topic names to leave out.
        """
        for name, message in self.messages(frame, static).items():
            if name in self.publishers and not any(part in name for part in without):
                self.publishers[name].publish(message)

    def messages(self, frame: Frame, static: bool = True) -> dict[str, Any]:
        """The messages of a frame by topic, the transform first."""
        header = header_to_msg(frame.stamp, frame.frame_id, FACTORY)
        messages = {}
        if frame.pose is not None:
            transform = transform_to_msg(frame.pose, frame.stamp, "map", frame.frame_id, FACTORY)
            tree = transforms_to_msg([transform], FACTORY)
            messages["/tf_static" if static else "/tf"] = tree
        info = camera_info_to_msg(frame.camera, frame.stamp, frame.frame_id, FACTORY)
        messages["camera/color/camera_info"] = info
        messages["camera/color/image_raw"] = color_to_msg(frame.color, header, FACTORY)
        messages["camera/depth/image_raw"] = depth_to_msg(frame.depth, header, FACTORY)
        return messages

    def show_slots(self, frame: Frame, slots: Slots) -> None:
        """Publish what a perfect finder saw, for a graph without `viewrope`."""
        header = header_to_msg(frame.stamp, frame.frame_id, FACTORY)
        self.show(frame, without=("/tf",))
        self.publishers["slot_masks"].publish(labels_to_msg(slots.labels, header, FACTORY))
        self.publishers["slots"].publish(slots_to_msg(slots, frame.pose, "map", FACTORY))


def topic(node_name: str, name: str) -> TopicSpec:
    """A topic that a node publishes."""
    return node(node_name).gives(name)
