"""A depth image made ready for finding objects: smaller, without pinholes, with less noise.

Everything here works on disparity, 1 / depth, because there a plane is an affine function of the
pixel: averages of opposite neighbors keep planes exactly, second differences vanish on them, and
the noise of stereo and structured-light cameras is the same at all distances.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from perception_kernels.unproject import normals, unproject
from perception_nodes.arrays import Bools, Floats
from perception_nodes.geometry.camera import Camera

WORK_PIXELS = 320 * 240

_NEAREST, _FARTHEST = 0.05, 20.0
_SAME_SURFACE = 0.03
_STEEPEST = 8.0  # tangent of the steepest slope that still is one surface: 83 degrees
_MIN_NOISE = 4e-4
_OUTLIER = 3.5
_STEPS = (1, 2, 3)
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Steps (rows, columns) to one of each pair of opposite neighbors."""


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """What a depth image says, at working resolution (h, w).

    Attributes:
        camera: Of this resolution.
        factor: How many pixels of the image one pixel stands for, in each direction.
        disparity: (h, w) float32, smoothed, 1/m; 0 where there is no reading.
        points: (h, w, 3) float32, meters, optical frame; NaN where there is no reading.
        normals: (h, w, 3) float32, facing the camera; NaN where unknown.
        right: (h, w) whether a pixel and the one to its right lie on one surface.
        down: (h, w) likewise for the one below.
        noise: Standard deviation of a single disparity of this resolution, 1/m.
    """

    camera: Camera
    factor: int
    disparity: Floats
    points: Floats
    normals: Floats
    right: Bools
    down: Bools
    noise: float

    @property
    def valid(self) -> Bools:
        """(h, w) where there is a reading."""
        return self.disparity > 0


def reduction(width: int, height: int) -> int:
    """By which factor images are made smaller before anything else."""
    return max(1, round(math.sqrt(width * height / WORK_PIXELS)))


def prepare(depth: Floats, camera: Camera) -> Surface:
    """Shrink, mend and smooth a depth image.

    Args:
        depth: (H, W) meters; NaN where there is no reading.
        camera: Of that image.
    """
    factor = reduction(camera.width, camera.height)
    raw = _shrink(depth, factor)
    small = camera.scaled(camera.width // factor, camera.height // factor)
    slope = _STEEPEST / small.fx
    raw = _mend(_without_flying(raw, slope))
    noise = _noise(raw)
    disparity = raw
    for step in _STEPS:
        disparity = _smooth(disparity, step, _OUTLIER * noise * math.sqrt(6.0))
    with np.errstate(divide="ignore"):
        points = unproject(np.where(disparity > 0, 1.0 / disparity, np.nan), small.rays())
    return Surface(
        small, factor, disparity, points, normals(points), *_links(disparity, slope, noise), noise
    )


def shifted(image: Floats, margin: int, rows: int, columns: int) -> Floats:
    """View of an image padded by `margin`, moved so that [y, x] is the neighbor at a step."""
    height, width = image.shape[0] - 2 * margin, image.shape[1] - 2 * margin
    return image[
        margin + rows : margin + rows + height, margin + columns : margin + columns + width
    ]


def pad(image: Floats, margin: int, value: float = 0.0) -> Floats:
    """The image with a margin of one value."""
    return np.asarray(cv2.copyMakeBorder(image, *(margin,) * 4, cv2.BORDER_CONSTANT, value=value))


def _shrink(depth: Floats, factor: int) -> Floats:
    """Disparity of blocks of pixels: the mean of what belongs to the nearest surface in each."""
    height, width = depth.shape[0] // factor, depth.shape[1] // factor
    depth = depth[: height * factor, : width * factor]
    usable = (depth > _NEAREST) & (depth < _FARTHEST)
    with np.errstate(divide="ignore", over="ignore"):
        disparity = np.asarray(np.where(usable, 1.0 / depth, 0.0), dtype=np.float32)
    if factor == 1:
        return disparity
    parts = [
        np.ascontiguousarray(disparity[i::factor, j::factor])
        for i in range(factor)
        for j in range(factor)
    ]
    limit = parts[0].copy()
    for part in parts[1:]:
        np.maximum(limit, part, out=limit)
    limit *= 1.0 - _SAME_SURFACE
    total, count = np.zeros_like(limit), np.zeros_like(limit)
    for part in parts:
        near = part > limit
        total += np.where(near, part, np.float32(0))
        count += near
    return np.asarray(total / np.maximum(count, 1.0))


def _without_flying(disparity: Floats, slope: float) -> Floats:
    """Drop pixels that hang between a nearer and a farther surface."""
    padded = pad(disparity, 1)
    flying = np.zeros(disparity.shape, dtype=bool)
    jump = slope * disparity
    for rows, columns in DIRECTIONS[:2]:
        ahead = shifted(padded, 1, rows, columns) - disparity
        behind = disparity - shifted(padded, 1, -rows, -columns)
        known = (shifted(padded, 1, rows, columns) > 0) & (shifted(padded, 1, -rows, -columns) > 0)
        flying |= known & (np.abs(ahead) > jump) & (np.abs(behind) > jump)
    return np.asarray(np.where(flying, np.float32(0), disparity))


def _mend(disparity: Floats) -> Floats:
    """Fill holes of one pixel that lie within one surface."""
    valid = (disparity > 0).astype(np.float32)
    count = cv2.boxFilter(valid, -1, (3, 3), normalize=False)
    mean = cv2.boxFilter(disparity, -1, (3, 3), normalize=False) / np.maximum(count, 1.0)
    nearest = cv2.dilate(disparity, np.ones((3, 3), np.uint8))
    fill = (valid == 0) & (count >= 4) & (mean > (1.0 - _SAME_SURFACE) * nearest)
    return np.asarray(np.where(fill, mean, disparity))


def _noise(disparity: Floats) -> float:
    """Robust standard deviation of single pixels, from second differences."""
    size = []
    for rows, columns in ((0, 2), (2, 0)):
        end = [disparity[rows * k :: 1, columns * k :: 1] for k in range(3)]
        height, width = end[2].shape
        a, b, c = (part[:height, :width][::2, ::3] for part in end)
        known = (a > 0) & (b > 0) & (c > 0)
        size.append(np.abs(a + c - 2.0 * b)[known])
    values = np.concatenate(size)
    if len(values) == 0:
        return _MIN_NOISE
    return max(_MIN_NOISE, 1.4826 * float(np.median(values)) / math.sqrt(6.0))


def _smooth(disparity: Floats, step: int, limit: float) -> Floats:
    """Average with those pairs of opposite neighbors that continue the surface linearly."""
    known = np.where(disparity > 0, disparity, np.float32(np.nan))  # so that holes fail the test
    padded = pad(known, step, np.nan)
    total, pairs = disparity.copy(), np.zeros(disparity.shape, dtype=np.uint8)
    for rows, columns in DIRECTIONS:
        both = shifted(padded, step, rows * step, columns * step)
        both = both + shifted(padded, step, -rows * step, -columns * step)
        use = np.abs(both - 2.0 * known) < limit
        total += np.where(use, both, np.float32(0))
        pairs += use
    return np.asarray(total / (2 * pairs + 1), dtype=np.float32)


def _links(disparity: Floats, slope: float, noise: float) -> tuple[Bools, Bools]:
    """Whether neighbors to the right and below lie on the same surface."""
    result = []
    for axis in (1, 0):
        link = np.zeros(disparity.shape, dtype=bool)
        a = disparity[:, :-1] if axis == 1 else disparity[:-1]
        b = disparity[:, 1:] if axis == 1 else disparity[1:]
        near = np.minimum(a, b)
        same = (np.abs(a - b) <= slope * near + noise) & (near > 0)
        (link[:, :-1] if axis == 1 else link[:-1])[...] = same
        result.append(link)
    return result[0], result[1]
