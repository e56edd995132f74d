"""Print where every object is, seen or not. Needs a running graph: permanence up."""

import rclpy
from permanence.msg import ObjectState, ObjectStateArray
from rclpy.node import Node

VISIBILITY = {ObjectState.VISIBLE: "visible", ObjectState.OCCLUDED: "hidden"}


def show(message: ObjectStateArray) -> None:
    """Print one line for each object."""
    for state in message.objects:
        p = state.pose.pose.position
        seen = VISIBILITY.get(state.visibility, "not in view")
        place = f"x {p.x:+.2f}  y {p.y:+.2f}  z {p.z:+.2f} m"
        print(f"{state.label or state.id:12} {seen:12} {place}", flush=True)


rclpy.init()
node = Node("watch_objects")
node.create_subscription(ObjectStateArray, "objects", show, 10)
rclpy.spin(node)
