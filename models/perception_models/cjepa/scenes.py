"""Random scenes in which things push, strike, roll, topple and fall: what the world model learns.

Only what physics needs is drawn: no cameras move and nothing is rendered.
"""

from __future__ import annotations

import math

import numpy as np

from perception_nodes.arrays import Floats
from perception_simulation.random_objects import footprint, free_place, is_free
from perception_simulation.shapes import geometry
from perception_simulation.specification import (
    Box,
    CameraKey,
    Capsule,
    Cylinder,
    MovingCamera,
    Object,
    Push,
    Scene,
    Shape,
    Sphere,
)

DURATION = 4.0
"""Seconds an episode lasts."""
FIRST_PUSH = 1.1
"""The pusher comes down in the second before it pushes."""
_LARGE = 0.2
_STACKED = 0.3
_THROWN = 0.4
_CLEARANCE = 0.002


def random_scene(rng: np.random.Generator, count: int) -> Scene:
    """A floor with things of the size of one's hand, sometimes of furniture, and one or two pushes.

    Args:
        rng: Decides.
        count: How many objects, 1..10.
    """
    scale = float(rng.uniform(1.5, 3.5)) if rng.random() < _LARGE else 1.0
    side = scale * (0.11 + 0.03 * count)
    objects: list[Object] = []
    for number in range(count):
        objects.append(_object(rng, f"object_{number}", objects, scale, side))
    objects = [_thrown(rng, item, objects, scale) for item in objects]
    pushes = _pushes(rng, objects, scale)
    camera = MovingCamera((CameraKey(0.0, (-2.0, 0.0, 1.0), (0.0, 0.0, 0.0)),))
    return Scene(
        objects=tuple(objects),
        cameras=(camera,),
        place="room",
        area=(12.0, 12.0),
        pushes=tuple(pushes),
        duration=DURATION,
    )


def _object(
    rng: np.random.Generator, name: str, others: list[Object], scale: float, side: float
) -> Object:
    """One object, on a free place or on a box."""
    shape = _shape(rng, scale)
    yaw = float(rng.uniform(-math.pi, math.pi))
    lying = isinstance(shape, Capsule) or (isinstance(shape, Cylinder) and rng.random() < 0.4)
    rotation = (0.0, math.pi / 2.0 if lying else 0.0, yaw)
    size = geometry(shape).size
    volume = float(np.prod(size)) * (1.0 if isinstance(shape, Box) else 0.6)
    mass = float(np.clip(volume * np.exp(rng.uniform(math.log(120.0), math.log(1500.0))), 0.02, 8))
    friction = round(float(rng.uniform(0.15, 0.9)), 2)
    bases = [o for o in others if isinstance(o.shape, Box) and len(o.position) == 2]
    if bases and not lying and isinstance(shape, Box | Cylinder) and rng.random() < _STACKED:
        base = bases[int(rng.integers(len(bases)))]
        top = float(geometry(base.shape).size[2] + size[2] / 2.0 + _CLEARANCE)
        spot = (*base.position[:2], top)
        if all(o.position[:2] != base.position[:2] or o is base for o in others):
            return Object(name, shape, spot, rotation, mass=mass, friction=friction)
    place = free_place(rng, others, footprint(shape, rotation), (2 * side, 2 * side), gap=0.004)
    return Object(name, shape, place, rotation, mass=mass, friction=friction)


def _shape(rng: np.random.Generator, scale: float) -> Shape:
    def number(low: float, high: float) -> float:
        return scale * float(rng.uniform(low, high))

    kind = rng.random()
    if kind < 0.4:
        return Box((number(0.04, 0.12), number(0.04, 0.12), number(0.03, 0.14)))
    if kind < 0.55:
        return Box((number(0.03, 0.08), number(0.03, 0.08), number(0.1, 0.22)))
    if kind < 0.7:
        return Sphere(number(0.02, 0.05))
    if kind < 0.92:
        return Cylinder(number(0.02, 0.045), number(0.04, 0.16))
    return Capsule(number(0.02, 0.03), number(0.04, 0.1))


def _thrown(rng: np.random.Generator, item: Object, objects: list[Object], scale: float) -> Object:
    """The object, perhaps already moving towards another one."""
    if len(item.position) == 3 or rng.random() > _THROWN:
        return item
    if any(o.position[:2] == item.position[:2] for o in objects if o is not item):
        return item
    others = [o for o in objects if o is not item]
    angle = float(rng.uniform(-math.pi, math.pi))
    if others:
        goal = others[int(rng.integers(len(others)))].position
        angle = math.atan2(goal[1] - item.position[1], goal[0] - item.position[0])
        angle += float(rng.normal(0.0, 0.25))
    speed = math.sqrt(scale) * float(rng.uniform(0.2, 1.2))
    velocity = (speed * math.cos(angle), speed * math.sin(angle), 0.0)
    return Object(
        item.name,
        item.shape,
        item.position,
        item.rotation,
        velocity=velocity,
        mass=item.mass,
        friction=item.friction,
    )


def _pushes(rng: np.random.Generator, objects: list[Object], scale: float) -> list[Push]:
    """One or two pushes across an object, preferably on to another one."""
    pushes: list[Push] = []
    time = FIRST_PUSH + float(rng.uniform(0.0, 0.5))
    while len(pushes) < 2 and time < DURATION - 1.2:
        found = _push(rng, objects, scale, len(pushes), time)
        if found is None:
            break
        pushes.append(found)
        time = found.start + found.duration + 2.0 + float(rng.uniform(0.05, 0.3))
    return pushes


def _push(
    rng: np.random.Generator, objects: list[Object], scale: float, number: int, start: float
) -> Push | None:
    for _ in range(12):
        item = objects[int(rng.integers(len(objects)))]
        others = [o for o in objects if o is not item]
        angle = float(rng.uniform(-math.pi, math.pi))
        if others and rng.random() < 0.7:
            goal = others[int(rng.integers(len(others)))].position
            angle = math.atan2(goal[1] - item.position[1], goal[0] - item.position[0])
        ahead = np.array([math.cos(angle), math.sin(angle)])
        aside = 0.3 * footprint(item.shape, item.rotation) * float(rng.normal())
        middle = np.array(item.position[:2]) + aside * np.array([-ahead[1], ahead[0]])
        origin = middle - (footprint(item.shape, item.rotation) + 0.03) * ahead
        if not is_free(_pair(origin), 0.02, objects):
            continue
        travel = scale * float(rng.uniform(0.12, 0.35))
        speed = math.sqrt(scale) * float(rng.uniform(0.08, 0.35))
        duration = float(np.clip(travel / speed, 0.4, 1.8))
        height = min(0.02, float(rng.uniform(0.01, 0.05)))
        if rng.random() < 0.3:
            height = float(rng.uniform(0.3, 0.8)) * float(geometry(item.shape).size[2])
        target = _pair(origin + travel * ahead)
        return Push(f"push_{number}", _pair(origin), target, start, duration, round(height, 4))
    return None


def _pair(place: Floats) -> tuple[float, float]:
    return float(place[0]), float(place[1])
