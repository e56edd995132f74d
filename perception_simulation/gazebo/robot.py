"""The robot of a Gazebo world: a mast on a base, RGB-D cameras, and its description as URDF."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_simulation.gazebo.bodies import collisions, inertial, visuals
from perception_simulation.gazebo.markup import Element, add, angles, numbers, place, text
from perception_simulation.gazebo.topics import BASE, optical_frame, published_pose
from perception_simulation.model import NEAR, PUSHER, PUSHER_LENGTH, PUSHER_RADIUS
from perception_simulation.motion import camera_track
from perception_simulation.shapes import Geometry, Solid
from perception_simulation.specification import MovingCamera, Scene, Texture

ROBOT = "robot"
# The camera body of Gazebo and of URDF looks along x, its optical frame along z (REP-103).
BODY_FROM_OPTICAL = Pose(
    np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.zeros(3)
)
_BEHIND = 0.12
_MAST, _FOOT, _FOOT_HEIGHT = 0.03, 0.18, 0.2
_MASS = 20.0
_LOOK = Texture((0.2, 0.2, 0.22))
_HEAD = "Written by `permanence gazebo` from scene.yaml: change that file, not this one."


def add_robot(world: Element, scene: Scene) -> None:
    """The robot as a model of an SDF world; it stands until `cmd_vel` moves it."""
    model = add(world, "model", name=ROBOT)
    base = base_pose(scene)
    place(model, base)
    link = add(model, "link", name=BASE)
    add(link, "gravity", False)
    inertial(link, _MASS, np.array([2.0, 2.0, 0.5]), Pose(np.eye(3), np.array([0.0, 0.0, 0.3])))
    shape = Geometry(np.zeros(3), solids(scene), None, np.zeros((0, 3)), rolls=False)
    collisions(link, shape, 0.5, "")
    visuals(link, shape, _LOOK, "")
    for camera in scene.cameras:
        _sensor(link, scene, camera, base)
    add(
        model,
        "plugin",
        filename="gz-sim-velocity-control-system",
        name="gz::sim::systems::VelocityControl",
    )
    published_pose(model, BASE, "/tf")


def base_pose(scene: Scene) -> Pose:
    """Where the robot stands: behind its cameras on the floor, turned as they look."""
    poses = [camera_track(camera).at(0.0) for camera in scene.cameras]
    middle = np.mean([pose.translation for pose in poses], axis=0)
    ahead = np.mean([pose.rotation[:, 2] for pose in poses], axis=0)[:2]
    yaw = math.atan2(ahead[1], ahead[0])
    x, y = middle[:2] - _BEHIND * np.array([math.cos(yaw), math.sin(yaw)])
    turn = np.array(
        [[math.cos(yaw), -math.sin(yaw), 0.0], [math.sin(yaw), math.cos(yaw), 0.0], [0, 0, 1.0]]
    )
    return Pose(turn, np.array([x, y, 0.0]))


def camera_pose(camera: MovingCamera, base: Pose) -> Pose:
    """A camera's body (x forward) in the frame of the base."""
    optical = camera_track(camera).at(0.0)
    return base.inverse() @ optical @ BODY_FROM_OPTICAL.inverse()


def solids(scene: Scene) -> tuple[Solid, ...]:
    """What the robot consists of, in the frame of its base: a foot and a mast."""
    top = float(np.mean([camera.path[0].position[2] for camera in scene.cameras]))
    return (
        Solid("cylinder", (_FOOT, _FOOT_HEIGHT / 2.0), _up(_FOOT_HEIGHT / 2.0), 1.0),
        Solid("cylinder", (_MAST, top / 2.0), _up(top / 2.0), 1.0),
    )


def robot_urdf(scene: Scene) -> str:
    """The robot's description for `robot_state_publisher` and for masking the robot itself.

    The pusher hangs on a floating joint, whose transform the world publishes.
    """
    robot = ElementTree.Element("robot", {"name": ROBOT})
    base = base_pose(scene)
    link = add(robot, "link", name=BASE)
    for solid in solids(scene):
        _urdf_cylinder(link, solid)
    for camera in scene.cameras:
        body = f"{camera.name}_link"
        _joint(robot, BASE, body, camera_pose(camera, base), "fixed")
        _joint(robot, body, optical_frame(camera.name), BODY_FROM_OPTICAL, "fixed")
    if scene.has_pusher:
        _urdf_stick(_joint(robot, BASE, PUSHER, Pose.identity(), "floating"))
    return text(robot, _HEAD)


def pusher_urdf() -> str:
    """The description of a robot that is nothing but the pusher, as in our own simulator."""
    robot = ElementTree.Element("robot", {"name": PUSHER})
    _urdf_stick(add(robot, "link", name=PUSHER))
    return text(robot, "All of the simulated robot that a camera can see.")


def _sensor(link: Element, scene: Scene, camera: MovingCamera, base: Pose) -> None:
    model = scene.intrinsics(camera)
    sensor = add(link, "sensor", name=camera.name, type="rgbd_camera")
    place(sensor, camera_pose(camera, base))
    add(sensor, "update_rate", scene.rate)
    add(sensor, "topic", camera.name)
    add(sensor, "gz_frame_id", optical_frame(camera.name))
    lens = add(sensor, "camera")
    add(lens, "horizontal_fov", 2.0 * math.atan(model.width / 2.0 / model.fx))
    image = add(lens, "image")
    add(image, "width", str(scene.width))
    add(image, "height", str(scene.height))
    add(image, "format", "R8G8B8")
    clip = add(lens, "clip")
    add(clip, "near", NEAR)
    add(clip, "far", scene.sensor.maximum)
    noise = add(lens, "noise")
    add(noise, "type", "gaussian")
    add(noise, "mean", 0.0)
    add(noise, "stddev", scene.sensor.color_noise / 255.0)
    add(lens, "optical_frame_id", optical_frame(camera.name))


def _up(height: float) -> Floats:
    return np.array([0.0, 0.0, height])


def _urdf_stick(link: Element) -> None:
    half = PUSHER_LENGTH / 2.0 + PUSHER_RADIUS
    _urdf_cylinder(link, Solid("cylinder", (PUSHER_RADIUS, half), _up(half), 1.0))


def _urdf_cylinder(link: Element, solid: Solid) -> None:
    for kind in ("visual", "collision"):
        element = add(link, kind)
        add(element, "origin", xyz=numbers(solid.center), rpy="0 0 0")
        size = {"radius": numbers(solid.size[0]), "length": numbers(2.0 * solid.size[1])}
        add(add(element, "geometry"), "cylinder", **size)


def _joint(robot: Element, parent: str, child: str, pose: Pose, kind: str) -> Element:
    """A link and the joint that holds it; gives the link."""
    link = add(robot, "link", name=child)
    joint = add(robot, "joint", name=f"{child}_joint", type=kind)
    add(joint, "parent", link=parent)
    add(joint, "child", link=child)
    add(joint, "origin", xyz=numbers(pose.translation), rpy=numbers(angles(pose)))
    return link
