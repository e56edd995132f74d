"""Plans, commands and goals of the planner as ROS messages and back, duck-typed."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.interface import Goal
from perception_nodes.ros.geometry_messages import (
    header_to_msg,
    pose_from_msg,
    pose_to_msg,
    vector_to_msg,
)
from perception_nodes.ros.message_factory import MessageFactory
from perception_nodes.scene import Plan, PlanStatus

_NANOSECONDS = 1_000_000_000


def goal_from_msg(msg: Any, world_frame: str) -> Goal:
    """The goal of an `Achieve` action.

    Raises:
        InputError: The target is given in another frame, or is no pose.
    """
    frame = msg.target.header.frame_id
    if frame not in ("", world_frame):
        raise InputError(
            f"the target is given in {frame!r}, but objects are kept in {world_frame!r}",
            "transform it before",
        )
    return Goal(
        object_id=msg.object_id,
        target=pose_from_msg(msg.target.pose),
        position_tolerance=float(msg.position_tolerance),
        angle_tolerance=float(msg.angle_tolerance),
        deadline=float(msg.deadline.sec) + float(msg.deadline.nanosec) / _NANOSECONDS,
    )


def plan_to_msg(plan: Plan, begins: int, frame_id: str, factory: MessageFactory) -> Any:
    """The tip's way as a `nav_msgs/Path`; each pose has the time at which the tip is there."""
    poses = []
    for k, place in enumerate(plan.tip):
        stamp = begins + round(k * plan.interval * _NANOSECONDS)
        header = header_to_msg(stamp, frame_id, factory)
        pose = pose_to_msg(Pose(np.eye(3), place), factory)
        poses.append(factory.make("geometry_msgs/msg/PoseStamped", header=header, pose=pose))
    header = header_to_msg(begins, frame_id, factory)
    return factory.make("nav_msgs/msg/Path", header=header, poses=poses)


def command_to_msg(velocity: Floats, stamp: int, frame_id: str, factory: MessageFactory) -> Any:
    """A velocity (3,) of the tip as a `geometry_msgs/TwistStamped`."""
    twist = factory.make("geometry_msgs/msg/Twist", linear=vector_to_msg(velocity, factory))
    header = header_to_msg(stamp, frame_id, factory)
    return factory.make("geometry_msgs/msg/TwistStamped", header=header, twist=twist)


def plan_status_to_msg(
    status: PlanStatus,
    reason: str,
    object_id: str,
    plan: Plan | None,
    stamp: int,
    frame_id: str,
    factory: MessageFactory,
) -> Any:
    """A `PlanStatus` with the figures of the last plan, if there is one."""
    figures = {}
    if plan is not None:
        figures = {
            "cost": plan.cost,
            "iterations": plan.iterations,
            "deadline_used": plan.deadline_used,
            "physics_residual": plan.physics_residual,
        }
    return factory.make(
        "permanence/msg/PlanStatus",
        header=header_to_msg(stamp, frame_id, factory),
        object_id=object_id,
        status=int(status),
        reason=reason,
        **figures,
    )
