"""Registers depth images to the color camera, where the sensor driver has not done it."""

from __future__ import annotations

import cv2
import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose


class DepthRegistration:
    """Shows what a depth camera measures as the color camera would have measured it.

    Every depth pixel is moved to where the color camera sees it; where several meet, the nearest
    one hides the others. The warp runs on a grid no finer than the depth image, so that an
    enlarged surface gets no holes through which its background shows, and holes of one pixel
    that rounding leaves are closed.

    Args:
        depth_camera, color_camera: Intrinsics of the two (rectified) images.
        color_from_depth: Pose of the depth camera's optical frame in that of the color camera.
    """

    def __init__(self, depth_camera: Camera, color_camera: Camera, color_from_depth: Pose) -> None:
        self._depth_camera = depth_camera
        self._color_camera = color_camera
        self._grid = _grid(depth_camera, color_camera)
        rays = depth_camera.rays().astype(np.float64) @ color_from_depth.rotation.T
        x, y, z = np.moveaxis(rays, -1, 0)
        grid, t = self._grid, color_from_depth.translation
        # Homogeneous pixels of depth d are d * slope + offset; half a pixel rounds to nearest.
        self._slopes = [
            np.ascontiguousarray(plane, dtype=np.float32)
            for plane in (
                grid.fx * x + (grid.cx + 0.5) * z,
                grid.fy * y + (grid.cy + 0.5) * z,
                z,
            )
        ]
        self._offsets = [
            np.float32(value)
            for value in (
                grid.fx * t[0] + (grid.cx + 0.5) * t[2],
                grid.fy * t[1] + (grid.cy + 0.5) * t[2],
                t[2],
            )
        ]

    def register(self, depth: Floats) -> Floats:
        """Warp a depth image.

        Args:
            depth: (h, w) float32 meters of the depth camera; NaN where there is no reading.

        Returns:
            (H, W) float32 meters along the color camera's optical axis, of the color camera's
            size; NaN where nothing was measured.

        Raises:
            InputError: The image has another size than the depth camera's model.
        """
        camera, grid = self._depth_camera, self._grid
        if depth.shape != (camera.height, camera.width):
            raise InputError(
                f"the depth image is {depth.shape[1]}x{depth.shape[0]}, its camera model "
                f"{camera.width}x{camera.height}",
                "record the CameraInfo that belongs to the depth images",
            )
        u, v, z = (
            depth * slope + offset
            for slope, offset in zip(self._slopes, self._offsets, strict=True)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            u /= z
            v /= z
            seen = (z > 0) & (u >= 0) & (v >= 0) & (u < grid.width) & (v < grid.height)
        index = v[seen].astype(np.int32) * grid.width + u[seen].astype(np.int32)
        nearest = np.full(grid.height * grid.width, np.inf, dtype=np.float32)
        np.minimum.at(nearest, index, z[seen])
        image = close_holes(nearest.reshape(grid.height, grid.width))
        size = (self._color_camera.width, self._color_camera.height)
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST))


def close_holes(depth: Floats) -> Floats:
    """Fill pixels without depth (inf) between two opposite neighbors that have one.

    Args:
        depth: (H, W) float32 meters; inf where there is no reading.

    Returns:
        (H, W) float32: filled with the farther of the two neighbors, since a gap between two
        surfaces shows the farther one; NaN where there is still no reading.
    """
    far = np.float32(np.inf)
    filled = depth
    for _ in range(2):  # the second time where a row and a column of holes cross
        framed = cv2.copyMakeBorder(filled, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=float(far))
        across = np.maximum(framed[1:-1, :-2], framed[1:-1, 2:])
        along = np.maximum(framed[:-2, 1:-1], framed[2:, 1:-1])
        filled = np.where(filled == far, np.minimum(across, along), filled)
    filled[filled == far] = np.nan
    return filled


def _grid(depth_camera: Camera, color_camera: Camera) -> Camera:
    """The color camera at the largest size at which depth pixels still cover its image."""
    share = min(depth_camera.fx / color_camera.fx, depth_camera.fy / color_camera.fy, 1.0)
    return color_camera.scaled(
        max(round(color_camera.width * share), 1), max(round(color_camera.height * share), 1)
    )
