"""Tasks for a robot that pushes: a cluttered table, an object, and where it shall be."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import ConfigurationError
from perception_simulation.generator import generate
from perception_simulation.shapes import geometry
from perception_simulation.specification import (
    Capsule,
    Ellipsoid,
    MovingCamera,
    Object,
    Occluder,
    OccluderKey,
    Scene,
    Sphere,
    Texture,
    Vector2,
)

DISTANCE = 0.18
_DURATION = 40.0
_PANEL = Texture((0.85, 0.83, 0.78))
_ROLLING = (Sphere, Capsule, Ellipsoid)
_MARGIN = 0.05
_EDGE = 0.05


@dataclass(frozen=True, slots=True)
class PushTask:
    """A scene with a pusher, and what to do in it.

    Attributes:
        scene: At rest; nothing moves by itself.
        name: Of the object to move.
        target: Where its center shall be, x and y in the world.
    """

    scene: Scene
    name: str
    target: Vector2

    @property
    def reach(self) -> Floats:
        """(4,) low x, low y, high x, high y of the table that the robot uses, m."""
        half = np.array(self.scene.area) / 2.0 - _EDGE
        return np.concatenate((-half, half))


def push_task(seed: int, objects: int = 6, *, hidden: bool = False) -> PushTask:
    """A random task.

    The object is one that does not roll away. Its target is `DISTANCE` to the left or right as the
    camera sees it, where no other object stands.

    Args:
        seed: The same seed gives the same task.
        objects: How many stand on the table.
        hidden: A panel between camera and target hides the second half of the way.

    Raises:
        ConfigurationError: This seed has no such object.
    """
    scene = generate(seed, "tabletop", objects)
    camera = replace(scene.cameras[0], path=scene.cameras[0].path[:1])
    item, target = _choose(scene, camera)
    panels = (_panel(camera, item, target),) if hidden else ()
    scene = replace(
        scene,
        cameras=(camera,),
        occluders=panels,
        pushes=(),
        carries=(),
        pusher=True,
        duration=_DURATION,
    )
    return PushTask(scene, item.name, target)


def _choose(scene: Scene, camera: MovingCamera) -> tuple[Object, Vector2]:
    """The first object with a free place to its left or right."""
    ahead = _ahead(camera)
    for item in scene.objects:
        if isinstance(item.shape, _ROLLING) or len(item.position) == 3:
            continue
        for side in (1.0, -1.0):
            aside = side * DISTANCE * np.array([-ahead[1], ahead[0]])
            target = np.array(item.position[:2]) + aside
            if _free(scene, item, target):
                return item, (round(float(target[0]), 4), round(float(target[1]), 4))
    raise ConfigurationError(
        f"in the scene of seed {scene.seed} no object has a free place beside it",
        "try another seed, or fewer objects",
    )


def _free(scene: Scene, item: Object, target: Floats) -> bool:
    half = np.array(scene.area) / 2.0 - 0.12
    if (np.abs(target) > half).any():
        return False
    reach = _reach(item)
    return all(
        float(np.hypot(*(target - other.position[:2]))) > reach + _reach(other) + _MARGIN
        for other in scene.objects
        if other is not item
    )


def _reach(item: Object) -> float:
    return float(np.hypot(*geometry(item.shape).size[:2])) / 2.0


def _ahead(camera: MovingCamera) -> Floats:
    """(2,) the level direction in which the camera looks."""
    key = camera.path[0]
    way = np.array(key.look_at[:2]) - key.position[:2]
    return np.asarray(way / np.hypot(*way))


def _panel(camera: MovingCamera, item: Object, target: Vector2) -> Occluder:
    """A panel half way to the camera that begins in the middle of the way and covers the target."""
    eye = np.array(camera.path[0].position)
    start, end = np.array(item.position[:2]), np.array(target)
    covered = start + 1.25 * (end - start)
    width = 0.75 * float(np.hypot(*(end - start)))
    height = geometry(item.shape).size[2] + 0.12
    aim = np.array([*covered, eye[2] * 0.0 + 0.7 + height / 2.0 - 0.05])
    place = (eye + aim) / 2.0
    ahead = aim - eye
    yaw = math.atan2(ahead[1], ahead[0])
    key = OccluderKey(0.0, (float(place[0]), float(place[1]), float(place[2])), yaw)
    return Occluder("panel", (0.01, width, height), (key,), _PANEL)
