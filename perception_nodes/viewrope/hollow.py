"""The insides of cups, bowls and boxes, seen over a rim that hides part of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.viewrope.adjacency import Joins, Regions, members
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


@dataclass(frozen=True, slots=True)
class _Extent:
    """Where a region lies as seen by someone upright at the camera.

    Attributes:
        left, right: Bearings, radians.
        front, back: Horizontal distances, meters.
        top: Height, meters.
        pixels: How many.
        lid: How many of them look up and lie close to its top.
    """

    left: float
    right: float
    front: float
    back: float
    top: float
    pixels: int
    lid: int


def find_insides(surface: Surface, up: Floats, regions: Regions) -> Joins:
    """Pair regions that are the inside of a hollow thing with its outside.

    An inside does not bend outward, is hidden in part by the outside or meets it in a crease, and
    lies in the room behind it: not wider, not higher and no deeper than both are wide. An outside
    has no lid. Where sensors lose the rim, the outside is what remains of it: pieces that the
    inside is as wide and high as.
    """
    curvature = _curvature(surface, regions.labels, len(regions.linked))
    size = np.bincount(regions.labels.ravel(), minlength=len(regions.linked))
    size[0] = 0
    length = np.maximum(regions.length.sum(axis=1), 1.0)
    beside = regions.behind + regions.linked
    beside[:, 0] = 0.0
    pixels = members(regions.labels)
    forward = np.array([0.0, 0.0, 1.0]) - up * up[2]
    axes = np.column_stack((forward, np.cross(up, forward), up))
    extents: dict[int, _Extent] = {}

    def extent(region: int) -> _Extent:
        if region not in extents:
            extents[region] = _extent(surface, axes, pixels[region])
        return extents[region]

    joins = []
    for inside in np.flatnonzero((size >= _MIN_PIXELS) & (curvature < _CONVEX)).tolist():
        outside = int(beside[inside].argmax())
        hidden = beside[inside, outside] >= _BESIDE * length[inside]
        if hidden and _contains(extent(outside), extent(inside)):
            joins.append((inside, outside))
        if curvature[inside] < _CONCAVE:
            pieces = (size >= _MIN_PIECE) & (size < _PIECE * size[inside])
            for piece in np.flatnonzero(pieces & (beside[inside] >= _BESIDE * length)).tolist():
                if _completes(extent(piece), extent(inside)):
                    joins.append((inside, piece))
    return joins


def _contains(outside: _Extent, inside: _Extent) -> bool:
    slack = _SIDEWAYS_SLACK * (inside.right - inside.left)
    wide = outside.left <= inside.left + slack and outside.right >= inside.right - slack
    width = max(x.front * (x.right - x.left) for x in (inside, outside))
    near = inside.back - outside.front <= (1.0 + _DEPTH_SLACK) * width
    closed = outside.lid > max(_LID * outside.pixels, _LID_OVER * inside.pixels)
    return wide and near and inside.top < outside.top + _RIM_LEVEL and not closed


def _completes(piece: _Extent, inside: _Extent) -> bool:
    width = inside.right - inside.left
    within = piece.left > inside.left - 0.1 * width and piece.right < inside.right + 0.1 * width
    near = inside.back - piece.front <= (1.0 + _SIDEWAYS_SLACK) * width * inside.front
    return within and near and piece.top < inside.top + _RIM_LEVEL


def _extent(surface: Surface, axes: Floats, pixels: Ints) -> _Extent:
    """Of a region; the columns of `axes` (3, 3) are ahead, to the left (of one length) and up."""
    points = surface.points.reshape(-1, 3)[pixels].astype(np.float64)
    level = surface.normals.reshape(-1, 3)[pixels] @ axes[:, 2].astype(np.float32) > _LOOKS_UP
    x, y, height = (points @ axes).T
    bearing = np.arctan2(y, x)
    distance = np.sort(np.hypot(x, y) / np.linalg.norm(axes[:, 0]))
    top = float(np.sort(height)[int(0.98 * (len(height) - 1))])
    return _Extent(
        float(bearing.min()),
        float(bearing.max()),
        float(distance[int(0.02 * len(distance))]),
        float(distance[int(0.95 * len(distance))]),
        top,
        len(points),
        int((level & (height > top - _RIM_LEVEL)).sum()),
    )


def _curvature(surface: Surface, labels: Ints, count: int) -> Floats:
    """(K,) how fast normals turn along each region, 1/m: negative where it bends inward."""
    known: Bools = (labels > 0) & np.isfinite(surface.normals[..., 2])
    region = labels[known]
    points, normals = surface.points[known], surface.normals[known]
    size = np.maximum(np.bincount(region, minlength=count), 1)
    turn, spread = np.zeros(count), np.zeros(count)
    for axis in range(3):
        p, n = points[:, axis].astype(np.float64), normals[:, axis].astype(np.float64)
        p = p - (np.bincount(region, p, count) / size)[region]
        n = n - (np.bincount(region, n, count) / size)[region]
        turn += np.bincount(region, p * n, count)
        spread += np.bincount(region, p * p, count)
    return turn / np.maximum(spread, 1e-9)
