"""Packages as kitchens have them: cartons side by side, on top of each other, tins beside them.

Random piles of small things hold few large flat faces that touch; a network that has not seen them
takes the side of a carton for two objects, and two cartons in a row for one.
"""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np

from perception_nodes.errors import ConfigurationError
from perception_simulation.random_objects import footprint, free_place, random_texture
from perception_simulation.shapes import geometry
from perception_simulation.specification import Box, Cylinder, Object, Vector3

_BESIDE, _STACKED, _TURNED = 0.4, 0.45, 0.3
_CLEARANCE = 0.002
_CARTON = ((0.12, 0.04, 0.16), (0.22, 0.09, 0.30))
_PACKET = ((0.06, 0.03, 0.05), (0.16, 0.08, 0.16))
_TIN = ((0.03, 0.06), (0.055, 0.18))


def groceries(rng: np.random.Generator, count: int, width: float, support: float) -> list[Object]:
    """Packages in rows, in stacks and alone.

    Args:
        rng: Decides.
        count: How many at most; fewer if there is no room.
        width: Side of the square in which they stand, meters.
        support: Height of what they stand on.
    """
    objects: list[Object] = []
    while len(objects) < count:
        try:
            first = _alone(rng, objects, width, support)
        except ConfigurationError:
            break
        objects.append(first)
        if isinstance(first.shape, Box) and rng.random() < _BESIDE and len(objects) < count:
            with suppress(ConfigurationError):
                objects.append(_beside(rng, objects, first, support))
        base = first
        while rng.random() < _STACKED and len(objects) < count:
            base = _on_top(rng, base, len(objects))
            objects.append(base)
    return objects


def _alone(rng: np.random.Generator, objects: list[Object], width: float, support: float) -> Object:
    shape = _shape(rng)
    yaw = float(rng.uniform(-math.pi, math.pi))
    x, y = free_place(rng, objects, footprint(shape, (0.0, 0.0, yaw)), (width, width), gap=0.0)
    z = support + geometry(shape).size[2] / 2.0 + _CLEARANCE
    return _item(rng, len(objects), shape, (x, y, z), yaw)


def _beside(
    rng: np.random.Generator, objects: list[Object], first: Object, support: float
) -> Object:
    """A carton whose face all but touches that of another, shifted along it."""
    assert isinstance(first.shape, Box)
    shape = _box(rng)
    yaw = first.rotation[2]
    apart = (first.shape.size[1] + shape.size[1]) / 2.0 + _CLEARANCE
    along = float(rng.uniform(-0.5, 0.5)) * first.shape.size[0]
    c, s = math.cos(yaw), math.sin(yaw)
    x = first.position[0] + along * c - apart * s
    y = first.position[1] + along * s + apart * c
    radius = footprint(shape, (0.0, 0.0, yaw))
    for item in objects:
        near = radius + footprint(item.shape, item.rotation)
        if item is not first and math.dist((x, y), item.position[:2]) < near:
            raise ConfigurationError("no place beside it")
    return _item(rng, len(objects), shape, (x, y, support + shape.size[2] / 2 + _CLEARANCE), yaw)


def _on_top(rng: np.random.Generator, base: Object, number: int) -> Object:
    """Something that stands, not always well, on another."""
    shape = _shape(rng)
    assert len(base.position) == 3
    top = base.position[2] + (geometry(base.shape).size[2] + geometry(shape).size[2]) / 2.0
    reach = 0.25 * min(geometry(base.shape).size[:2])
    x, y = (p + float(rng.uniform(-reach, reach)) for p in base.position[:2])
    yaw = float(rng.uniform(-math.pi, math.pi)) if rng.random() < 0.7 else base.rotation[2]
    return _item(rng, number, shape, (x, y, top + _CLEARANCE), yaw)


def _shape(rng: np.random.Generator) -> Box | Cylinder:
    if rng.random() < _TURNED:
        radius, height = (round(float(v), 4) for v in rng.uniform(*_TIN))
        return Cylinder(radius, height)
    return _box(rng)


def _box(rng: np.random.Generator) -> Box:
    """A carton or packet on any of its faces: standing, lying, on its side."""
    size = rng.uniform(*(_CARTON if rng.random() < 0.6 else _PACKET))
    a, b, c = (round(float(v), 4) for v in rng.permutation(size))
    return Box((a, b, c))


def _item(
    rng: np.random.Generator, number: int, shape: Box | Cylinder, place: Vector3, yaw: float
) -> Object:
    x, y, z = (round(float(v), 4) for v in place)
    return Object(
        name=f"object_{number}",
        shape=shape,
        position=(x, y, z),
        rotation=(0.0, 0.0, round(yaw, 3)),
        mass=round(float(rng.uniform(0.1, 1.0)), 3),
        friction=round(float(rng.uniform(0.4, 0.9)), 2),
        texture=random_texture(rng),
    )
