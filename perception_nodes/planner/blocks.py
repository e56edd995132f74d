"""Objects as the physics prior knows them: upright prisms on a support."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.scene import UNKNOWN_ROUNDNESS, Gaussian, ObjectState

GRAVITY = 9.81
_STACKED = 0.02
CORNER = 1.0 - math.sqrt(0.5)
"""How much farther in a round corner is than a sharp one, along each side, over its radius."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """N objects.

    Attributes:
        ids: Their ids.
        poses: (N, 3) x, y and heading of their boxes, world frame.
        velocities: (N, 3) of the same.
        heights: (N, 2) bottom and top, m, world frame.
        parts: (N, K, 5) centers, half extents and radii of the corners of the rectangles of their
            footprints, in the frame of the box; a part with negative extents is none.
        mass: (N,) kg.
        friction: (N,) coefficient.
        turning: (N,) L^2 of the limit surface, see `contact`, m^2.
        deviation: (N,) of the level position, m.
        carriers: (N, N) 1 where the object of the row stands on that of the column.
    """

    ids: tuple[str, ...]
    poses: Floats
    velocities: Floats
    heights: Floats
    parts: Floats
    mass: Floats
    friction: Floats
    turning: Floats
    deviation: Floats
    carriers: Floats

    @property
    def load(self) -> Floats:
        """(N,) the level force that makes each slide, N."""
        return self.friction * self.mass * GRAVITY


def upright(item: ObjectState) -> tuple[Floats, Floats]:
    """An object as an upright box.

    The axis of its box that is nearest to the vertical counts as vertical, so that a box that lies
    on its side has the heading and the extents that it has from above.

    Returns:
        (4,) x, y, z of its center and heading in -pi..pi; (3,) half extents along the heading, to
        its left, and up; world frame.
    """
    turn = item.pose.rotation
    up = int(np.argmax(np.abs(turn[2])))
    ahead, left = (up + 1) % 3, (up + 2) % 3
    heading = math.atan2(turn[1, ahead], turn[0, ahead])
    place = np.append(item.position, heading)
    return place, item.size[[ahead, left, up]] / 2.0


def upright_roundness(item: ObjectState) -> float:
    """Chance that the surface is round about the axis of the box nearest to the vertical."""
    return float(item.roundness[int(np.argmax(np.abs(item.pose.rotation[2])))])


def blocks_of(objects: Sequence[ObjectState], shapes: Mapping[str, Floats] | None = None) -> Blocks:
    """What the prior needs of objects.

    Args:
        objects: All numbers are finite.
        shapes: By id (K, 4), rectangles that footprints are known to be made of; others are the
            rectangle of the box, or round if the surface looks so.
    """
    shapes = shapes or {}
    boxes = [upright(item) for item in objects]
    known = [
        _sharp(shapes[item.id]) if item.id in shapes else _footprint(item, half)
        for item, (_, half) in zip(objects, boxes, strict=True)
    ]
    most = max((len(parts) for parts in known), default=1)
    padding = np.array([[0.0, 0.0, -1e3, -1e3, 0.0]])
    parts = [np.concatenate([p, *[padding] * (most - len(p))]) for p in known]
    heights = [(place[2] - half[2], place[2] + half[2]) for place, half in boxes]
    poses = np.array([place[[0, 1, 3]] for place, _ in boxes]).reshape(-1, 3)
    bounds = np.array(heights).reshape(-1, 2)
    speeds = [(*i.velocity[:2], i.angular_velocity[2]) for i in objects]
    spread = [math.sqrt(max(np.trace(i.pose_covariance[:2, :2]) / 2.0, 0.0)) for i in objects]
    stacked = np.array(parts).reshape(-1, most, 5)
    return Blocks(
        ids=tuple(item.id for item in objects),
        poses=poses,
        velocities=np.array(speeds).reshape(-1, 3),
        heights=bounds,
        parts=stacked,
        mass=np.array([_expected(item.log_mass) for item in objects]),
        friction=np.array([_expected(item.log_friction) for item in objects]),
        turning=np.array([turning(p) for p in known]),
        deviation=np.array(spread),
        carriers=_carriers(poses, bounds, stacked),
    )


def turning(parts: Floats) -> float:
    """L^2 of a footprint (K, 5), m^2, by the mean distance of its corners from the center.

    What stands on a table stands on its corners: little bends, and bottoms are a little hollow.
    What is round stands on its rim.
    """
    solid = parts[parts[:, 2] > 0.0]
    diagonal = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])
    inner = solid[:, None, 2:4] - CORNER * solid[:, None, 4:]
    corners = solid[:, None, :2] + diagonal * inner
    return max(float(np.hypot(corners[..., 0], corners[..., 1]).mean()) ** 2, 1e-6)


def _sharp(rectangles: Floats) -> Floats:
    return np.column_stack((rectangles, np.zeros(len(rectangles))))


def _footprint(item: ObjectState, half: Floats) -> Floats:
    """(1, 5) of the box; round where the surface is likelier round about the vertical than not."""
    radius = float(half[:2].min()) if upright_roundness(item) > UNKNOWN_ROUNDNESS else 0.0
    return np.array([[0.0, 0.0, half[0], half[1], radius]])


def _expected(log: Gaussian) -> float:
    """The median of a belief about a logarithm."""
    return math.exp(log.mean)


def _carriers(poses: Floats, heights: Floats, parts: Floats) -> Floats:
    """Whose bottom is at another's top, with its center above it: the highest such."""
    count = len(poses)
    found = np.zeros((count, count))
    for i in range(count):
        offset = poses[i, :2] - poses[:, :2]
        c, s = np.cos(poses[:, 2]), np.sin(poses[:, 2])
        local = np.stack((c * offset[:, 0] + s * offset[:, 1], c * offset[:, 1] - s * offset[:, 0]))
        inside = np.abs(local.T[:, None] - parts[..., :2]) < parts[..., 2:4]
        below = np.abs(heights[:, 1] - heights[i, 0]) < _STACKED
        able = inside.all(axis=-1).any(axis=-1) & below & (np.arange(count) != i)
        if able.any():
            found[i, int(np.flatnonzero(able)[np.argmax(heights[able, 1])])] = 1.0
    return found
