"""Large planes: what things stand on (support) and what is behind them (walls)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.viewrope.surface import Surface

_STRIDE = 4
_HYPOTHESES = 24
_VOTERS = 1000
_MAX_PLANES = 8
_MIN_SAMPLES = 30
_SAME_DIRECTION = 0.9  # cosine of 26 degrees, between a normal and its plane's
_LEVEL = 0.966  # cosine of 15 degrees
_BASE_TOLERANCE = 0.005
_NOISE_TOLERANCE = (1.2, 3.0)
_BIG_AREA = 0.2
_BIG_FACE = 0.5
_BELOW = 0.03
_PATCH = 0.03
_WALL_PATCH = 0.15
_VAGUE = 0.04
_NO_WALL = 0.2
_MUCH_LARGER = 3.0
_UPRIGHT_CAMERA = np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The points p with normal @ p + offset = 0, optical frame; the camera is at offset > 0.

    Attributes:
        normal: (3,) unit vector towards the camera.
        offset: Distance of the camera, meters.
        area: Of the part that is seen, square meters.
        extent: Longest extent of its largest connected part, meters.
        face: Area of that part, square meters.
        above: Part of the other readings that lie on the camera's side of it.
    """

    normal: Floats
    offset: float
    area: float
    extent: float
    face: float
    above: float

    def height(self, points: Floats) -> Floats:
        """Signed distance of points (..., 3), positive on the camera's side."""
        return np.asarray(points @ self.normal.astype(points.dtype) + self.offset)


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """What is no object.

    Attributes:
        mask: (h, w) pixels that belong to background planes.
        supports: Planes that things stand on, the main one first.
        walls: Other planes that are too large for an object.
        up: (3,) direction away from the support, optical frame.
    """

    mask: Bools
    supports: tuple[Plane, ...]
    walls: tuple[Plane, ...]
    up: Floats

    def clearance(self, points: Floats) -> Floats:
        """(N,) heights of (N, 3) points above the nearest support below them; inf without one."""
        result = np.full(len(points), np.inf)
        for plane in self.supports:
            height = plane.height(points)
            np.minimum(result, height, out=result, where=height > -_BELOW)
        return result


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """N pixels of a coarse grid.

    `moments` (N, 13) float64 are 1, the coordinates and their nine products, each weighted by the
    inverse variance of a depth: any set of samples has a plane that is a function of their sum.
    """

    points: Floats
    normals: Floats
    tolerance: Floats
    area: Floats
    moments: Floats
    where: tuple[Ints, ...]
    shape: tuple[int, int]


def tolerance(surface: Surface, depth: Floats) -> Floats:
    """How far from a plane a point of it may be measured, meters.

    Near the camera smoothing removes most noise; far away errors of neighbors go together.
    """
    spread = surface.noise * np.square(depth)
    return np.asarray(_BASE_TOLERANCE + spread * np.clip(0.6 * depth, *_NOISE_TOLERANCE))


def find_background(
    surface: Surface, up: Floats | None, known: tuple[Plane, ...], max_extent: float
) -> Background:
    """Find support and walls.

    Args:
        surface: The depth image.
        up: (3,) away from the ground in the optical frame, where the camera's pose tells it.
        known: Planes of the previous frame, tried first.
        max_extent: What is larger than this is no object, meters.

    Returns:
        The background; without supports where there is no plane that things could stand on.
    """
    samples = _sample(surface)
    inliers = _detect(samples, known)
    planes = list(inliers)
    support = _main_support(planes, up)
    if support is not None and (up is None or support.normal @ up < _LEVEL):
        up = support.normal
    elif up is None:
        up = _UPRIGHT_CAMERA
    large = [p for p in planes if p.extent > max_extent]
    rest = [p for p in planes if p is not support]
    level = [p for p in rest if p.normal @ up > _LEVEL and (p in large or p.area > _BIG_AREA)]
    supports = level if support is None else [support, *level]
    # Several upright things may have sides in one plane by chance, so each part counts alone.
    upright = [p for p in rest if p.normal @ up <= _LEVEL]
    walls = [p for p in upright if p in large or p.face > _BIG_FACE]
    lowest = max(supports, key=lambda p: p.offset, default=None)
    mask = np.zeros(surface.disparity.shape, dtype=bool)
    limit = tolerance(surface, surface.points[..., 2])
    for plane in supports:
        part = _belongs(surface, plane, limit)
        on = inliers[plane]
        mask |= part if plane is lowest else part & _patches(samples, on, surface, _PATCH)
    for plane in walls:
        part = np.abs(plane.height(surface.points)) < limit
        mask |= part & _patches(samples, inliers[plane], surface, _WALL_PATCH)
    return Background(mask, tuple(supports), tuple(walls), up)


def _belongs(surface: Surface, plane: Plane, limit: Floats) -> Bools:
    """Pixels on a support, but not the lower ends of what stands on it.

    The normals tell, except where they are too noisy, or so close to the plane that they are
    disturbed by the edge.
    """
    height = np.abs(plane.height(surface.points))
    along = surface.normals @ plane.normal.astype(np.float32)
    vague = (height < 0.5 * limit) | np.isnan(along) | (limit > _VAGUE)
    return np.asarray((height < limit) & ((along > 0.8) | vague))


def _patches(samples: _Samples, inliers: Bools, surface: Surface, smallest: float) -> Bools:
    """(h, w) around the parts of a plane, square meters, that are too large for an object's.

    Elsewhere a thing may touch the infinite plane by chance, as one as high as a shelf does, or one
    that stands where a screen would go on. What is left of a wall is sorted out later.
    """
    parts, part = _connected(samples, inliers)
    area = np.bincount(part, samples.area[inliers], int(parts.max()) + 1)
    area[0] = 0.0
    grid = cv2.dilate((area >= smallest)[parts].astype(np.uint8), np.ones((3, 3), np.uint8))
    height, width = surface.disparity.shape
    full = cv2.resize(grid, None, fx=_STRIDE, fy=_STRIDE, interpolation=cv2.INTER_NEAREST)
    return np.asarray(full[:height, :width] > 0)


def _sample(surface: Surface) -> _Samples:
    points = surface.points[::_STRIDE, ::_STRIDE]
    normals = surface.normals[::_STRIDE, ::_STRIDE]
    known = np.isfinite(normals[..., 2])
    p, n = points[known], normals[known]
    depth = p[:, 2]
    distance = np.linalg.norm(p, axis=1)
    slant = np.abs((p * n).sum(axis=1)) / distance
    cell = (_STRIDE * depth / surface.camera.fx) ** 2
    area = cell / np.maximum(slant, 0.1)
    limit = 2.0 * tolerance(surface, depth)
    return _Samples(p, n, limit, area, _moments(p), np.nonzero(known), known.shape)


def _moments(points: Floats) -> Floats:
    """The variance of a depth grows with its fourth power."""
    exact = points.astype(np.float64)
    terms = np.ones((len(exact), 13))
    terms[:, 1:4] = exact
    np.multiply(exact[:, :, None], exact[:, None, :], out=terms[:, 4:].reshape(-1, 3, 3))
    terms /= np.square(np.square(exact[:, 2:]))
    return terms


def _detect(samples: _Samples, known: tuple[Plane, ...]) -> dict[Plane, Bools]:
    """Planes by consensus, those with the largest area first, with the samples on each."""
    free = np.ones(len(samples.points), dtype=bool)
    planes: dict[Plane, Bools] = {}
    while len(planes) < _MAX_PLANES:
        best = _most_popular(samples, np.flatnonzero(free), known)
        known = ()
        if best is None:
            break
        plane, inliers = _refine(samples, *best, free)
        if plane is None:
            break
        planes[plane] = inliers
        free &= ~inliers
    return planes


def _most_popular(
    samples: _Samples, free: Ints, known: tuple[Plane, ...]
) -> tuple[Floats, float] | None:
    """Normal and offset of the plane that most of the area of the free samples agrees with."""
    if len(free) < _MIN_SAMPLES:
        return None
    chosen = free[np.linspace(0, len(free) - 1, _HYPOTHESES).astype(np.intp)]
    normals = np.concatenate([samples.normals[chosen], *(k.normal[None] for k in known)])
    offsets = -(samples.normals[chosen] * samples.points[chosen]).sum(axis=1)
    offsets = np.concatenate([offsets, [k.offset for k in known]]).astype(np.float32)
    normals = normals.astype(np.float32)
    voters = free[:: max(1, len(free) // _VOTERS)]
    height = np.abs(samples.points[voters] @ normals.T + offsets)
    agrees = (height < samples.tolerance[voters, None]) & (
        samples.normals[voters] @ normals.T > _SAME_DIRECTION
    )
    best = int((samples.area[voters] @ agrees.astype(np.float32)).argmax())
    return normals[best].astype(np.float64), float(offsets[best])


def _refine(
    samples: _Samples, normal: Floats, offset: float, free: Bools
) -> tuple[Plane | None, Bools]:
    """Fit a plane to the free samples that agree with it; None where too few do."""
    for _ in range(3):
        height, inliers = _agreeing(samples, normal, offset, free)
        if inliers.sum() < _MIN_SAMPLES:
            return None, inliers
        total = inliers @ samples.moments
        center, products = total[1:4] / total[0], total[4:].reshape(3, 3) / total[0]
        normal = np.linalg.eigh(products - np.outer(center, center))[1][:, 0]
        normal = normal if normal @ center < 0 else -normal
        offset = -float(normal @ center)
    height, inliers = _agreeing(samples, normal, offset, free)
    if inliers.sum() < _MIN_SAMPLES:
        return None, inliers
    others = ~inliers
    above = float((height[others] > samples.tolerance[others]).mean()) if others.any() else 0.0
    area = float(samples.area[inliers].sum())
    return Plane(normal, offset, area, *_largest_part(samples, inliers), above), inliers


def _agreeing(
    samples: _Samples, normal: Floats, offset: float, free: Bools
) -> tuple[Floats, Bools]:
    """Height of all samples above a plane, and which free ones lie on it."""
    height = samples.points @ normal.astype(np.float32) + np.float32(offset)
    aligned = samples.normals @ normal.astype(np.float32) > _SAME_DIRECTION
    return height, free & (np.abs(height) < samples.tolerance) & aligned


def _largest_part(samples: _Samples, inliers: Bools) -> tuple[float, float]:
    """The longest extent of the largest connected part, meters, and its area, square meters."""
    _, part = _connected(samples, inliers)
    in_part = part == np.bincount(part).argmax()
    largest = samples.points[inliers][in_part]
    center = largest - largest.mean(axis=0)
    axis = np.linalg.eigh((center.T @ center).astype(np.float64))[1][:, 2]
    along = np.sort(center @ axis)
    low, high = np.interp(np.array([0.02, 0.98]) * (len(along) - 1), np.arange(len(along)), along)
    return float(high - low), float(samples.area[inliers][in_part].sum())


def _connected(samples: _Samples, inliers: Bools) -> tuple[Ints, Ints]:
    """Connected parts of some samples: their image, and the part of each."""
    grid = np.zeros(samples.shape, dtype=np.uint8)
    rows, columns = (w[inliers] for w in samples.where)
    grid[rows, columns] = 1
    _, parts = cv2.connectedComponents(cv2.dilate(grid, np.ones((3, 3), np.uint8)))
    return np.asarray(parts, dtype=np.int32), np.asarray(parts[rows, columns], dtype=np.int32)


def _main_support(planes: list[Plane], up: Floats | None) -> Plane | None:
    """The plane that most of the rest stands on.

    Without gravity it is one that looks upwards in the image. So it may be with gravity if it is
    much larger than any level one, since maps may begin at the first camera instead of on the
    ground; but what is upright by gravity is then still a wall.
    """

    def weight(plane: Plane) -> float:
        size = plane.area * (0.1 + plane.above)
        slope = 0.0 if up is None else float(plane.normal @ up)
        if slope > _LEVEL:
            return size
        looks_up = -plane.normal[1] > 0.2 or -plane.normal[2] > 0.9
        trusted = up is None or abs(slope) > _NO_WALL
        return size / _MUCH_LARGER if looks_up and trusted else 0.0

    best = max(planes, key=weight, default=None)
    return best if best is not None and weight(best) > 0.0 else None
