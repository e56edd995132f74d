"""Random objects of every shape, placed so that none overlap."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from contextlib import suppress
from typing import get_args

import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.errors import ConfigurationError
from perception_simulation import specification as spec
from perception_simulation.shapes import geometry
from perception_simulation.specification import Object, Pattern, Shape, Texture, Vector2, Vector3

_ARRANGEMENTS, _ATTEMPTS = 20, 100
_LYING = 0.25
_STACKED = 0.12
_CLEARANCE = 0.001


def random_objects(
    rng: np.random.Generator, count: int, area: Vector2, scale: float, support: float
) -> list[Object]:
    """Objects that stand, lie or are stacked on an area, none touching another beside it.

    Args:
        rng: Decides.
        count: How many.
        area: Length and width within which they are placed, meters.
        scale: 1 for things of 4 to 14 cm, larger for larger things.
        support: Height of what they stand on.

    Raises:
        ConfigurationError: They do not fit into the area.
    """
    for _ in range(_ARRANGEMENTS):
        with suppress(ConfigurationError):
            return _arrangement(rng, count, area, scale, support)
    raise ConfigurationError(
        f"{count} objects do not fit into {area[0]:.2f} x {area[1]:.2f} m", "use fewer objects"
    )


def _arrangement(
    rng: np.random.Generator, count: int, area: Vector2, scale: float, support: float
) -> list[Object]:
    objects: list[Object] = []
    bases: list[Object] = []
    for number in range(count):
        shape, rotation = _random_shape(rng, scale), (0.0, 0.0, float(rng.uniform(-3.1, 3.1)))
        lying = rng.random() < _LYING and isinstance(shape, spec.Bottle | spec.Cylinder)
        if lying or isinstance(shape, spec.Capsule):
            rotation = (0.0, math.pi / 2.0, rotation[2])
        base = _base(rng, bases, shape)
        if base is not None:
            top = support + geometry(base.shape).size[2] + geometry(shape).size[2] / 2.0
            x, y = base.position[:2]
            place: tuple[float, ...] = (x, y, float(top) + 2.0 * _CLEARANCE)
        else:
            place = free_place(rng, objects, footprint(shape, rotation), area)
        name = f"{type(shape).__name__.lower()}_{number + 1}"
        item = _dressed(rng, name, shape, place, rotation)
        objects.append(item)
        if base is not None:
            bases.remove(base)
        elif isinstance(shape, spec.Box):
            bases.append(item)
    return objects


def footprint(shape: Shape, rotation: Vector3) -> float:
    """Radius of a circle on the ground that covers a shape turned by roll, pitch and yaw."""
    hull = geometry(shape).hull @ Rotation.from_euler("xyz", rotation).as_matrix().T
    return float(np.linalg.norm(hull[:, :2], axis=1).max())


def free_place(
    rng: np.random.Generator,
    objects: list[Object],
    radius: float,
    area: Vector2,
    gap: float = 0.01,
) -> tuple[float, float]:
    """A place in the area for a circle that touches none of the objects.

    Raises:
        ConfigurationError: None was found.
    """
    half = np.maximum(np.array(area) / 2.0 - radius, 0.0)
    for _ in range(_ATTEMPTS):
        x, y = (float(v) for v in rng.uniform(-half, half))
        if is_free((x, y), radius + gap, objects):
            return x, y
    raise ConfigurationError(f"no free place for object number {len(objects) + 1}")


def is_free(place: Vector2, radius: float, objects: list[Object]) -> bool:
    """Whether a circle touches none of the objects."""
    return all(
        math.dist(place, item.position[:2]) > radius + footprint(item.shape, item.rotation)
        for item in objects
    )


def random_texture(rng: np.random.Generator) -> Texture:
    """A strong color, often with a pattern."""
    hue, saturation, value = rng.random(), rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.95)
    first = colorsys.hsv_to_rgb(hue, saturation, value)
    second = colorsys.hsv_to_rgb((hue + rng.uniform(0.2, 0.8)) % 1.0, saturation, 0.9)
    patterns: tuple[Pattern, ...] = get_args(Pattern)
    pattern = patterns[int(rng.integers(len(patterns)))]
    return Texture(_rounded(first), _rounded(second), pattern)


def _base(rng: np.random.Generator, bases: list[Object], shape: Shape) -> Object | None:
    """A box on which this shape may stand."""
    steady = isinstance(shape, spec.Box | spec.Cylinder | spec.Mug | spec.Superquadric)
    if not steady or rng.random() > _STACKED:
        return None
    width = max(geometry(shape).size[:2])
    wide = [b for b in bases if min(geometry(b.shape).size[:2]) > 0.7 * width]
    return wide[int(rng.integers(len(wide)))] if wide else None


def _dressed(
    rng: np.random.Generator,
    name: str,
    shape: Shape,
    place: tuple[float, ...],
    rotation: Vector3,
) -> Object:
    volume = sum(solid.volume for solid in geometry(shape).solids)
    mass = float(np.clip(volume * rng.uniform(150.0, 1200.0), 0.03, 8.0))
    spot = tuple(round(v, 4) for v in place)
    return Object(
        name=name,
        shape=shape,
        position=(spot[0], spot[1], spot[2]) if len(spot) == 3 else (spot[0], spot[1]),
        rotation=_rounded(rotation),
        mass=round(mass, 3),
        friction=round(float(rng.uniform(0.2, 0.9)), 2),
        texture=random_texture(rng),
    )


def _random_shape(rng: np.random.Generator, scale: float) -> Shape:
    return _MAKERS[int(rng.integers(len(_MAKERS)))](
        lambda a, b: round(scale * rng.uniform(a, b), 4)
    )


_Number = Callable[[float, float], float]


def _vase(number: _Number) -> Shape:
    r, h = number(0.025, 0.04), number(0.1, 0.16)
    profile = ((0.7 * r, 0.0), (r, 0.35 * h), (0.5 * r, 0.75 * h), (0.75 * r, h))
    return spec.Revolution(tuple((round(a, 4), round(b, 4)) for a, b in profile), 0.1 * r)


def _superquadric(number: _Number) -> Shape:
    size = (number(0.05, 0.1), number(0.05, 0.1), number(0.05, 0.12))
    share = size[0] / (size[0] + size[2])  # as random as the sizes, and free of scale
    return spec.Superquadric(size, round(0.15 + 0.85 * share, 2), round(1.0 - 0.8 * share, 2))


_MAKERS: tuple[Callable[[_Number], Shape], ...] = (
    lambda n: spec.Box((n(0.04, 0.12), n(0.04, 0.12), n(0.04, 0.14))),
    lambda n: spec.Box((n(0.05, 0.1), n(0.03, 0.06), n(0.1, 0.18))),
    lambda n: spec.Sphere(n(0.025, 0.045)),
    lambda n: spec.Cylinder(n(0.02, 0.045), n(0.06, 0.14)),
    lambda n: spec.Capsule(n(0.02, 0.03), n(0.04, 0.1)),
    lambda n: spec.Ellipsoid((n(0.05, 0.1), n(0.05, 0.1), n(0.05, 0.08))),
    _superquadric,
    _vase,
    lambda n: spec.Mug(n(0.033, 0.045), n(0.07, 0.11)),
    lambda n: spec.Bottle(n(0.028, 0.04), n(0.16, 0.24), n(0.01, 0.014)),
    lambda n: spec.Bowl(n(0.05, 0.08), n(0.04, 0.06)),
)


def _rounded(values: tuple[float, float, float]) -> tuple[float, float, float]:
    a, b, c = (round(float(v), 3) for v in values)
    return a, b, c
