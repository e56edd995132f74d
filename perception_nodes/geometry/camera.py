"""The pinhole camera model."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Bools, Floats
from perception_nodes.errors import InputError


@dataclass(frozen=True, slots=True)
class Camera:
    """Intrinsics of a pinhole camera whose image is already rectified.

    The optical frame has x right, y down and z forward (REP-103). Pixel (0, 0) is the center of
    the upper left pixel.

    Attributes:
        width, height: Image size in pixels.
        fx, fy, cx, cy: Focal lengths and principal point in pixels.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        values = (self.fx, self.fy, self.cx, self.cy)
        if not all(math.isfinite(v) for v in values) or self.width < 1 or self.height < 1:
            raise InputError(
                f"the camera model has impossible values: {self}", "check its CameraInfo"
            )
        if self.fx <= 0 or self.fy <= 0:
            raise InputError(
                "the camera is uncalibrated: its focal length is zero (REP-104)",
                "calibrate it, or record a CameraInfo with its matrix K",
            )

    def scaled(self, width: int, height: int) -> Camera:
        """The same camera with its image resized to another size."""
        sx, sy = width / self.width, height / self.height
        return Camera(
            width,
            height,
            self.fx * sx,
            self.fy * sy,
            (self.cx + 0.5) * sx - 0.5,
            (self.cy + 0.5) * sy - 0.5,
        )

    def matrix(self) -> Floats:
        """The (3, 3) matrix K."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def rays(self) -> Floats:
        """(H, W, 3) float32 directions with z = 1; a depth image times these gives points."""
        return _rays(self)

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Project camera-frame points.

        Args:
            points: (..., 3) meters in the optical frame.

        Returns:
            Pixels (..., 2) and depths (...). Pixels of points with depth <= 0 are NaN.
        """
        z = points[..., 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.where(z > 0, self.fx * points[..., 0] / z + self.cx, np.nan)
            v = np.where(z > 0, self.fy * points[..., 1] / z + self.cy, np.nan)
        return np.stack([u, v], axis=-1), z

    def contains(self, pixels: Floats) -> Bools:
        """Which pixels (..., 2) lie inside the image; NaN lies outside."""
        u, v = pixels[..., 0], pixels[..., 1]
        return (u >= -0.5) & (v >= -0.5) & (u < self.width - 0.5) & (v < self.height - 0.5)


@functools.lru_cache(maxsize=8)
def _rays(camera: Camera) -> Floats:
    u = (np.arange(camera.width, dtype=np.float64) - camera.cx) / camera.fx
    v = (np.arange(camera.height, dtype=np.float64) - camera.cy) / camera.fy
    grid = np.ones((camera.height, camera.width, 3), dtype=np.float32)
    grid[..., 0], grid[..., 1] = u[None, :], v[:, None]
    grid.setflags(write=False)
    return grid
