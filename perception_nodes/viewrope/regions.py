"""Which regions can be objects, and what of their outline is hidden."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.viewrope.pairs import Pairs
from perception_nodes.viewrope.planes import Background, tolerance
from perception_nodes.viewrope.surface import Surface

MIN_PIXELS = 40
_MIN_CORE = 8
_SLIVER = 100
_MIN_HEIGHT = 0.015
_WALL_BORDER = 0.1
_FLAT_NOISE = 0.004
_UPRIGHT = 0.3
_STRAY = 4.0
_WIDE = np.ones((5, 5), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """What lies beyond the outline of each of K regions; entry 0 is the background.

    Attributes:
        occluded: (K,) part of the outline beyond which something nearer begins.
        at_border: (K,) part of the outline that lies on the image border.
        occluded_pixels: (N,) flat indices of the pixels that something nearer lies beside.
        occluded_regions: (N,) their regions.
    """

    occluded: Floats
    at_border: Floats
    occluded_pixels: Ints
    occluded_regions: Ints


def outlines(pairs: Pairs, labels: Ints) -> Outlines:
    """Look along the outline of each region; specks do not count as something nearer."""
    flat, count = labels.ravel(), int(labels.max()) + 1
    size = np.bincount(flat, minlength=count)
    a, b = flat[pairs.first], flat[pairs.second]
    differ = a != b
    length = np.bincount(a[differ], minlength=count) + np.bincount(b[differ], minlength=count)
    first = differ & (pairs.farther > 0) & (size[b] >= MIN_PIXELS)
    second = differ & (pairs.farther < 0) & (size[a] >= MIN_PIXELS)
    pixels = np.concatenate((pairs.first[first], pairs.second[second]))
    edge = np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    border = np.bincount(edge, minlength=count)
    length = np.maximum(length + border, 1)
    occluded = np.bincount(flat[pixels], minlength=count)
    return Outlines(occluded / length, border / length, pixels, flat[pixels])


def plausible(surface: Surface, background: Background, labels: Ints, lines: Outlines) -> Bools:
    """(K,) which regions are large and thick enough and no remainder of a wall or table."""
    count = int(labels.max()) + 1
    size = np.bincount(labels.ravel(), minlength=count)
    image = labels.astype(np.uint16)
    kernel = np.ones((3, 3), np.uint8)
    core = (cv2.erode(image, kernel) == image) & (cv2.dilate(image, kernel) == image)
    thick = np.bincount(labels[core], minlength=count) >= _MIN_CORE
    # What is long and nowhere five pixels wide can't be told from a frayed edge.
    wide = (cv2.erode(image, _WIDE) == image) & (cv2.dilate(image, _WIDE) == image)
    sliver = (size >= _SLIVER) & (np.bincount(labels[wide], minlength=count) == 0)
    good = (size >= MIN_PIXELS) & thick & ~sliver
    good[0] = False
    inside = np.flatnonzero(labels)
    region = labels.ravel().take(inside)
    points = surface.points.reshape(-1, 3).take(inside, axis=0)
    near = np.maximum(_MIN_HEIGHT, tolerance(surface, points[:, 2]))
    far = np.ones(len(points), dtype=bool)
    for plane in (*background.supports, *background.walls):
        far &= np.abs(plane.height(points)) > near
    good &= np.bincount(region[far], minlength=count) > 0.1 * size
    for cut in np.flatnonzero(good & (lines.at_border > _WALL_BORDER)):
        good[cut] = not _is_wall(points[region == cut], background.up, surface.noise)
    return np.asarray(good)


def _is_wall(points: Floats, up: Floats, noise: float) -> bool:
    """Whether points that reach the image border lie on one upright plane, but for a few."""
    limit = _FLAT_NOISE + noise * float(np.square(points.mean(axis=0)).sum())
    for _ in range(2):
        center = points.mean(axis=0)
        spread = (points - center).astype(np.float64)
        values, axes = np.linalg.eigh(spread.T @ spread / len(points))
        thickness = float(np.sqrt(max(values[0], 0.0)))
        height = np.abs(spread @ axes[:, 0])
        points = points[height <= _STRAY * max(float(np.median(height)), limit)]
    return bool(thickness < limit and abs(float(axes[:, 0] @ up)) < _UPRIGHT)
