"""Random still scenes seen from several places: what the slot encoder is trained on.

Objects lie spread, in clutter or in piles, or are packages in rows and stacks, on tables and
floors, under random lights; cameras of random focal length look at them from all sides, and some
look away. Depth has the errors of real sensors, from good to bad.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from perception_models.viewrope.groceries import groceries
from perception_nodes.arrays import Bytes, Floats, Ints
from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_simulation.random_objects import free_place, random_objects, random_texture
from perception_simulation.renderer import Renderer
from perception_simulation.sensors import CameraNoise
from perception_simulation.specification import (
    TABLE_HEIGHT,
    Bottle,
    CameraKey,
    Capsule,
    DepthSensor,
    Fixture,
    MovingCamera,
    Object,
    Place,
    Scene,
)
from perception_simulation.world import World

WIDTH, HEIGHT = 320, 240
VIEWS = 6
MAX_LABEL = 14
HELD_OUT = (Bottle, Capsule)
"""Families of shapes that appear in test scenes only."""
DEPTH_STEP = 1e-4
"""Depth is kept as uint16 in units of this many meters; 0 where there is no reading."""

_GROCERIES = 0.5
"""Part of the tables that hold packages."""
_LOOKS_AWAY = 0.2
_SETTLE = 2.0


class Views(NamedTuple):
    """Several views of one still scene.

    Attributes:
        color: (V, H, W, 3) uint8.
        depth: (V, H, W) uint16, see DEPTH_STEP.
        labels: (V, H, W) uint8, object + 1.
        poses: (V, 4, 4) float32, optical frame in the world.
        cameras: (V, 4) float32: fx, fy, cx, cy.
        centers: (MAX_LABEL, 3) float32, centers of the objects' boxes in the world; NaN beyond.
    """

    color: Bytes
    depth: Ints
    labels: Bytes
    poses: Floats
    cameras: Floats
    centers: Floats


def views(seed: int, *, held_out: bool = False) -> Views:
    """The views of a scene: the same seed gives the same pixels.

    Args:
        seed: Of scene, sensor and cameras.
        held_out: Also use the shapes that training never shows.

    Raises:
        RenderingError: This machine has no OpenGL.
    """
    rng = np.random.default_rng((seed, 7))
    for _ in range(20):
        with suppress(ConfigurationError):
            scene = _scene(rng, held_out=held_out)
            world = World(replace(scene, seed=seed))
            break
    else:
        raise ConfigurationError(f"seed {seed} gave no possible scene in 20 attempts")
    _light(rng, world.model)
    world.advance(_SETTLE)
    return _look(rng, scene, world, seed)


def _scene(rng: np.random.Generator, *, held_out: bool) -> Scene:
    room = rng.random() < 0.3
    place: Place = "room" if room else "tabletop"
    scale = float(rng.uniform(1.2, 4.0)) if room else float(rng.uniform(0.7, 1.5))
    support = 0.0 if room else TABLE_HEIGHT
    count = int(rng.integers(2, MAX_LABEL + 1))
    spread = float(rng.uniform(0.32, 0.75)) * (scale if room else 1.0)
    if not room and rng.random() < _GROCERIES:
        objects = groceries(rng, count, spread, support)
    else:
        objects = _spread(rng, count, spread, scale, support, held_out=held_out)
    area = (6.0, 6.0) if room else (float(rng.uniform(0.8, 1.6)), float(rng.uniform(0.7, 1.2)))
    key = CameraKey(0.0, (1.0, 0.0, support + 0.5), (0.0, 0.0, support))
    return Scene(
        objects=tuple(objects),
        cameras=(MovingCamera((key,)),),
        place=place,
        area=area,
        surface=random_texture(rng),
        fixtures=_furniture(rng) if room else (),
        width=WIDTH,
        height=HEIGHT,
    )


def _spread(
    rng: np.random.Generator,
    count: int,
    width: float,
    scale: float,
    support: float,
    *,
    held_out: bool,
) -> list[Object]:
    """Objects on the ground, and where no place is left dropped on top of the others."""
    pile = rng.random() < 0.5
    objects: list[Object] = []
    layer = 0
    for number in range(count):
        (item,) = random_objects(rng, 1, (2.0 * scale, 2.0 * scale), scale, support)
        while not held_out and isinstance(item.shape, HELD_OUT):
            (item,) = random_objects(rng, 1, (2.0 * scale, 2.0 * scale), scale, support)
        item = replace(item, name=f"object_{number}")
        try:
            radius = 0.06 * scale
            if pile and number > 2 and rng.random() < 0.4:
                raise ConfigurationError("on top")
            spot = free_place(rng, objects, radius, (width, width), gap=0.0)
            objects.append(replace(item, position=(round(spot[0], 4), round(spot[1], 4))))
        except ConfigurationError:
            layer += 1
            x, y = (float(v) for v in rng.uniform(-0.3 * width, 0.3 * width, 2))
            z = support + scale * (0.2 + 0.22 * layer)
            turn = tuple(round(float(v), 3) for v in rng.uniform(-1.5, 1.5, 3))
            rotation = (turn[0], turn[1], turn[2])
            spot3 = (round(x, 4), round(y, 4), round(z, 4))
            objects.append(replace(item, position=spot3, rotation=rotation))
        if layer >= 4:
            break
    return objects


def _furniture(rng: np.random.Generator) -> tuple[Fixture, ...]:
    """Large boxes that are not objects."""
    items = []
    for number in range(int(rng.integers(0, 4))):
        size = tuple(round(float(v), 3) for v in rng.uniform((1.05, 0.3, 0.4), (2.0, 0.6, 1.8)))
        angle = rng.uniform(-math.pi, math.pi)
        x, y = 2.5 * math.cos(angle), 2.5 * math.sin(angle)
        place = (round(x, 3), round(y, 3), size[2] / 2.0)
        yaw = round(float(angle) + math.pi / 2.0, 3)
        box = (size[0], size[1], size[2])
        items.append(Fixture(f"furniture_{number}", box, place, yaw, random_texture(rng)))
    return tuple(items)


def _light(rng: np.random.Generator, model: mujoco.MjModel) -> None:
    """Lights of random direction, color and strength."""
    model.vis.headlight.ambient[:] = rng.uniform(0.1, 0.5)
    model.vis.headlight.diffuse[:] = rng.uniform(0.0, 0.4)
    for index in range(model.nlight):
        direction = np.array([*rng.uniform(-1.0, 1.0, 2), -1.0])
        model.light_dir[index] = direction / np.linalg.norm(direction)
        model.light_diffuse[index] = rng.uniform(0.1, 0.6) * rng.uniform(0.8, 1.2, 3)


def _look(rng: np.random.Generator, scene: Scene, world: World, seed: int) -> Views:
    bodies = [world.model.body(item.name).id for item in scene.objects]
    centers = np.stack([world.motion(item.name).pose.translation for item in scene.objects])
    number_of = np.zeros(world.model.nbody, np.uint8)
    number_of[bodies] = np.arange(1, len(bodies) + 1)
    focal = float(rng.uniform(230.0, 380.0))
    camera = Camera(WIDTH, HEIGHT, focal, focal, (WIDTH - 1) / 2.0, (HEIGHT - 1) / 2.0)
    noise = CameraNoise(_sensor(rng), seed, 0)
    color = np.empty((VIEWS, HEIGHT, WIDTH, 3), np.uint8)
    depth = np.empty((VIEWS, HEIGHT, WIDTH), np.uint16)
    labels = np.empty((VIEWS, HEIGHT, WIDTH), np.uint8)
    poses = np.empty((VIEWS, 4, 4), np.float32)
    with Renderer(world.model, WIDTH, HEIGHT) as renderer:
        for index in range(VIEWS):
            pose = _viewpoint(rng, scene, centers)
            view = renderer.render(world.data, pose, camera)
            assert view.color is not None
            color[index] = noise.color(view.color, index)
            measured = noise.depth(view.depth, index)
            depth[index] = np.rint(np.nan_to_num(measured) / DEPTH_STEP).clip(0, 65535)
            labels[index] = number_of[view.bodies]
            poses[index] = pose.matrix()
    padded = np.full((MAX_LABEL, 3), np.nan, np.float32)
    padded[: len(centers)] = centers
    model = np.tile(np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32), (VIEWS, 1))
    return Views(color, depth, labels, poses, model, padded)


def _sensor(rng: np.random.Generator) -> DepthSensor:
    """From a good sensor to a bad one."""
    bad = float(rng.random())
    return DepthSensor(
        axial_noise=0.0005 + 0.003 * bad,
        quantization=0.0005 + 0.002 * bad,
        lateral_noise=float(rng.uniform(0.2, 1.0)),
        edge_holes=float(rng.uniform(0.1, 0.8)),
        dropouts=float(rng.choice([0.0, 0.003, 0.05])),
        color_noise=float(rng.uniform(0.0, 5.0)),
    )


def _viewpoint(rng: np.random.Generator, scene: Scene, centers: Floats) -> Pose:
    """Somewhere around the objects, looking at them, or sometimes away."""
    room = scene.place == "room"
    support = scene.support_height
    near = np.abs(centers[:, :2]).max(axis=1) < 1.5
    middle = centers[near].mean(axis=0) if near.any() else np.array([0.0, 0.0, support])
    reach = float(rng.uniform(1.0, 2.8)) if room else float(rng.uniform(0.45, 1.4))
    angle = float(rng.uniform(-math.pi, math.pi))
    slope = float(rng.uniform(0.25, 1.1))
    ahead = np.array(
        [-math.cos(angle) * math.cos(slope), -math.sin(angle) * math.cos(slope), -math.sin(slope)]
    )
    eye = middle - reach * ahead
    eye[2] = max(float(eye[2]), support + 0.15)
    target = middle + rng.normal(0.0, 0.12 * reach, 3)
    if rng.random() < _LOOKS_AWAY:
        turn = Rotation.from_euler("z", float(rng.uniform(0.6, 2.2)) * rng.choice([-1.0, 1.0]))
        target = eye + turn.apply(target - eye)
    return _aimed(eye, target, float(rng.normal(0.0, 0.06)))


def _aimed(eye: Floats, target: Floats, roll: float) -> Pose:
    """The optical frame of a camera that looks from `eye` to `target`, rolled a little."""
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    upright = np.stack([x, np.cross(z, x), z], axis=1)
    return Pose(upright @ Rotation.from_euler("z", roll).as_matrix(), eye)
