"""Join the surfaces that belong to one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.viewrope.pairs import Pairs
from perception_nodes.viewrope.planes import Background
from perception_nodes.viewrope.surface import Surface

FLAT = float(np.deg2rad(25.0))
"""A common border that bends inward by less, on average, does not separate objects."""

_MIN_CONTACT = 2
_HOLLOW = -2.0  # 1/m: bends inward with a radius below half a meter
_ENCLOSED = 0.8
_BESIDE = 0.2
_RIM_SLACK = 0.4
_RIM_LEVEL = 0.03
_HANGS = 0.015
_HANDLE = 0.5
_SIDE = 0.35
_MAX_REGIONS = 200
_MAX_HOLE = 1500

Joins = list[tuple[int, int]]


@dataclass(frozen=True, slots=True, eq=False)
class _Regions:
    """Regions and what lies beside them; row and column 0 of the tables are the background.

    Attributes:
        labels: (h, w) int32.
        linked: (K, K) number of neighboring pixels on one surface.
        bend: (K, K) sum of the concavity there, radians.
        height: (K, K) sum of the height there, meters.
        behind: (K, K) number of neighbors where the row's region is the farther of two surfaces.
    """

    labels: Ints
    linked: Floats
    bend: Floats
    height: Floats
    behind: Floats

    @property
    def length(self) -> Floats:
        """(K, K) length of the common border in pixels."""
        return np.asarray(self.linked + self.behind + self.behind.T)

    def joined(self, joins: Joins) -> _Regions:
        """The same with pairs of regions made one, numbered without gaps in the same order."""
        if not joins:
            return self
        parent = list(range(len(self.linked)))

        def root(i: int) -> int:
            while parent[i] != i:
                i = parent[i]
            return i

        for i, j in joins:
            low, high = sorted((root(i), root(j)))
            parent[high] = low
        roots = np.array([root(i) for i in range(len(parent))])
        _, groups = np.unique(roots, return_inverse=True)
        member = np.eye(int(groups.max()) + 1)[groups]
        apart = 1.0 - np.eye(member.shape[1])
        tables = (self.linked, self.bend, self.height, self.behind)
        return _Regions(
            groups.astype(np.int32)[self.labels], *(member.T @ t @ member * apart for t in tables)
        )


def merge(
    surface: Surface, background: Background, pairs: Pairs, labels: Ints, bend: Floats
) -> Ints:
    """Join the surfaces of each object.

    A part of the background that lies inside of an object is its floor; surfaces that continue
    each other or meet in an outward edge are one; the inside of a hollow thing belongs to the
    outside that hides part of it; what hangs at the side of something, such as a handle, is a part
    of it.

    Args:
        surface: The depth image.
        background: With the planes that things stand on.
        pairs: Neighboring pixels.
        labels: (h, w) surfaces from 1 on, 0 for background.
        bend: (h, w) concavity.

    Returns:
        (h, w) int32 labels without gaps.
    """
    labels = _largest(labels)
    count = int(labels.max()) + 1
    height = (surface.points @ background.up.astype(np.float32)).ravel()
    regions = _tabulate(pairs, _with_holes(surface, labels), bend.ravel(), height)
    regions = regions.joined(_floors(regions, count))
    regions = regions.joined(_continuing(regions))
    regions = regions.joined(_hollow(surface, background, regions, height))
    regions = regions.joined(_enclosed(regions))
    regions = regions.joined(_attached(surface, background, regions, height))
    return regions.labels


def _largest(labels: Ints) -> Ints:
    """Keep the largest regions, so that tables of pairs stay small."""
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")[:_MAX_REGIONS]
    order = order[sizes[order] > 0]
    number = np.zeros(len(sizes), dtype=np.int32)
    number[order] = np.arange(1, len(order) + 1)
    return number[labels]


def _with_holes(surface: Surface, labels: Ints) -> Ints:
    """Give small parts of the background that touch no image border labels of their own."""
    empty = (labels == 0) & surface.valid
    _, parts, stats, _ = cv2.connectedComponentsWithStats(empty.astype(np.uint8), connectivity=4)
    height, width = labels.shape
    x, y, w, h, area = stats.T
    small = (area <= _MAX_HOLE) & (x > 0) & (y > 0) & (x + w < width) & (y + h < height)
    small[0] = False
    small &= np.cumsum(small) <= _MAX_REGIONS
    number = np.where(small, np.cumsum(small) + labels.max(), 0)
    return np.where(empty, number[parts], labels).astype(np.int32)


def _tabulate(pairs: Pairs, labels: Ints, bend: Floats, height: Floats) -> _Regions:
    count = int(labels.max()) + 1
    flat = labels.ravel()
    a, b = flat[pairs.first], flat[pairs.second]
    differ = np.flatnonzero(a != b)
    a, b = a[differ].astype(np.intp), b[differ].astype(np.intp)
    first, second = pairs.first[differ], pairs.second[differ]
    linked, farther = pairs.linked[differ], pairs.farther[differ]
    sharp = linked * np.maximum(bend[first], bend[second])
    level = linked * (height[first] + height[second]) / 2.0

    def table(weight: Any, transposed: Any) -> Floats:
        total = np.bincount(a * count + b, weight, count * count)
        total += np.bincount(b * count + a, transposed, count * count)
        return np.asarray(total.reshape(count, count), dtype=np.float64)

    return _Regions(
        labels,
        table(linked, linked),
        table(sharp, sharp),
        table(level, level),
        table(farther > 0, farther < 0),
    )


def _floors(regions: _Regions, count: int) -> Joins:
    """Holes, which are the regions from `count` on: each with an object around it or dropped."""
    length = regions.length
    joins = []
    for hole in range(count, len(length)):
        linked = regions.linked[hole, 1:count]
        inside = length[hole, 1:count].sum() >= _ENCLOSED * length[hole].sum()
        joins.append((hole, 1 + int(linked.argmax()) if inside and linked.any() else 0))
    return joins


def _continuing(regions: _Regions) -> Joins:
    """Regions whose common border is flat or bends outward."""
    mean = regions.bend / np.maximum(regions.linked, 1.0)
    smooth = (regions.linked >= _MIN_CONTACT) & (mean < FLAT)
    smooth[0] = False
    return [(int(i), int(j)) for i, j in np.argwhere(smooth) if j > i]


def _hollow(surface: Surface, background: Background, regions: _Regions, height: Floats) -> Joins:
    """Regions that bend inward as a whole, each with the one whose rim hides part of it.

    The rim is about as wide and as high as the inside, which tells it from other things that stand
    in front.
    """
    curvature = _curvature(surface, regions.labels, len(regions.linked))
    length = regions.length.sum(axis=1)
    sideways = np.cross(background.up, [0.0, 0.0, 1.0]).astype(np.float32)

    def span(region: int) -> tuple[float, float, float]:
        pixels = np.flatnonzero(regions.labels == region)
        points = surface.points.reshape(-1, 3)[pixels]
        bearing = points @ sideways / points[:, 2]
        return float(bearing.min()), float(bearing.max()), float(height[pixels].max())

    joins = []
    for inside in np.flatnonzero(curvature < _HOLLOW).tolist():
        beside = regions.behind[inside] + regions.linked[inside]
        beside[0] = 0.0
        rim = int(beside.argmax())
        if rim == 0 or beside[rim] < _BESIDE * length[inside]:
            continue
        (left, right, top), (rim_left, rim_right, rim_top) = span(inside), span(rim)
        slack = _RIM_SLACK * (right - left)
        wide = rim_left <= left + slack and rim_right >= right - slack
        if wide and abs(rim_top - top) < _RIM_LEVEL:
            joins.append((inside, rim))
    return joins


def _extremes(region: Ints, values: Floats, count: int) -> tuple[Floats, Floats]:
    """(K,) least and greatest of the values of each region."""
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, region, values)
    np.maximum.at(high, region, values)
    return low, high


def _enclosed(regions: _Regions) -> Joins:
    """Regions that lie inside one other and hide nothing, such as the bottom of a cup."""
    length = regions.length
    total = length.sum(axis=1)
    hides = regions.behind.sum(axis=0)
    joins = []
    for region in range(1, len(total)):
        other = 1 + int(length[region, 1:].argmax())
        inside = length[region, other] >= _ENCLOSED * max(total[region], 1.0)
        if inside and hides[region] <= 0.1 * total[region]:
            joins.append((region, other))
    return joins


def _attached(surface: Surface, background: Background, regions: _Regions, height: Floats) -> Joins:
    """Small regions that touch no ground but the side of a larger one, such as a handle."""
    count = len(regions.linked)
    pixels = np.flatnonzero(regions.labels)
    if len(pixels) == 0:
        return []
    region = regions.labels.ravel()[pixels]
    size = np.bincount(region, minlength=count)
    near = background.clearance(surface.points.reshape(-1, 3)[pixels]) < _HANGS
    grounded = np.bincount(region[near], minlength=count) > 0.1 * size
    low, high = _extremes(region, height[pixels], count)
    level = regions.height / np.maximum(regions.linked, 1.0)
    joins = []
    for part in range(1, count):
        whole = 1 + int(regions.linked[part, 1:].argmax())
        on_side = level[part, whole] > low[part] + _SIDE * (high[part] - low[part])
        if (
            regions.linked[part, whole] >= _MIN_CONTACT
            and on_side
            and not grounded[part]
            and size[part] < _HANDLE * size[whole]
        ):
            joins.append((part, whole))
    return joins


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
