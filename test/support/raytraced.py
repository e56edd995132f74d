"""Depth images of simple solids, by intersecting rays: exact, with noise on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame

CAMERA = Camera(640, 480, 560.0, 560.0, 319.5, 239.5)


@dataclass(frozen=True)
class Cuboid:
    """A box with full extents `size`, turned about the vertical by `yaw`."""

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0

    def distance(self, origin: Floats, rays: Floats) -> Floats:
        """Along each ray (..., 3) to the surface; infinite where it misses."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        start, direction = (origin - self.center) @ turn, rays @ turn
        half = np.array(self.size) / 2.0
        first, second = (-half - start) / direction, (half - start) / direction
        enter = np.minimum(first, second).max(axis=-1)
        leave = np.maximum(first, second).min(axis=-1)
        return np.where((enter < leave) & (enter > 0), enter, np.inf)


@dataclass(frozen=True)
class Tube:
    """An upright cylinder; one that is `hollow` has a thin wall, a floor and no lid."""

    center: tuple[float, float, float]
    radius: float
    height: float
    hollow: bool = False

    @property
    def size(self) -> tuple[float, float, float]:
        """Extents of its box."""
        return (2 * self.radius, 2 * self.radius, self.height)

    def distance(self, origin: Floats, rays: Floats) -> Floats:
        """As for `Cuboid`."""
        x, y, z = origin - self.center
        dx, dy, dz = rays[..., 0], rays[..., 1], rays[..., 2]
        a, b = dx**2 + dy**2, x * dx + y * dy
        root = np.sqrt(b**2 - a * (x**2 + y**2 - self.radius**2))
        low, top = -self.height / 2.0, self.height / 2.0
        hits = []
        for t in ((-b - root) / a, (-b + root) / a):
            hits.append(np.where(np.abs(z + t * dz) <= top, t, np.inf))
        for level in (low + 0.008,) if self.hollow else (top,):
            t = (level - z) / dz
            inside = (x + t * dx) ** 2 + (y + t * dy) ** 2 <= self.radius**2
            hits.append(np.where(inside, t, np.inf))
        nearest = np.fmin.reduce([np.where(h > 0, h, np.inf) for h in hits])
        return np.asarray(nearest)


@dataclass(frozen=True)
class Ball:
    """A sphere."""

    center: tuple[float, float, float]
    radius: float

    @property
    def size(self) -> tuple[float, float, float]:
        """Extents of its box."""
        return (2 * self.radius,) * 3

    def distance(self, origin: Floats, rays: Floats) -> Floats:
        """As for `Cuboid`."""
        start = origin - self.center
        a, b = (rays**2).sum(axis=-1), rays @ start
        root = np.sqrt(b**2 - a * (start @ start - self.radius**2))
        t = (-b - root) / a
        return np.where(t > 0, t, np.inf)


Solid = Cuboid | Tube | Ball

TABLE = Cuboid((0.0, 0.0, -0.5), (4.0, 4.0, 1.0))
"""Its top is the plane z = 0."""
WALL = Cuboid((1.2, 0.0, 0.5), (0.1, 6.0, 3.0))


def look_at(eye: Sequence[float], target: Sequence[float]) -> Pose:
    """An optical frame (z forward, y down) at a place, looking at another; world z is up."""
    forward = np.subtract(target, eye).astype(float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return Pose(np.column_stack((right, np.cross(forward, right), forward)), np.array(eye, float))


VIEW = look_at((-0.8, 0.0, 0.7), (0.0, 0.0, 0.03))


def picture(
    objects: Sequence[Solid],
    surroundings: Sequence[Solid] = (TABLE,),
    pose: Pose = VIEW,
    noise: float = 0.0,
    seed: int = 0,
) -> tuple[Frame, Bytes]:
    """A frame and which object (number + 1) is at each pixel.

    `noise` is the standard deviation of a depth at 1 m; it grows with the square of the distance.
    """
    rays = CAMERA.rays().astype(float) @ pose.rotation.T
    with np.errstate(divide="ignore", invalid="ignore"):
        solids = [s.distance(pose.translation, rays) for s in (*objects, *surroundings)]
    depth = np.stack(solids) if solids else np.full((1, *rays.shape[:2]), np.inf)
    depth[np.isnan(depth)] = np.inf
    nearest = depth.argmin(axis=0)
    labels = np.where(nearest < len(objects), nearest + 1, 0).astype(np.uint8)
    depth = depth.min(axis=0)
    labels[~np.isfinite(depth)] = 0
    depth[~np.isfinite(depth)] = np.nan
    depth += np.random.default_rng(seed).normal(0.0, 1.0, depth.shape) * noise * depth**2
    color = np.zeros((*depth.shape, 3), dtype=np.uint8)
    color[..., 0] = 20 + 30 * labels
    return Frame(7, "camera", "optical", CAMERA, color, depth.astype(np.float32), pose), labels
