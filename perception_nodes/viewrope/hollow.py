"""The insides of cups, bowls and boxes, seen over a rim that hides part of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats, Ints
from perception_nodes.viewrope.adjacency import Joins, Regions
from perception_nodes.viewrope.surface import Surface

_CONVEX = 1.0  # 1/m: what bends outward more is a thing of its own
_BESIDE = 0.2
_SIDEWAYS_SLACK = 0.25
_DEPTH_SLACK = 0.5
_RIM_LEVEL = 0.03
_LID = 0.12
_LID_OVER = 0.3
_LOOKS_UP = 0.85
_MIN_PIXELS = 20
_CONCAVE = -2.0
_PIECE = 0.5
_MIN_PIECE = 6


class _Extent:
    """Where a region lies as seen by someone upright at the camera.

    Most regions are told apart by their bearings, so that the rest is computed when asked for.

    Attributes:
        left, right: Bearings, radians.
        front, back: Horizontal distances, meters.
        top: Height, meters.
        lid: How many of its pixels look up and lie close to its top.

    Args:
        surface: The depth image.
        axes: (3, 3) columns: ahead, to the left (both of one length) and up.
        pixels: (N,) flat indices.
    """

    def __init__(self, surface: Surface, axes: Floats, pixels: Ints) -> None:
        self.pixels = len(pixels)
        self._normals = surface.normals.reshape(-1, 3)
        self._where = pixels
        self._axes = axes
        points = surface.points.reshape(-1, 3).take(pixels, axis=0).astype(np.float64)
        self._x, self._y, self._height = axes.T @ points.T
        bearing = np.arctan2(self._y, self._x)
        self.left, self.right = float(bearing.min()), float(bearing.max())

    @cached_property
    def _distance(self) -> Floats:
        return np.asarray(np.hypot(self._x, self._y) / np.linalg.norm(self._axes[:, 0]))

    @cached_property
    def front(self) -> float:
        return _ranked(self._distance, int(0.02 * self.pixels))

    @cached_property
    def back(self) -> float:
        return _ranked(self._distance, int(0.95 * self.pixels))

    @cached_property
    def top(self) -> float:
        return _ranked(self._height, int(0.98 * (self.pixels - 1)))

    @cached_property
    def lid(self) -> int:
        up = self._axes[:, 2].astype(np.float32)
        level = self._normals.take(self._where, axis=0) @ up > _LOOKS_UP
        return int((level & (self._height > self.top - _RIM_LEVEL)).sum())


class InsideFinder:
    """Pairs regions that are the inside of a hollow thing with its outside.

    An inside does not bend outward, is hidden in part by the outside or meets it in a crease, and
    lies in the room behind it: not wider, not higher and no deeper than both are wide. An outside
    has no lid. Where sensors lose the rim, the outside is what remains of it: pieces that the
    inside is as wide and high as.

    What was measured of a region is kept while others are joined.

    Args:
        surface: The depth image.
        up: (3,) in the optical frame.
        labels: (h, w) regions before any are joined, 0 for background.
    """

    def __init__(self, surface: Surface, up: Floats, labels: Ints) -> None:
        self._surface = surface
        forward = np.array([0.0, 0.0, 1.0]) - up * up[2]
        self._axes = np.column_stack((forward, np.cross(up, forward), up))
        self._bends = _Bends(surface, labels)
        self._extents: dict[tuple[int, int], _Extent] = {}

    def find(self, regions: Regions) -> Joins:
        """The pairs (inside, outside) among regions."""
        curvature = self._bends.of(regions)
        pixels = regions.members
        size = pixels.sizes.copy()
        size[0] = 0
        length = np.maximum(regions.length.sum(axis=1), 1.0)
        beside = regions.behind + regions.linked
        beside[:, 0] = 0.0
        joins = []
        for inside in np.flatnonzero((size >= _MIN_PIXELS) & (curvature < _CONVEX)).tolist():
            outside = int(beside[inside].argmax())
            hidden = beside[inside, outside] >= _BESIDE * length[inside]
            if hidden and _contains(self._extent(pixels[outside]), self._extent(pixels[inside])):
                joins.append((inside, outside))
            if curvature[inside] < _CONCAVE:
                pieces = (size >= _MIN_PIECE) & (size < _PIECE * size[inside])
                for piece in np.flatnonzero(pieces & (beside[inside] >= _BESIDE * length)).tolist():
                    if _completes(self._extent(pixels[piece]), self._extent(pixels[inside])):
                        joins.append((inside, piece))
        return joins

    def _extent(self, pixels: Ints) -> _Extent:
        key = (int(pixels[0]), len(pixels))  # regions only grow, so this tells them apart
        if key not in self._extents:
            self._extents[key] = _Extent(self._surface, self._axes, pixels)
        return self._extents[key]


def _ranked(values: Floats, place: int) -> float:
    """The value at a place of the order of size."""
    return float(np.partition(values, place)[place])


def _contains(outside: _Extent, inside: _Extent) -> bool:
    slack = _SIDEWAYS_SLACK * (inside.right - inside.left)
    if outside.left > inside.left + slack or outside.right < inside.right - slack:
        return False
    width = max(x.front * (x.right - x.left) for x in (inside, outside))
    if inside.back - outside.front > (1.0 + _DEPTH_SLACK) * width:
        return False
    if inside.top >= outside.top + _RIM_LEVEL:
        return False
    return outside.lid <= max(_LID * outside.pixels, _LID_OVER * inside.pixels)


def _completes(piece: _Extent, inside: _Extent) -> bool:
    width = inside.right - inside.left
    if piece.left <= inside.left - 0.1 * width or piece.right >= inside.right + 0.1 * width:
        return False
    if inside.back - piece.front > (1.0 + _SIDEWAYS_SLACK) * width * inside.front:
        return False
    return piece.top < inside.top + _RIM_LEVEL


class _Bends:
    """How fast normals turn along regions, from sums that stay valid when regions are joined."""

    def __init__(self, surface: Surface, labels: Ints) -> None:
        flat, count = labels.ravel(), int(labels.max()) + 1
        known = np.flatnonzero((labels > 0) & np.isfinite(surface.normals[..., 2]))
        region = flat[known]
        terms: list[Any] = [np.ones(len(region))]
        for axis in range(3):
            p, n = (
                image.reshape(-1, 3)[:, axis].take(known).astype(np.float64)
                for image in (surface.points, surface.normals)
            )
            terms += [p, n, p * n, p * p]
        self._sums = [np.bincount(region, term, count) for term in terms]
        self._pixel = np.zeros(count, dtype=np.intp)  # one of each region
        self._pixel[flat] = np.arange(flat.size)

    def of(self, regions: Regions) -> Floats:
        """(K,) of regions made from those given before, 1/m: negative where they bend inward."""
        count = regions.count
        groups = regions.labels.ravel()[self._pixel]
        size, *sums = (np.bincount(groups, row, count) for row in self._sums)
        size = np.maximum(size, 1.0)
        turn, spread = np.zeros(count), np.zeros(count)
        for p, n, pn, pp in zip(*(sums[k::4] for k in range(4)), strict=True):
            turn += pn - p * n / size
            spread += pp - p * p / size
        return np.asarray(turn / np.maximum(spread, 1e-9))
