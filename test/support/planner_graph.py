"""A table in one dimension on the ROS graph: a pusher that obeys commands, an object, a solver."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from plans import TABLE, plan, thing
from ros_camera import FACTORY, subscribe, topic
from std_msgs.msg import Bool

from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.planner.node import PlannerNode
from perception_nodes.ros.conversion import object_states_to_msg, people_to_msg
from perception_nodes.ros.geometry_messages import (
    pose_to_msg,
    transform_to_msg,
    transforms_to_msg,
)
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import interface
from perception_nodes.scene import ObjectState, Person, Plan, PlanStatus

REACH = 0.062
_PERIOD = 0.02
_SPEED = 0.1


class Straight:
    """Pushes along x at a steady speed; keeps how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.spoil: Callable[[Plan], Plan] = lambda made: made

    def plan(self, situation: Situation, goal: Goal, deadline: float) -> Plan:
        """See `Solver`."""
        del deadline
        self.asked += 1
        state = next(s for s in situation.objects if s.id == goal.object_id)
        left = float(goal.target.translation[0] - state.position[0])
        gap = float(state.position[0] - situation.tip[0]) - REACH
        ways = np.minimum(np.arange(11) * 0.1 * _SPEED, max(left + max(gap, 0.0), 0.0))
        tip = situation.tip + np.outer(ways, [1.0, 0.0, 0.0])
        course = np.tile([*state.position, 0.0], (11, 1))
        course[:, 0] += np.maximum(ways - max(gap, 0.0), 0.0)
        made = plan(tip, state.id, {state.id: course}, stamp=situation.stamp)
        return self.spoil(made)

    def reset(self) -> None:
        """See `Solver`."""


class Planner(PlannerNode):
    """The node with a solver that is simple."""

    def make_solver(self) -> Straight:
        return Straight()


class World:
    """Publishes what a robot would: where the pusher and the objects are, fifty times a second."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.tip = np.array([-0.27, 0.0, TABLE + 0.03])
        self.others: list[ObjectState] = []
        self.people: list[Person] = []
        self.x = -0.2
        self.changes: dict[str, Any] = {}
        self.silent: set[str] = set()
        self.commands: list[TwistStamped] = []
        self.statuses: list[Any] = []
        self.paths: list[Any] = []
        subscribe(client, topic("planner", "command"), self.commands)
        subscribe(client, topic("planner", "plan_status"), self.statuses)
        subscribe(client, topic("planner", "plan"), self.paths)
        takes = node("planner").subscribes
        self._publishers = {
            t.name: client.create_publisher(
                interface(t.type_name), t.name, profile(Intent[t.intent])
            )
            for t in takes
            if t.name in ("objects", "people", "/tf", "emergency_stop")
        }
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the world."""
        self._ended.set()
        self._thread.join(5.0)

    def stop(self, pressed: bool) -> None:
        """Press or release the emergency stop."""
        self._publishers["emergency_stop"].publish(Bool(data=pressed))

    def state(self, stamp: int) -> ObjectState:
        """The object that is pushed."""
        return replace(thing("o1", self.x, 0.0, **self.changes), stamp=stamp, last_seen=stamp)

    def velocity(self) -> float:
        """What was commanded last, m/s along x, if it still holds."""
        return self.commands[-1].twist.linear.x if self.commands else 0.0

    def _run(self) -> None:
        previous = time.monotonic()
        while not self._ended.wait(_PERIOD):
            now = time.monotonic()
            self.tip[0] += self.velocity() * min(now - previous, 0.1)
            previous = now
            self.x = max(self.x, float(self.tip[0]) + REACH)
            self._publish(int(self.client.get_clock().now().nanoseconds))

    def _publish(self, stamp: int) -> None:
        where = (stamp, "map", FACTORY)
        tip = transform_to_msg(Pose(np.eye(3), self.tip), stamp, "map", "pusher", FACTORY)
        people = [replace(p, stamp=stamp) for p in self.people]
        others = [replace(o, stamp=stamp, last_seen=stamp) for o in self.others]
        messages = {
            "/tf": transforms_to_msg([tip], FACTORY),
            "objects": object_states_to_msg([self.state(stamp), *others], *where),
        }
        if self.people:
            messages["people"] = people_to_msg(people, *where)
        for name, message in messages.items():
            if name not in self.silent:
                self._publishers[name].publish(message)


def achieve(x: float, name: str = "o1", deadline: int = 20, **fields: Any) -> Any:
    """A goal message of the action."""
    fields = {"position_tolerance": 0.01, **fields}
    made = interface("permanence/action/Achieve").Goal(object_id=name, **fields)
    made.target.pose = pose_to_msg(Pose(np.eye(3), np.array([x, 0.0, TABLE + 0.05])), FACTORY)
    made.deadline.sec = deadline
    return made


NAMES = {status.value: status.name for status in PlanStatus}
