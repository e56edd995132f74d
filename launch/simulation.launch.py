"""Object permanence in a simulated world (MuJoCo): a table, a camera and a pusher.

ros2 launch permanence simulation.launch.py rviz:=true
"""

from perception_nodes.ros import launching


def generate_launch_description() -> launching.LaunchDescription:
    return launching.describe(
        *launching.arguments(use_sim_time=True),
        *launching.world_arguments(),
        *launching.nodes(
            ("simulator", "viewrope", "cjepa", "memory", "planner"),
            parameters=launching.world_parameters(),
        ),
    )
