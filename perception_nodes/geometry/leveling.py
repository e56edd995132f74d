"""Which way is up, where only a depth image tells: the normal of what things stand on."""

from __future__ import annotations

import numpy as np

from perception_kernels.shrink import shrink_depth
from perception_kernels.unproject import normals, unproject
from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera

_WORK_WIDTH = 160
_CANDIDATES = 200
# A support plane seen by a camera that is not upside down.
_MAX_TILT = np.radians(75.0)
_SAME_DIRECTION = np.cos(np.radians(10.0))
_MIN_SHARE = 0.05
# REP-103: a level camera's optical frame (x right, y down, z forward) in x forward, y left, z up.
OPTICAL_TO_BODY = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def leveling_rotation(depth: Floats, camera: Camera) -> Floats:
    """The rotation from the optical frame to a world whose z axis is up.

    Up is the normal of the largest plane that can be a support: its normal lies within 75 degrees
    of the upward direction of the image. The world's x axis is the horizontal part of the camera's
    viewing direction. Without such a plane the camera is taken to be level.

    Args:
        depth: (H, W) float32 meters; NaN where there is no reading.
        camera: Of that image.

    Returns:
        (3, 3) rotation, optical frame to world.
    """
    up = _support_normal(depth, camera)
    if up is None:
        return OPTICAL_TO_BODY.copy()
    forward = np.array([0.0, 0.0, 1.0]) - up[2] * up
    if np.linalg.norm(forward) < 0.1:  # looking straight down: the image's up is ahead
        forward = np.array([0.0, -1.0, 0.0]) + up[1] * up
    forward /= np.linalg.norm(forward)
    return np.vstack((forward, np.cross(up, forward), up))


def _support_normal(depth: Floats, camera: Camera) -> Floats | None:
    factor = max(1, round(camera.width / _WORK_WIDTH))
    small = shrink_depth(depth, factor)
    points = unproject(small, camera.scaled(small.shape[1], small.shape[0]).rays())
    directions = normals(points).reshape(-1, 3)
    points = points.reshape(-1, 3)
    usable = np.isfinite(directions).all(axis=1) & (-directions[:, 1] > np.cos(_MAX_TILT))
    points, directions = points[usable].astype(float), directions[usable].astype(float)
    if len(points) < _MIN_SHARE * small.size:
        return None
    chosen = np.linspace(0, len(points) - 1, _CANDIDATES).astype(int)
    offsets = np.einsum("ij,ij->i", points[chosen], directions[chosen])
    tolerance = 0.01 + 0.005 * points[:, 2] ** 2
    agrees = (directions @ directions[chosen].T) > _SAME_DIRECTION
    agrees &= np.abs(points @ directions[chosen].T - offsets) < tolerance[:, None]
    members = agrees[:, int(agrees.sum(axis=0).argmax())]
    if members.sum() < _MIN_SHARE * small.size:
        return None
    centered = points[members] - points[members].mean(axis=0)
    normal = np.asarray(np.linalg.svd(centered, full_matrices=False)[2][2])
    return -normal if normal[1] > 0 else normal
