"""Closed triangle meshes of the shapes that are not primitives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats, Ints

_TURN = 32


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles: (V, 3) vertices in meters and (F, 3) indices, counter-clockwise from outside."""

    vertices: Floats
    faces: Ints

    def __add__(self, other: Mesh) -> Mesh:
        """Both meshes in one."""
        return Mesh(
            np.concatenate([self.vertices, other.vertices]),
            np.concatenate([self.faces, other.faces + len(self.vertices)]),
        )

    def moved(self, offset: Floats) -> Mesh:
        """The mesh shifted by `offset` (3,)."""
        return Mesh(self.vertices + offset, self.faces)

    def box(self) -> tuple[Floats, Floats]:
        """Center (3,) and full extents (3,) of the axis-aligned box around it."""
        low, high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        return (low + high) / 2.0, high - low


def revolve(outline: Sequence[tuple[float, float]]) -> Mesh:
    """Turn an outline about z.

    Args:
        outline: (radius, height) pairs; the first and the last lie on the axis (radius 0), and the
            solid lies to the left of the way, that is, it runs counter-clockwise.
    """
    rings = np.asarray(outline[1:-1], dtype=np.float64)
    angles = np.linspace(0.0, 2.0 * np.pi, _TURN, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    body = np.concatenate(
        [
            rings[:, None, :1] * circle[None],
            np.broadcast_to(rings[:, None, 1:], (len(rings), _TURN, 1)),
        ],
        axis=2,
    ).reshape(-1, 3)
    poles = [[0.0, 0.0, outline[0][1]], [0.0, 0.0, outline[-1][1]]]
    first, last = len(body), len(body) + 1
    step = np.arange(_TURN)
    after = (step + 1) % _TURN
    top = (len(rings) - 1) * _TURN
    faces = [
        np.stack([np.full(_TURN, first), after, step], axis=1),
        np.stack([np.full(_TURN, last), top + step, top + after], axis=1),
        _bands(len(rings), _TURN),
    ]
    return Mesh(np.concatenate([body, poles]), np.concatenate(faces))


def superquadric(size: Sequence[float] | Floats, north_south: float, east_west: float) -> Mesh:
    """A superellipsoid with full extents `size` (3,) and exponents as in Barr (1981)."""
    latitudes = np.linspace(-np.pi / 2.0, np.pi / 2.0, 17)
    angles = np.linspace(0.0, 2.0 * np.pi, _TURN, endpoint=False)

    def power(values: Floats, exponent: float) -> Floats:
        return np.sign(values) * np.abs(values) ** exponent

    ring = np.stack([power(np.cos(angles), east_west), power(np.sin(angles), east_west)], axis=1)
    inner = latitudes[1:-1]
    radius, height = power(np.cos(inner), north_south), power(np.sin(inner), north_south)
    unit = revolve([(0.0, -1.0), *zip(radius, height, strict=True), (0.0, 1.0)])
    vertices = unit.vertices.copy()
    vertices[:-2, :2] = (radius[:, None, None] * ring[None]).reshape(-1, 2)
    return Mesh(vertices * np.asarray(size) / 2.0, unit.faces)


def tube(path: Floats, radius: float) -> Mesh:
    """A round tube with closed ends along a (P, 3) path that lies in the plane y = 0."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.array([0.0, 1.0, 0.0])
    up = np.cross(along, across)
    sides = 8
    angles = np.linspace(0.0, 2.0 * np.pi, sides, endpoint=False)
    rings = path[:, None] + radius * (
        np.cos(angles)[None, :, None] * across + np.sin(angles)[None, :, None] * up[:, None]
    )
    vertices = np.concatenate([rings.reshape(-1, 3), path[:1], path[-1:]])
    step, after = np.arange(sides), (np.arange(sides) + 1) % sides
    first, last = len(vertices) - 2, len(vertices) - 1
    top = (len(path) - 1) * sides
    ends = [
        np.stack([np.full(sides, first), after, step], axis=1),
        np.stack([np.full(sides, last), top + step, top + after], axis=1),
    ]
    return Mesh(vertices, np.concatenate([*ends, _bands(len(path), sides)]))


def _bands(rings: int, sides: int) -> Ints:
    """Triangles between consecutive rings of `sides` vertices each."""
    low = (np.arange(rings - 1) * sides)[:, None]
    step = np.arange(sides)[None]
    after = (step + 1) % sides
    quads = [low + step, low + after, low + sides + after, low + sides + step]
    a, b, c, d = (q.reshape(-1) for q in quads)
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
