"""Depth images at a lower resolution, without inventing surfaces between two others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def shrink_depth(depth: Floats, factor: int) -> Floats:
    """The nearest reading of each block of pixels.

    Registration leaves lattices of holes in depth images, so that a block may hold few readings;
    averaging over a depth edge would make up points in the air.

    Args:
        depth: (H, W) float32 meters; NaN where there is no reading.
        factor: Side of a block, >= 1; rows and columns that fill no block are dropped.

    Returns:
        (H // factor, W // factor) float32; NaN for blocks without a reading.

    Raises:
        ValueError: The factor is less than 1, or larger than the image.
    """
    height, width = _check(depth, factor)
    cropped = depth[: height * factor, : width * factor]
    nearest = np.asarray(cropped[::factor, ::factor])
    for row in range(factor):
        for column in range(factor):
            nearest = np.fmin(nearest, cropped[row::factor, column::factor])
    return nearest.astype(np.float32, copy=factor == 1)


def shrink_depth_reference(depth: Floats, factor: int) -> Floats:
    """`shrink_depth` written plainly, one block at a time."""
    height, width = _check(depth, factor)
    result = np.full((height, width), np.nan, dtype=np.float32)
    for y, x in np.ndindex(height, width):
        block = depth[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        if np.isfinite(block).any():
            result[y, x] = np.nanmin(block)
    return result


def _check(depth: Floats, factor: int) -> tuple[int, int]:
    if factor < 1 or depth.ndim != 2 or min(depth.shape) < factor:
        raise ValueError(f"a depth image {depth.shape} can't be shrunk by {factor}")
    return depth.shape[0] // factor, depth.shape[1] // factor
