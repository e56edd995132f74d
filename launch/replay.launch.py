"""Object permanence on a recording that `ros2 bag play` plays; without ROS: `permanence replay`.

ros2 launch permanence replay.launch.py bag:=/path/to/bag
"""

from perception_nodes.ros import launching


def generate_launch_description() -> launching.LaunchDescription:
    return launching.describe(
        *launching.arguments(use_sim_time=True),
        launching.argument("bag", None, "the recording"),
        launching.argument("rate", "1.0", "how fast it is played"),
        *launching.camera_arguments(),
        *launching.nodes(("viewrope", "cjepa", "memory"), remap_camera=True),
        launching.play(),
    )
