"""Object permanence on a robot with one RGB-D camera.

ros2 launch permanence robot.launch.py depth_topic:=camera/aligned_depth_to_color/image_raw
"""

from perception_nodes.ros import launching


def generate_launch_description() -> launching.LaunchDescription:
    return launching.describe(
        *launching.arguments(use_sim_time=False),
        *launching.camera_arguments(),
        *launching.nodes(("viewrope", "cjepa", "memory", "planner"), remap_camera=True),
    )
