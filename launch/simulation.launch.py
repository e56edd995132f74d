"""Object permanence in a simulated world (MuJoCo): a table, a camera and a pusher.

ros2 launch permanence simulation.launch.py
"""

from perception_nodes.ros import launching


def generate_launch_description() -> launching.LaunchDescription:
    return launching.describe(
        *launching.arguments(use_sim_time=True),
        *launching.nodes(("simulator", "viewrope", "cjepa", "memory")),
    )
