"""What the launch files share: their arguments and how nodes are started. Needs `launch_ros`."""

from __future__ import annotations

from typing import Any

from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.conditions import IfCondition, UnlessCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription  # type: ignore[attr-defined]

PACKAGE = "permanence"
# In a namespace each robot has a transform tree of its own, as in Nav2.
_REMAPPINGS = [("/tf", "tf"), ("/tf_static", "tf_static")]
_CAMERA = {
    "camera/color/image_raw": "color_topic",
    "camera/depth/image_raw": "depth_topic",
    "camera/color/camera_info": "info_topic",
}


def arguments(use_sim_time: bool) -> list[Any]:
    """The arguments that every launch file of ours has."""
    share = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "permanence.yaml"])
    return [
        argument("namespace", "", "namespace of all nodes; their transforms go to <namespace>/tf"),
        argument("use_sim_time", str(use_sim_time).lower(), "whether time comes from /clock"),
        argument("params_file", share, "parameter file of the nodes"),
        argument("autostart", "true", "whether nodes configure and activate themselves"),
        argument("use_respawn", "false", "whether a process that dies is started again"),
        argument("log_level", "info", "debug, info, warn, error or fatal"),
        argument("composed", "true", "all nodes in one process, or each in its own"),
    ]


def camera_arguments() -> list[Any]:
    """Where the camera publishes; the depth must be registered to color."""
    return [argument(name, topic, f"instead of {topic}") for topic, name in _CAMERA.items()]


def nodes(names: tuple[str, ...], remap_camera: bool = False) -> list[Any]:
    """The nodes, in one process or in one each, as argument `composed` says.

    Args:
        names: Rows of `perception_nodes.ros.interfaces`.
        remap_camera: Whether `camera_arguments` are among the launch file's arguments.
    """
    composed = LaunchConfiguration("composed")
    together = _node(
        "up",
        remap_camera,
        arguments=["--nodes", ",".join(names)],
        condition=IfCondition(composed),
    )
    apart = [_node(name, remap_camera, condition=UnlessCondition(composed)) for name in names]
    return [together, *apart]


def play(bag: str = "bag", rate: str = "rate") -> Any:
    """Play the recording that an argument names, with its clock."""
    return ExecuteProcess(
        cmd=[
            *("ros2", "bag", "play", LaunchConfiguration(bag), "--clock", "100"),
            *("--rate", LaunchConfiguration(rate)),
        ],
        output="screen",
    )


def describe(*actions: Any) -> LaunchDescription:
    """A launch description of actions in order."""
    return LaunchDescription(list(actions))


def argument(name: str, default: Any, text: str) -> Any:
    """An argument with its description; where the default is None it must be given."""
    return DeclareLaunchArgument(name, default_value=default, description=text)


def _node(executable: str, remap_camera: bool, **options: Any) -> Node:
    common = {
        "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool),
        "autostart": ParameterValue(LaunchConfiguration("autostart"), value_type=bool),
    }
    camera = [(topic, LaunchConfiguration(name)) for topic, name in _CAMERA.items()]
    return Node(
        package=PACKAGE,
        executable=executable,
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), common],
        remappings=[*_REMAPPINGS, *(camera if remap_camera else [])],
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        respawn=LaunchConfiguration("use_respawn"),
        respawn_delay=2.0,
        output="screen",
        **options,
    )
