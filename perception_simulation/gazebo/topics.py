"""Names that the world, the bridge and the launch file share."""

from __future__ import annotations

import json

from perception_simulation.gazebo.markup import Element, add
from perception_simulation.specification import Scene

WORLD = "permanence"
TRUTH_POSES = "/truth/poses"
BASE = "base_link"
POSE_RATE = 50.0
_TF, _POSES = "tf2_msgs/msg/TFMessage", "gz.msgs.Pose_V"
_TWIST = "geometry_msgs/msg/Twist"


def published_pose(model: Element, frame: str, topic: str) -> None:
    """Let a model publish `map` -> `frame`.

    The system that does so is called odometry in Gazebo, but what it publishes is the true pose in
    the world; unlike the world's own list of poses it carries names of frames.
    """
    plugin = add(
        model,
        "plugin",
        filename="gz-sim-odometry-publisher-system",
        name="gz::sim::systems::OdometryPublisher",
    )
    add(plugin, "odom_frame", "map")
    add(plugin, "robot_base_frame", frame)
    add(plugin, "dimensions", "3")
    add(plugin, "odom_publish_frequency", POSE_RATE)
    add(plugin, "tf_topic", topic)


def optical_frame(camera: str) -> str:
    """Name of a camera's optical frame."""
    return f"{camera}_color_optical_frame"


def bridge(scene: Scene) -> list[tuple[str, str, str, str, str]]:
    """(ROS topic, Gazebo topic, ROS type, Gazebo type, direction) of all that crosses."""
    crossing = [
        ("/clock", "/clock", "rosgraph_msgs/msg/Clock", "gz.msgs.Clock", "GZ_TO_ROS"),
        ("/tf", "/tf", _TF, _POSES, "GZ_TO_ROS"),
        ("truth/poses", TRUTH_POSES, _TF, _POSES, "GZ_TO_ROS"),
        ("cmd_vel", "/model/robot/cmd_vel", _TWIST, "gz.msgs.Twist", "ROS_TO_GZ"),
    ]
    if scene.has_pusher:
        topic = "/model/pusher/cmd_vel"
        crossing.append(("pusher_velocity", topic, _TWIST, "gz.msgs.Twist", "ROS_TO_GZ"))
    for camera in scene.cameras:
        for ros, gazebo, kind in (
            ("color/image_raw", "image", "Image"),
            ("depth/image_raw", "depth_image", "Image"),
            ("color/camera_info", "camera_info", "CameraInfo"),
        ):
            ours, theirs = f"{camera.name}/{ros}", f"/{camera.name}/{gazebo}"
            kinds = (f"sensor_msgs/msg/{kind}", f"gz.msgs.{kind}")
            crossing.append((ours, theirs, *kinds, "GZ_TO_ROS"))
    return crossing


def bridge_yaml(scene: Scene) -> str:
    """The configuration file of `ros_gz_bridge`."""
    lines = ["# Written by `permanence gazebo` from scene.yaml: change that file, not this one."]
    keys = ("ros_topic_name", "gz_topic_name", "ros_type_name", "gz_type_name", "direction")
    for row in bridge(scene):
        entries = [f"{key}: {json.dumps(value)}" for key, value in zip(keys, row, strict=True)]
        lines += [f"- {entries[0]}", *(f"  {entry}" for entry in entries[1:])]
    return "\n".join(lines) + "\n"
