"""All files of a Gazebo world."""

from __future__ import annotations

from perception_simulation.gazebo.bodies import obj
from perception_simulation.gazebo.robot import robot_urdf
from perception_simulation.gazebo.topics import bridge_yaml
from perception_simulation.gazebo.world import mesh_name, world_sdf
from perception_simulation.shapes import geometry
from perception_simulation.specification import Scene


def files(scene: Scene) -> dict[str, str]:
    """Content by name, relative to the folder of the scene file.

    Raises:
        ConfigurationError: The scene is impossible, or has what Gazebo has not.
    """
    made = {
        "world.sdf": world_sdf(scene),
        "robot.urdf": robot_urdf(scene),
        "bridge.yaml": bridge_yaml(scene),
    }
    for item in scene.objects:
        skin = geometry(item.shape).skin
        if skin is not None:
            made[mesh_name(item)] = obj(skin, item.name)
    return made
