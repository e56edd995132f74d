"""Simple solids, and which points of a depth image lie in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from perception_nodes.arrays import Bools, Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose

Kind = Literal["box", "cylinder", "sphere"]


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A box, an upright cylinder, or a ball.

    Attributes:
        kind: Which.
        size: (3,) full extents along its axes, m; of a cylinder (2r, 2r, length).
        pose: Of its center in the frame of its link.
    """

    kind: Kind
    size: Floats
    pose: Pose

    def contains(self, points: Floats, padding: float) -> Bools:
        """Which points (..., 3) in its own frame lie in it, or nearer than `padding` along an axis.

        NaN lies outside.
        """
        half = self.size / 2.0 + padding
        if self.kind == "sphere":
            return np.asarray(np.einsum("...i,...i->...", points, points) <= half[0] ** 2)
        upright = np.abs(points[..., 2]) <= half[2]
        if self.kind == "cylinder":
            return np.asarray(upright & (np.hypot(points[..., 0], points[..., 1]) <= half[0]))
        return np.asarray(upright & (np.abs(points[..., :2]) <= half[:2]).all(axis=-1))

    def corners(self, padding: float) -> Floats:
        """(8, 3) of the box around it, in its own frame."""
        signs = np.array(np.meshgrid(*[(-1.0, 1.0)] * 3)).reshape(3, -1).T
        return np.asarray(signs * (self.size / 2.0 + padding))


def inside(depth: Floats, camera: Camera, solid: Solid, place: Pose, padding: float) -> Bools:
    """Which pixels show a surface that lies in a solid.

    Args:
        depth: (H, W) meters, NaN where there is no reading.
        camera: Its model.
        solid: With `padding` meters around it, for errors of depth, calibration and joints.
        place: Of the solid's own frame in the optical frame.
        padding: See above.

    Returns:
        (H, W).
    """
    found = np.zeros(depth.shape, dtype=bool)
    window = _window(camera, place.apply(solid.corners(padding)))
    if window is None:
        return found
    points = camera.rays()[window] * depth[window][..., None]
    found[window] = solid.contains(place.inverse().apply(points), padding)
    return found


def _window(camera: Camera, corners: Floats) -> tuple[slice, slice] | None:
    """Rows and columns in which (8, 3) corners of a box in the optical frame can be seen."""
    if (corners[:, 2] <= 0.0).all():
        return None
    if (corners[:, 2] <= 0.01).any():  # it reaches behind the camera: its outline is unbounded
        return slice(0, camera.height), slice(0, camera.width)
    pixels, _ = camera.project(corners)
    low = np.maximum(np.floor(pixels.min(axis=0)), 0.0)
    high = np.minimum(np.ceil(pixels.max(axis=0)) + 1.0, (camera.width, camera.height))
    if (low >= high).any():
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
