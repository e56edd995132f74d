"""Write a scene as an SDF 1.9 world for Gazebo Harmonic and later.

The numbers are those of the compiled MuJoCo model and of `shapes.geometry`, so that both worlds
are the same one. Gazebo has no schedules: panels must stand still, and nothing is pushed or carried
by itself.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.pose import Pose
from perception_simulation.gazebo.bodies import (
    collisions,
    inertial,
    solid_pose,
    visuals,
)
from perception_simulation.gazebo.markup import Element, add, place, text
from perception_simulation.gazebo.robot import add_robot
from perception_simulation.gazebo.topics import TRUTH_POSES, WORLD, published_pose
from perception_simulation.model import FLOOR, PUSHER, PUSHER_LENGTH, PUSHER_RADIUS, TIMESTEP, WALL
from perception_simulation.person import stiffened
from perception_simulation.shapes import Geometry, Solid, geometry
from perception_simulation.specification import STIFF, WALKING, Object, Scene, Texture, Walker
from perception_simulation.world import World

SKIN = "https://fuel.gazebosim.org/1.0/Mingfei/models/actor/tip/files/meshes/walk.dae"
"""The walking person of Gazebo's own example; fetched by Gazebo when the world is first opened."""
_SKIN_HEIGHT = 1.0  # m that its root lies above its feet
_SYSTEMS = {
    "physics": "Physics",
    "user-commands": "UserCommands",
    "scene-broadcaster": "SceneBroadcaster",
    "sensors": "Sensors",
}
_HEAD = "Written by `permanence gazebo` from scene.yaml: change that file, not this one."


def world_sdf(scene: Scene) -> str:
    """The world file.

    Raises:
        ConfigurationError: The scene is impossible, or has what Gazebo has not.
    """
    _possible(scene)
    scene = stiffened(scene)
    simulated = World(scene)
    root = ElementTree.Element("sdf", {"version": "1.9"})
    world = add(root, "world", name=WORLD)
    _settings(world)
    model = simulated.model
    moving = {item.name: item for item in scene.objects}
    left_out = {"world", PUSHER, *(item.name for item in scene.walkers)}
    tabletop = scene.place == "tabletop"
    textures = {"table": scene.surface, "floor": FLOOR if tabletop else scene.surface}
    textures |= {item.name: item.texture for item in scene.fixtures}
    textures |= {item.name: item.texture for item in scene.occluders}
    for index in range(model.nbody):
        name = model.body(index).name
        if name in moving:
            _object(world, simulated, moving[name])
        elif name not in left_out:
            _static(world, model, index, textures.get(name, WALL))
    for walker in scene.walkers:
        _actor(world, walker)
    add_robot(world, scene)
    if scene.has_pusher:
        _pusher(world, simulated.motion(PUSHER).pose)
    return text(root, _HEAD)


def mesh_name(item: Object) -> str:
    """File of an object's mesh, relative to the world file."""
    return f"meshes/{item.name}.obj"


def _possible(scene: Scene) -> None:
    walks = [o.name for o in scene.occluders if len(o.path) > 1]
    acts = [p.name for p in scene.pushes] + [c.name for c in scene.carries]
    turns = [c.name for c in scene.cameras if len(c.path) > 1]
    for names, what in ((walks, "panels"), (acts, "pushes and carries"), (turns, "cameras")):
        if names:
            raise ConfigurationError(
                f"{names[0]!r} moves by a schedule, which {what} can't do in Gazebo",
                "give it one key, or leave it out; the pusher and the robot obey commands",
            )
    for walker in scene.walkers:
        if walker.motion not in (STIFF, WALKING):
            raise ConfigurationError(
                f"{walker.name!r} replays {walker.motion}, which a person in Gazebo can't do",
                f"give it `motion: {WALKING}` and a path",
            )


def _settings(world: Element) -> None:
    physics = add(world, "physics", name="steps", type="ode")
    add(physics, "max_step_size", TIMESTEP)
    add(physics, "real_time_factor", 1.0)
    for file, name in _SYSTEMS.items():
        system = add(
            world, "plugin", filename=f"gz-sim-{file}-system", name=f"gz::sim::systems::{name}"
        )
        if name == "Sensors":
            add(system, "render_engine", "ogre2")
    look = add(world, "scene")
    add(look, "ambient", [0.5, 0.5, 0.5, 1.0])
    add(look, "background", [0.7, 0.7, 0.7, 1.0])
    add(look, "shadows", False)
    for index, direction in enumerate(((0.4, 0.3, -1.0), (-0.5, -0.2, -1.0))):
        light = add(world, "light", type="directional", name=f"light_{index}")
        add(light, "cast_shadows", False)
        add(light, "diffuse", [0.6 - 0.2 * index] * 3 + [1.0])
        add(light, "specular", [0.1, 0.1, 0.1, 1.0])
        add(light, "direction", direction)


def _static(world: Element, model: mujoco.MjModel, body: int, texture: Texture) -> None:
    """Floor, table, walls, fixtures and standing panels: boxes that never move."""
    element = add(world, "model", name=model.body(body).name.replace(" ", "_"))
    add(element, "static", True)
    place(element, _pose(model.body_pos[body], model.body_quat[body]))
    link = add(element, "link", name="link")
    first = int(model.body_geomadr[body])
    solid = Solid("box", tuple(model.geom_size[first]), np.zeros(3), 1.0)
    shape = Geometry(2.0 * model.geom_size[first], (solid,), None, np.zeros((0, 3)), rolls=False)
    if model.geom_contype[first]:
        collisions(link, shape, float(model.geom_friction[first, 0]), "")
    visuals(link, shape, texture, "")


def _object(world: Element, simulated: World, item: Object) -> None:
    model, body = simulated.model, simulated.model.body(item.name).id
    element = add(world, "model", name=item.name)
    place(element, simulated.motion(item.name).pose)
    link = add(element, "link", name="link")
    center = _pose(model.body_ipos[body], model.body_iquat[body])
    inertial(link, float(model.body_mass[body]), model.body_inertia[body], center)
    shape = geometry(item.shape)
    collisions(link, shape, item.friction, mesh_name(item))
    visuals(link, shape, item.texture, mesh_name(item))
    published_pose(element, item.name, TRUTH_POSES)


def _pusher(world: Element, start: Pose) -> None:
    """A stick that hangs in the air and moves with the velocity that it is told."""
    element = add(world, "model", name=PUSHER)
    place(element, start)
    link = add(element, "link", name="link")
    add(link, "gravity", False)
    size = (PUSHER_RADIUS, PUSHER_LENGTH / 2.0)
    solid = Solid("capsule", size, np.array([0.0, 0.0, size[1] + size[0]]), 1.0)
    # a uniform cylinder's moments are near enough for a body that is driven by velocity
    across = PUSHER_LENGTH**2 / 12.0 + PUSHER_RADIUS**2 / 4.0
    inertial(link, 1.0, np.array([across, across, PUSHER_RADIUS**2 / 2.0]), solid_pose(solid))
    shape = Geometry(np.zeros(3), (solid,), None, np.zeros((0, 3)), rolls=True)
    collisions(link, shape, 0.4, "")
    visuals(link, shape, Texture((0.35, 0.35, 0.38)), "")
    add(
        element,
        "plugin",
        filename="gz-sim-velocity-control-system",
        name="gz::sim::systems::VelocityControl",
    )
    published_pose(element, PUSHER, "/tf")


def _actor(world: Element, walker: Walker) -> None:
    """The same way at constant speed between the keys, in Gazebo's own walking person."""
    actor = add(world, "actor", name=walker.name)
    skin = add(actor, "skin")
    add(skin, "filename", SKIN)
    add(skin, "scale", 1.0)
    walking = add(actor, "animation", name="walk")
    add(walking, "filename", SKIN)
    add(walking, "interpolate_x", True)
    script = add(actor, "script")
    add(script, "loop", True)
    add(script, "auto_start", True)
    trajectory = add(script, "trajectory", id="0", type="walk")
    for key in walker.path:
        point = add(trajectory, "waypoint")
        add(point, "time", key.time)
        add(point, "pose", [*key.position, _SKIN_HEIGHT, 0.0, 0.0, key.yaw])


def _pose(position: object, quaternion: object) -> Pose:
    w, x, y, z = np.asarray(quaternion, dtype=float)
    return Pose(Rotation.from_quat([x, y, z, w]).as_matrix(), np.array(position, dtype=float))
