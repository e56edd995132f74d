"""Object permanence in Gazebo (Harmonic or later): world, bridge, truth and the nodes.

ros2 launch permanence gazebo.launch.py rviz:=true
"""

from perception_nodes.ros import launching


def generate_launch_description() -> launching.LaunchDescription:
    return launching.describe(
        *launching.arguments(use_sim_time=True, cameras=2),
        launching.argument(
            "world", launching.share("worlds/gazebo"), "folder that `permanence gazebo` wrote"
        ),
        *launching.gazebo(),
        *launching.nodes(
            ("gazebo", "viewrope", "cjepa", "memory", "planner"),
            parameters=launching.gazebo_parameters(),
        ),
    )
