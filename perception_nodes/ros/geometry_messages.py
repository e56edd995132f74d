"""Stamps, poses, transforms and camera models as ROS messages and back, duck-typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.message_factory import MessageFactory

_BILLION = 1_000_000_000


def time_to_msg(stamp: int, factory: MessageFactory) -> Any:
    """A stamp in ns as `builtin_interfaces/Time`."""
    seconds, nanoseconds = divmod(stamp, _BILLION)
    return factory.make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)


def duration_to_msg(nanoseconds: int, factory: MessageFactory) -> Any:
    """Nanoseconds as `builtin_interfaces/Duration`; `time_from_msg` reads it."""
    seconds, rest = divmod(nanoseconds, _BILLION)
    return factory.make("builtin_interfaces/msg/Duration", sec=seconds, nanosec=rest)


def time_from_msg(msg: Any) -> int:
    """A `builtin_interfaces/Time` or `Duration` in ns."""
    return int(msg.sec) * _BILLION + int(msg.nanosec)


def header_to_msg(stamp: int, frame_id: str, factory: MessageFactory) -> Any:
    """A `std_msgs/Header`."""
    stamp_msg = time_to_msg(stamp, factory)
    return factory.make("std_msgs/msg/Header", stamp=stamp_msg, frame_id=frame_id)


def vector_to_msg(values: Floats, factory: MessageFactory, kind: str = "Vector3") -> Any:
    """Three numbers as `geometry_msgs/Vector3` or, by `kind`, "Point"."""
    x, y, z = np.asarray(values).tolist()
    return factory.make(f"geometry_msgs/msg/{kind}", x=x, y=y, z=z)


def vector_from_msg(msg: Any) -> Floats:
    """The (3,) numbers of a Vector3 or Point."""
    return np.array([msg.x, msg.y, msg.z], dtype=np.float64)


def pose_to_msg(pose: Pose, factory: MessageFactory) -> Any:
    """A `geometry_msgs/Pose`."""
    return factory.make(
        "geometry_msgs/msg/Pose",
        position=vector_to_msg(pose.translation, factory, "Point"),
        orientation=quaternion_to_msg(pose, factory),
    )


def pose_from_msg(msg: Any) -> Pose:
    """The pose of a `geometry_msgs/Pose`.

    Raises:
        InputError: A number is not finite, or the quaternion is not of unit length.
    """
    return Pose.from_quaternion(vector_from_msg(msg.position), quaternion_from_msg(msg.orientation))


def transform_to_msg(
    pose: Pose, stamp: int, parent: str, child: str, factory: MessageFactory
) -> Any:
    """A `geometry_msgs/TransformStamped`: the pose of frame `child` in frame `parent`."""
    transform = factory.make(
        "geometry_msgs/msg/Transform",
        translation=vector_to_msg(pose.translation, factory),
        rotation=quaternion_to_msg(pose, factory),
    )
    return factory.make(
        "geometry_msgs/msg/TransformStamped",
        header=header_to_msg(stamp, parent, factory),
        child_frame_id=child,
        transform=transform,
    )


def pose_from_transform(msg: Any) -> Pose:
    """The pose of a `geometry_msgs/Transform`.

    Raises:
        InputError: A number is not finite, or the quaternion is not of unit length.
    """
    return Pose.from_quaternion(vector_from_msg(msg.translation), quaternion_from_msg(msg.rotation))


def transform_from_msg(msg: Any) -> tuple[int, str, str, Pose]:
    """Stamp (ns), parent, child and pose of a `geometry_msgs/TransformStamped`.

    Leading slashes of frame names, as ROS 1 wrote them, are removed.

    Raises:
        InputError: A number is not finite, or the quaternion is not of unit length.
    """
    pose = pose_from_transform(msg.transform)
    parent, child = msg.header.frame_id.lstrip("/"), msg.child_frame_id.lstrip("/")
    return time_from_msg(msg.header.stamp), parent, child, pose


def transforms_to_msg(transforms: Sequence[Any], factory: MessageFactory) -> Any:
    """A `tf2_msgs/TFMessage` of `TransformStamped` messages."""
    return factory.make("tf2_msgs/msg/TFMessage", transforms=list(transforms))


def camera_info_to_msg(camera: Camera, stamp: int, frame_id: str, factory: MessageFactory) -> Any:
    """The `sensor_msgs/CameraInfo` of a camera whose images are free of distortion."""
    k = camera.matrix()
    return factory.make(
        "sensor_msgs/msg/CameraInfo",
        header=header_to_msg(stamp, frame_id, factory),
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([k, np.zeros((3, 1))]).ravel(),
    )


def pose_with_covariance_to_msg(pose: Pose, covariance: Floats, factory: MessageFactory) -> Any:
    """A `geometry_msgs/PoseWithCovariance`; the covariance is (6, 6)."""
    return factory.make(
        "geometry_msgs/msg/PoseWithCovariance",
        pose=pose_to_msg(pose, factory),
        covariance=covariance.ravel(),
    )


def quaternion_to_msg(pose: Pose, factory: MessageFactory) -> Any:
    """The rotation of a pose as `geometry_msgs/Quaternion`."""
    x, y, z, w = pose.quaternion().tolist()
    return factory.make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)


def quaternion_from_msg(msg: Any) -> Floats:
    """The (x, y, z, w) of a `geometry_msgs/Quaternion`, unchecked."""
    return np.array([msg.x, msg.y, msg.z, msg.w], dtype=np.float64)
