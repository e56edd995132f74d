"""Join the surfaces that belong to one object."""

from __future__ import annotations

import cv2
import numpy as np

from perception_nodes.arrays import Floats, Ints
from perception_nodes.viewrope.adjacency import Joins, Regions, tabulate
from perception_nodes.viewrope.hollow import InsideFinder
from perception_nodes.viewrope.pairs import Pairs
from perception_nodes.viewrope.planes import Background
from perception_nodes.viewrope.surface import Surface

FLAT = float(np.deg2rad(25.0))
"""A common border that bends inward by less, on average, does not separate objects."""

_EDGE = float(np.deg2rad(10.0))
_ALONG = 0.2
_BOARD = 0.15
_MIN_CONTACT = 2
_ENCLOSED = 0.8
_HANGS = 0.015
_HANDLE = 0.5
_SIDE = 0.35
_GROUNDED = 0.1
_HOLLOW_ROUNDS = 2
_MAX_REGIONS = 200
_MAX_HOLE = 1500


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
    if count == 1:
        return labels
    height = (surface.points @ background.up.astype(np.float32)).ravel()
    regions = tabulate(pairs, _with_holes(surface, labels), bend.ravel(), height)
    regions = regions.joined(_floors(regions, count))
    regions = regions.joined(_continuing(regions))
    regions = regions.joined(_sides(surface, background, regions))
    insides = InsideFinder(surface, background.up, regions.labels)
    for _ in range(_HOLLOW_ROUNDS):
        regions = regions.joined(insides.find(regions))
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


def _floors(regions: Regions, count: int) -> Joins:
    """Holes, which are the regions from `count` on: each with an object around it or dropped."""
    length, linked = regions.length[count:], regions.linked[count:, 1:count]
    inside = length[:, 1:count].sum(axis=1) >= _ENCLOSED * length.sum(axis=1)
    around = np.where(inside & linked.any(axis=1), 1 + linked.argmax(axis=1), 0)
    return list(enumerate(around.tolist(), count))


def _continuing(regions: Regions) -> Joins:
    """Regions whose common border is flat or bends outward."""
    mean = regions.bend / np.maximum(regions.linked, 1.0)
    smooth = (regions.linked >= _MIN_CONTACT) & (mean < FLAT)
    smooth[0] = False
    return [(int(i), int(j)) for i, j in np.argwhere(smooth) if j > i]


def _sides(surface: Surface, background: Background, regions: Regions) -> Joins:
    """The sides of tables and boards: they lie below a support and meet its edge outwardly."""
    mean = regions.bend[0] / np.maximum(regions.linked[0], 1.0)
    along = regions.linked[0] > _ALONG * regions.length.sum(axis=0)
    pixels = regions.members
    joins = []
    for region in np.flatnonzero(along & (mean < _EDGE)).tolist():
        points = surface.points.reshape(-1, 3).take(pixels[region], axis=0)
        heights = (plane.height(points) for plane in background.supports)
        if any(((h > -_BOARD) & (h < _HANGS)).mean() > 0.9 for h in heights):
            joins.append((0, region))
    return joins


def _enclosed(regions: Regions) -> Joins:
    """Regions that lie inside one other and hide nothing, such as the bottom of a cup."""
    if regions.count == 1:
        return []
    length = regions.length
    total = length.sum(axis=1)
    hides = regions.behind.sum(axis=0)
    other = 1 + length[:, 1:].argmax(axis=1)
    shared = length[np.arange(len(other)), other]
    inside = (shared >= _ENCLOSED * np.maximum(total, 1.0)) & (hides <= 0.1 * total)
    inside[0] = False
    return [(region, int(other[region])) for region in np.flatnonzero(inside).tolist()]


def _attached(surface: Surface, background: Background, regions: Regions, height: Floats) -> Joins:
    """Small regions that touch no ground but the side of a larger one, such as a handle."""
    if regions.count == 1:
        return []
    pixels = regions.members
    points = surface.points.reshape(-1, 3)
    whole = 1 + regions.linked[:, 1:].argmax(axis=1)
    every = np.arange(len(whole))
    contact = regions.linked[every, whole]
    small = (contact >= _MIN_CONTACT) & (pixels.sizes < _HANDLE * pixels.sizes[whole])
    small[0] = False
    level = regions.height[every, whole] / np.maximum(contact, 1.0)
    joins = []
    for part in np.flatnonzero(small).tolist():
        own = height[pixels[part]]
        low = own.min()
        on_side = level[part] > low + _SIDE * (own.max() - low)
        if (
            on_side
            and (background.clearance(points.take(pixels[part], axis=0)) < _HANGS).mean()
            <= _GROUNDED
        ):
            joins.append((part, int(whole[part])))
    return joins
