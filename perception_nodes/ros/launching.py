"""What the launch files share: their arguments and how nodes are started. Needs `launch_ros`."""

from __future__ import annotations

from typing import Any

from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.conditions import IfCondition, UnlessCondition
from launch.substitutions import (
    AndSubstitution,
    Command,
    IfElseSubstitution,
    LaunchConfiguration,
    NotSubstitution,
)
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription  # type: ignore[attr-defined]
from perception_nodes.inference.providers import DEVICES

PACKAGE = "permanence"
PROFILES = ("robot", "small_computer")
"""Names of the parameter presets in `config`."""
PEOPLE = "embodmocap"
"""The node that finds people."""
# In a namespace each robot has a transform tree of its own, as in Nav2.
_REMAPPINGS = [("/tf", "tf"), ("/tf_static", "tf_static")]
_CAMERA = {
    "camera/color/image_raw": "color_topic",
    "camera/depth/image_raw": "depth_topic",
    "camera/color/camera_info": "info_topic",
}


def arguments(use_sim_time: bool, cameras: int = 1) -> list[Any]:
    """The arguments that every launch file of ours has.

    Args:
        use_sim_time: Default of the argument of that name.
        cameras: Likewise.
    """
    return [
        argument("profile", "robot", "preset of the parameters, a file in config", PROFILES),
        argument("namespace", "", "namespace of all nodes; their transforms go to <namespace>/tf"),
        argument("use_sim_time", str(use_sim_time).lower(), "whether time comes from /clock"),
        argument("params_file", _preset(), "your parameters; they go before those of the profile"),
        argument("autostart", "true", "whether nodes configure and activate themselves"),
        argument("use_respawn", "false", "whether a process that dies is started again"),
        argument("log_level", "info", "debug, info, warn, error or fatal"),
        argument("composed", "true", "all nodes in one process, or each in its own"),
        argument("device", "auto", "what networks run on; slower ones follow", DEVICES),
        argument("model_dir", "", "folder of your networks and cards; empty for those shipped"),
        argument("people", "false", "whether people are followed too"),
        argument(
            "keypoints",
            "messages",
            "of people: from keypoints_a, or the shipped network",
            ("messages", "learned", "auto"),
        ),
        argument("cameras", str(cameras), "that see people: camera, or camera_b too", ("1", "2")),
        argument("private", "false", "whether no picture is kept unless nobody is in sight"),
        argument("rviz", "false", "whether RViz starts, with rviz/permanence.rviz"),
        argument("headless", "false", "whether to open no window at all, whatever rviz says"),
    ]


def camera_arguments() -> list[Any]:
    """Where the camera publishes; the depth must be registered to color."""
    return [argument(name, topic, f"instead of {topic}") for topic, name in _CAMERA.items()]


def world_arguments() -> list[Any]:
    """What is simulated."""
    return [
        argument("world", "", "scene file (YAML) of the simulator; empty for a generated one"),
        argument("seed", "1", "of the generated scene"),
    ]


def world_parameters() -> dict[str, Any]:
    """Parameters of the simulator that `world_arguments` set."""
    return {
        "scene": ParameterValue(LaunchConfiguration("world"), value_type=str),
        "seed": ParameterValue(LaunchConfiguration("seed"), value_type=int),
    }


def nodes(
    names: tuple[str, ...], remap_camera: bool = False, parameters: dict[str, Any] | None = None
) -> list[Any]:
    """The nodes, in one process or in one each, as argument `composed` says; and RViz.

    With argument `people` there is one more, which finds them.

    Args:
        names: Rows of `perception_nodes.ros.interfaces`.
        remap_camera: Whether `camera_arguments` are among the launch file's arguments.
        parameters: Further ones; a node takes those it has and ignores the others.
    """
    composed, people = LaunchConfiguration("composed"), LaunchConfiguration("people")
    common: dict[str, Any] = {"remap_camera": remap_camera, "more": parameters or {}}
    chosen = [",".join(names), IfElseSubstitution(people, f",{PEOPLE}", "")]
    together = _node("up", arguments=["--nodes", chosen], condition=IfCondition(composed), **common)
    apart = [_node(name, condition=UnlessCondition(composed), **common) for name in names]
    wanted = AndSubstitution(people, NotSubstitution(composed))
    apart.append(_node(PEOPLE, condition=IfCondition(wanted), **common))
    return [together, *apart, _rviz(remap_camera)]


def play(bag: str = "bag", rate: str = "rate") -> Any:
    """Play the recording that an argument names, with its clock."""
    return ExecuteProcess(
        cmd=[
            *("ros2", "bag", "play", LaunchConfiguration(bag), "--clock", "100"),
            *("--rate", LaunchConfiguration(rate)),
        ],
        output="screen",
    )


def gazebo(world: str = "world") -> list[Any]:
    """Gazebo with the world that an argument names, its bridge, and the robot's fixed frames."""
    folder = LaunchConfiguration(world)
    headless = LaunchConfiguration("headless")
    run = ["gz", "sim", "-r", [folder, "/world.sdf"]]
    return [
        ExecuteProcess(cmd=run, condition=UnlessCondition(headless), output="screen"),
        ExecuteProcess(
            cmd=[*run, "-s", "--headless-rendering"],
            condition=IfCondition(headless),
            output="screen",
        ),
        Node(
            package="ros_gz_bridge",
            executable="parameter_bridge",
            namespace=LaunchConfiguration("namespace"),
            parameters=[{"config_file": [folder, "/bridge.yaml"], "use_sim_time": _use_sim_time()}],
            remappings=_REMAPPINGS,
            output="screen",
        ),
        Node(
            package="robot_state_publisher",
            executable="robot_state_publisher",
            namespace=LaunchConfiguration("namespace"),
            parameters=[
                {
                    "robot_description": ParameterValue(
                        Command(["cat ", folder, "/robot.urdf"]), value_type=str
                    ),
                    "use_sim_time": _use_sim_time(),
                }
            ],
            remappings=_REMAPPINGS,
        ),
    ]


def gazebo_parameters(world: str = "world") -> dict[str, Any]:
    """Parameters of the node `gazebo`: the scene from which the world was written."""
    file = [LaunchConfiguration(world), "/scene.yaml"]
    return {"scene": ParameterValue(file, value_type=str)}


def share(path: str) -> list[Any]:
    """A folder or file that comes with this package."""
    return [FindPackageShare(PACKAGE), f"/{path}"]


def describe(*actions: Any) -> LaunchDescription:
    """A launch description of actions in order."""
    return LaunchDescription(list(actions))


def argument(name: str, default: Any, text: str, choices: tuple[str, ...] | None = None) -> Any:
    """An argument with its description; where the default is None it must be given."""
    return DeclareLaunchArgument(name, default_value=default, description=text, choices=choices)


def _preset() -> list[Any]:
    """The file of the chosen profile."""
    return [FindPackageShare(PACKAGE), "/config/", LaunchConfiguration("profile"), ".yaml"]


def _use_sim_time() -> ParameterValue:
    return ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)


def _remappings(remap_camera: bool) -> list[tuple[str, Any]]:
    camera = {topic: LaunchConfiguration(name) for topic, name in _CAMERA.items()}
    given: dict[str, Any] = camera if remap_camera else {topic: topic for topic in _CAMERA}
    # Who looks for people calls that camera `camera_a`.
    first = [(topic.replace("camera", "camera_a", 1), name) for topic, name in given.items()]
    return [*_REMAPPINGS, *(camera.items() if remap_camera else ()), *first]


def _rviz(remap_camera: bool) -> Node:
    """RViz, which is a package of its own that robots need not have."""
    windows = NotSubstitution(LaunchConfiguration("headless"))
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", [FindPackageShare(PACKAGE), "/rviz/permanence.rviz"]],
        parameters=[{"use_sim_time": _use_sim_time()}],
        remappings=_remappings(remap_camera),
        condition=IfCondition(AndSubstitution(LaunchConfiguration("rviz"), windows)),
    )


def _node(executable: str, remap_camera: bool, more: dict[str, Any], **options: Any) -> Node:
    common = {
        "use_sim_time": _use_sim_time(),
        "autostart": ParameterValue(LaunchConfiguration("autostart"), value_type=bool),
        "device": ParameterValue(LaunchConfiguration("device"), value_type=str),
        "model_dir": ParameterValue(LaunchConfiguration("model_dir"), value_type=str),
        "cameras": ParameterValue(LaunchConfiguration("cameras"), value_type=int),
        "private": ParameterValue(LaunchConfiguration("private"), value_type=bool),
        "keypoints": ParameterValue(LaunchConfiguration("keypoints"), value_type=str),
        **more,
    }
    return Node(
        package=PACKAGE,
        executable=executable,
        namespace=LaunchConfiguration("namespace"),
        parameters=[_preset(), LaunchConfiguration("params_file"), common],
        remappings=_remappings(remap_camera),
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        respawn=LaunchConfiguration("use_respawn"),
        respawn_delay=2.0,
        output="screen",
        **options,
    )
