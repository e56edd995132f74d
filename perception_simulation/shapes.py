"""Turn a shape of the scene file into what collides, what is drawn and what the truth says."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.spatial import ConvexHull

from perception_nodes.arrays import Floats
from perception_simulation import specification as spec
from perception_simulation.meshes import Mesh, revolve, superquadric, tube

Kind = Literal["box", "sphere", "cylinder", "capsule", "ellipsoid", "mesh"]

_SLABS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A convex piece that collides and carries mass.

    Attributes:
        kind: Of MuJoCo's geoms.
        size: MuJoCo's numbers for it (half extents, or radius and half height).
        center: (3,) in the frame of the object's box.
        volume: Cubic meters; the object's mass is shared by volume.
        pitch: Rotation about y, radians.
        mesh: For the kind "mesh".
    """

    kind: Kind
    size: tuple[float, ...]
    center: Floats
    volume: float
    pitch: float = 0.0
    mesh: Mesh | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """A shape in the frame of its box: origin in the middle, axes along the box.

    Attributes:
        size: (3,) full extents of the box.
        solids: What collides.
        skin: What is drawn; None to draw the solids.
        hull: (P, 3) points whose convex hull is that of the shape.
        rolls: Whether it can roll on a plane.
    """

    size: Floats
    solids: tuple[Solid, ...]
    skin: Mesh | None
    hull: Floats
    rolls: bool


@functools.lru_cache(maxsize=256)
def geometry(shape: spec.Shape) -> Geometry:
    """The geometry of a shape."""
    return _BUILDERS[type(shape)](shape)


def lowest(shape: spec.Shape, rotation: Floats) -> float:
    """How far the shape reaches below its center when turned by the (3, 3) `rotation`, meters."""
    return -float((geometry(shape).hull @ rotation.T)[:, 2].min())


@functools.lru_cache(maxsize=32)
def figure(height: float) -> Geometry:
    """A standing person of a height in meters: legs, trunk, arms and head; it looks along +x."""
    parts = [  # radius, half length and center as shares of the height
        *((0.045, 0.2, (0.0, side * 0.055, 0.245 - 0.5)) for side in (-1.0, 1.0)),
        (0.085, 0.11, (0.0, 0.0, 0.655 - 0.5)),
        *((0.03, 0.16, (0.0, side * 0.125, 0.62 - 0.5)) for side in (-1.0, 1.0)),
    ]
    solids = [
        Solid(
            "capsule",
            (radius * height, half * height),
            height * np.array(center),
            math.pi * (radius * height) ** 2 * (2.0 * half + 4.0 / 3.0 * radius) * height,
        )
        for radius, half, center in parts
    ]
    head = 0.065 * height
    middle = np.array([0.0, 0.0, height / 2.0 - head])
    solids.append(Solid("sphere", (head,), middle, 4.0 / 3.0 * math.pi * head**3))
    size = np.array([0.17, 0.31, 1.0]) * height
    corners = np.array(np.meshgrid(*[(-0.5, 0.5)] * 3)).reshape(3, -1).T * size
    return Geometry(size, tuple(solids), None, corners, rolls=False)


def _box(shape: spec.Box) -> Geometry:
    size = np.asarray(shape.size)
    corners = np.array(np.meshgrid(*[(-0.5, 0.5)] * 3)).reshape(3, -1).T * size
    return _primitive("box", tuple(size / 2.0), float(size.prod()), size, corners, rolls=False)


def _sphere(shape: spec.Sphere) -> Geometry:
    size = np.full(3, 2.0 * shape.radius)
    hull = superquadric(size, 1.0, 1.0).vertices
    volume = 4.0 / 3.0 * math.pi * shape.radius**3
    return _primitive("sphere", (shape.radius,), volume, size, hull, rolls=True)


def _ellipsoid(shape: spec.Ellipsoid) -> Geometry:
    size = np.asarray(shape.size)
    hull = superquadric(size, 1.0, 1.0).vertices
    volume = math.pi / 6.0 * float(size.prod())
    return _primitive("ellipsoid", tuple(size / 2.0), volume, size, hull, rolls=True)


def _cylinder(shape: spec.Cylinder) -> Geometry:
    r, h = shape.radius, shape.height
    hull = revolve([(0.0, -h / 2), (r, -h / 2), (r, h / 2), (0.0, h / 2)]).vertices
    size = np.array([2 * r, 2 * r, h])
    return _primitive("cylinder", (r, h / 2), math.pi * r**2 * h, size, hull, rolls=True)


def _capsule(shape: spec.Capsule) -> Geometry:
    r, h = shape.radius, shape.height
    ball = superquadric((2 * r, 2 * r, 2 * r), 1.0, 1.0).vertices
    hull = ball + np.where(ball[:, 2:] >= 0, h / 2, -h / 2) * np.array([0.0, 0.0, 1.0])
    volume = math.pi * r**2 * (h + 4.0 / 3.0 * r)
    size = np.array([2 * r, 2 * r, h + 2 * r])
    return _primitive("capsule", (r, h / 2), volume, size, hull, rolls=True)


def _superquadric(shape: spec.Superquadric) -> Geometry:
    mesh = superquadric(shape.size, shape.north_south, shape.east_west)
    hull = ConvexHull(mesh.vertices)
    solid = Solid("mesh", (), np.zeros(3), float(hull.volume), mesh=mesh)
    rolls = shape.north_south > 0.5 or shape.east_west > 0.5
    return Geometry(np.asarray(shape.size), (solid,), mesh, mesh.vertices, rolls)


def _revolution(shape: spec.Revolution) -> Geometry:
    outline = [(float(r), float(z)) for r, z in shape.profile]
    return _turned(outline, shape.wall)


def _bottle(shape: spec.Bottle) -> Geometry:
    r, h, n = shape.radius, shape.height, shape.neck_radius
    return _turned([(r, 0.0), (r, 0.6 * h), (0.85 * r, 0.68 * h), (n, 0.8 * h), (n, h)], 0.0)


def _bowl(shape: spec.Bowl) -> Geometry:
    angles = np.linspace(0.2, 1.0, 6) * math.pi / 2.0
    outline = [
        (
            shape.radius * math.sin(a),
            shape.height * (1.0 - math.cos(a)) / (1.0 - math.cos(angles[-1])),
        )
        for a in angles
    ]
    base = outline[0][1]
    return _turned([(r, z - base) for r, z in outline], shape.wall)


def _mug(shape: spec.Mug) -> Geometry:
    r, h = shape.radius, shape.height
    body = revolve(_closed([(r, 0.0), (r, h)], shape.wall))
    thick, reach = 0.12 * r + 0.002, 0.8 * r
    angles = np.linspace(-math.pi / 2.0, math.pi / 2.0, 9)
    low, high = 0.25 * h, 0.8 * h
    arc = np.stack(
        [
            r + reach * np.cos(angles) - thick,
            np.zeros(9),
            (low + high) / 2.0 + (high - low) / 2.0 * np.sin(angles),
        ],
        axis=1,
    )
    mesh = body + tube(arc, thick)
    center, size = mesh.box()
    solids = [
        Solid("cylinder", (r, h / 2), np.array([0.0, 0.0, h / 2]) - center, math.pi * r**2 * h),
        *(_rod(a, b, thick, center) for a, b in zip(arc[:-1:2], arc[2::2], strict=True)),
    ]
    skin = mesh.moved(-center)
    return Geometry(size, tuple(solids), skin, skin.vertices, rolls=True)


def _tee(shape: spec.Tee) -> Geometry:
    whole, thick, h = shape.length, shape.thickness, shape.height
    stem = whole - thick
    boxes = [
        ((whole / 2.0, thick / 2.0, h / 2.0), (0.0, stem / 2.0, 0.0)),
        ((thick / 2.0, stem / 2.0, h / 2.0), (0.0, -thick / 2.0, 0.0)),
    ]
    signs = np.array(np.meshgrid(*[(-1.0, 1.0)] * 3)).reshape(3, -1).T
    corners = np.concatenate([np.array(center) + signs * half for half, center in boxes])
    solids = [Solid("box", half, np.array(c), 8.0 * math.prod(half)) for half, c in boxes]
    return Geometry(np.array([whole, whole, h]), tuple(solids), None, corners, rolls=False)


def _rod(a: Floats, b: Floats, radius: float, origin: Floats) -> Solid:
    """A capsule between two points of the plane y = 0."""
    along = b - a
    length = float(np.linalg.norm(along))
    pitch = math.atan2(along[0], along[2])
    volume = math.pi * radius**2 * length
    return Solid("capsule", (radius, length / 2), (a + b) / 2.0 - origin, volume, pitch)


def _turned(outline: list[tuple[float, float]], wall: float) -> Geometry:
    """A body of revolution: drawn exactly, colliding as a pile of cylinders."""
    mesh = revolve(_closed(outline, wall))
    center, size = mesh.box()
    solids = []
    for radius, low, high in _slabs(outline):
        middle = np.array([0.0, 0.0, (low + high) / 2.0]) - center
        volume = math.pi * radius**2 * (high - low)
        solids.append(Solid("cylinder", (radius, (high - low) / 2.0), middle, volume))
    skin = mesh.moved(-center)
    return Geometry(size, tuple(solids), skin, skin.vertices, rolls=True)


def _slabs(outline: Sequence[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """(radius, low, high) of at most `_SLABS` cylinders that follow an outline from inside."""
    radii, heights = np.array(outline).T
    edges = (
        heights if len(outline) <= _SLABS + 1 else np.linspace(heights[0], heights[-1], _SLABS + 1)
    )
    slabs = []
    for low, high in itertools.pairwise(edges):
        if high > low:
            inside = np.interp(np.linspace(low, high, 5), heights, radii)
            slabs.append((float(inside.mean()), float(low), float(high)))
    return slabs


def _closed(outline: list[tuple[float, float]], wall: float) -> list[tuple[float, float]]:
    """Close an outline to the axis: with a lid, or hollow with walls of thickness `wall`."""
    bottom, top = outline[0][1], outline[-1][1]
    if wall <= 0.0:
        return [(0.0, bottom), *outline, (0.0, top)]
    inner = [(max(r - wall, wall), max(z, bottom + wall)) for r, z in reversed(outline)]
    return [(0.0, bottom), *outline, *inner, (0.0, bottom + wall)]


def _primitive(
    kind: Kind,
    numbers: tuple[float, ...],
    volume: float,
    size: Floats,
    hull: Floats,
    *,
    rolls: bool,
) -> Geometry:
    return Geometry(size, (Solid(kind, numbers, np.zeros(3), volume),), None, hull, rolls)


_BUILDERS: dict[type, Callable[[Any], Geometry]] = {
    spec.Box: _box,
    spec.Sphere: _sphere,
    spec.Cylinder: _cylinder,
    spec.Capsule: _capsule,
    spec.Ellipsoid: _ellipsoid,
    spec.Superquadric: _superquadric,
    spec.Revolution: _revolution,
    spec.Mug: _mug,
    spec.Bottle: _bottle,
    spec.Bowl: _bowl,
    spec.Tee: _tee,
}
