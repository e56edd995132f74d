"""From a depth image to surface points and normals, in the optical frame (x right, y down)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

MAX_SLOPE = 0.05
"""Neighboring pixels whose depths differ by more than this part of the depth lie on different
surfaces. At 320x240 one pixel spans about 0.4 % of the depth, so this is a slope of 85 degrees."""


def unproject(depth: Floats, rays: Floats) -> Floats:
    """Turn depths into points.

    Args:
        depth: (H, W) float32 meters along the optical axis; NaN where there is no reading.
        rays: (H, W, 3) float32 directions with z = 1, as from `Camera.rays`.

    Returns:
        (H, W, 3) float32 meters, optical frame; NaN where the depth is NaN.

    Raises:
        ValueError: The shapes do not fit.
    """
    _check(depth, rays)
    return np.multiply(rays, depth[..., None], dtype=np.float32)


def normals(points: Floats) -> Floats:
    """Unit surface normals that face the camera.

    The tangents are central differences; beside holes, depth edges and the image border they are
    one-sided, so that a normal never mixes two surfaces.

    Args:
        points: (H, W, 3) float32 meters, optical frame, NaN where unknown.

    Returns:
        (H, W, 3) float32; NaN where the point or all its neighbors along an axis are unknown or
        on another surface.

    Raises:
        ValueError: The points are no (H, W, 3) image.
    """
    _check_points(points)
    known = np.array(points, dtype=np.float32)
    cv2.patchNaNs(known, 0.0)  # in place; finite, so that 0 * x is 0
    x, y, z = (np.ascontiguousarray(known[..., i]) for i in range(3))
    right, down = _tangents(x, y, z, 1), _tangents(x, y, z, 0)
    normal = [down[i] * right[j] - down[j] * right[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    length = np.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2])
    length[length == 0] = np.nan
    return np.asarray(cv2.merge([plane / length for plane in normal]))


def _tangents(x: Floats, y: Floats, z: Floats, axis: int) -> list[Floats]:
    """Sum of the forward and backward difference along an axis; 0 in place of invalid ones."""
    ahead: tuple[slice, ...] = (slice(None),) * axis + (slice(1, None),)
    behind: tuple[slice, ...] = (slice(None),) * axis + (slice(None, -1),)
    jump = z[ahead] - z[behind]
    same = np.abs(jump) <= MAX_SLOPE * np.minimum(z[ahead], z[behind])  # a hole has z = 0
    result = []
    for step in (x[ahead] - x[behind], y[ahead] - y[behind], jump):
        step *= same
        total = np.zeros_like(z)
        total[behind] = step
        total[ahead] += step
        result.append(total)
    return result


def _check(depth: Floats, rays: Floats) -> None:
    if depth.ndim != 2 or rays.shape != (*depth.shape, 3):
        raise ValueError(
            f"a depth image {depth.shape} needs rays of shape (H, W, 3), not {rays.shape}"
        )


def _check_points(points: Floats) -> None:
    if points.ndim != 3 or points.shape[2] != 3:
        raise ValueError(f"points must have the shape (H, W, 3), not {points.shape}")


def unproject_reference(depth: Floats, rays: Floats) -> Floats:
    """`unproject` written plainly, one pixel at a time."""
    _check(depth, rays)
    points = np.full((*depth.shape, 3), np.nan, dtype=np.float32)
    for y, x in np.ndindex(*depth.shape):
        points[y, x] = depth[y, x] * rays[y, x]
    return points


def normals_reference(points: Floats) -> Floats:
    """`normals` written plainly, one pixel at a time."""
    _check_points(points)
    height, width = points.shape[:2]
    result = np.full(points.shape, np.nan, dtype=np.float32)

    def difference(a: tuple[int, int], b: tuple[int, int]) -> Floats:
        inside = all(0 <= y < height and 0 <= x < width for y, x in (a, b))
        if inside:
            p, q = points[a], points[b]
            if abs(q[2] - p[2]) <= MAX_SLOPE * min(p[2], q[2]):
                return np.asarray(q - p)
        return np.zeros(3)

    for y, x in np.ndindex(height, width):
        right = difference((y, x - 1), (y, x)) + difference((y, x), (y, x + 1))
        down = difference((y - 1, x), (y, x)) + difference((y, x), (y + 1, x))
        normal = np.cross(down, right)
        length = np.linalg.norm(normal)
        if length > 0:
            result[y, x] = normal / length
    return result
