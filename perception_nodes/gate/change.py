"""How far something moved between two depth images, whatever the camera did meanwhile.

Points of each image are placed into the other by the two camera poses. Where a camera now looks
through what was there, something went; where it looked through what is there now, something came.
What merely becomes hidden or uncovered as the camera moves counts as neither, and light plays no
part. For sources that look at color, what is painted otherwise counts too: brightness is compared
where the surface is the same, after the light that all of it shares is divided out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from perception_kernels.shrink import shrink_depth
from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.visibility import depth_noise
from perception_nodes.scene import Frame

PATCH = 8
_WIDTH = 160
_SLACK = 0.01
_PAINT, _DARK = 0.2, 8.0
"""Share by which brightness must differ, and of 255 what may be noise."""
_NEIGHBORS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What of a frame is kept to be compared with later ones.

    Attributes:
        camera: Of the small image.
        pose: Of the camera in the world.
        depth: (h, w) float32 m, NaN where unknown; about 160 wide.
        near: (h, w) the nearest depth in the surroundings of each pixel; infinite if unknown.
        gray: (h, w) float32 brightness; None for sources that only look at depth.
    """

    camera: Camera
    pose: Pose
    depth: Floats
    near: Floats
    gray: Floats | None = None


def glance(frame: Frame, *, color: bool = False) -> Glance | None:
    """What to keep of a frame, its color too if asked for.

    None without a pose, since nothing can be compared then.
    """
    if frame.pose is None:
        return None
    depth = shrink_depth(frame.depth, max(1, frame.depth.shape[1] // _WIDTH))
    known = np.where(np.isfinite(depth), depth, np.float32(np.inf))
    near = cv2.erode(known, _NEIGHBORS, borderType=cv2.BORDER_REPLICATE)
    camera = frame.camera.scaled(depth.shape[1], depth.shape[0])
    gray = None
    if color:
        size = (depth.shape[1], depth.shape[0])
        small = cv2.resize(frame.color, size, interpolation=cv2.INTER_AREA)
        gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
    return Glance(camera, frame.pose, depth, np.asarray(near), gray)


def moved(before: Glance, now: Glance) -> Floats:
    """How far the outline of something moved, patch by patch.

    The share of a patch that is looked through times its width is how far an edge that crosses the
    patch moved: the sensitivity of a center's place to that share is the patch's width in space.

    Returns:
        (rows, columns) meters, at most the width of the patch; the larger of what came to a patch
        of `now` and what went from the patch of `before` with the same index.
    """
    came, gone = _seen_through(now, before), _seen_through(before, now)
    rows, columns = (min(a, b) for a, b in zip(came.shape, gone.shape, strict=True))
    return np.maximum(came[:rows, :columns], gone[:rows, :columns])


def _seen_through(places: Glance, view: Glance) -> Floats:
    """(rows, columns) of patches of `places`, the width that `view` sees otherwise, m."""
    depth = places.depth
    points = places.camera.rays() * depth[..., None]
    relative = view.pose.inverse() @ places.pose
    pixels, z = view.camera.project(relative.apply(points.reshape(-1, 3)))
    inside = view.camera.contains(pixels)
    u, v = np.rint(np.where(inside[:, None], pixels, 0.0)).astype(np.intp).T
    measured = view.near[v, u]
    slack = _SLACK + 2.5 * depth_noise(z)
    with np.errstate(invalid="ignore"):
        behind = measured - z > slack
        same = np.abs(view.depth[v, u] - z) <= slack
    through = behind & inside & np.isfinite(measured)
    if places.gray is not None and view.gray is not None:
        through |= _repainted(places.gray.ravel(), view.gray, u, v, same & inside)
    height, width = (size // PATCH * PATCH for size in depth.shape)
    blocks = (height // PATCH, PATCH, width // PATCH, PATCH)
    reach = np.where(through.reshape(depth.shape), depth, 0.0)[:height, :width].reshape(blocks)
    return np.asarray(reach.sum(axis=(1, 3)) / (PATCH * places.camera.fx))


def _repainted(gray: Floats, view: Floats, u: Ints, v: Ints, same: Bools) -> Bools:
    """Where the same surface is brighter or darker than anything next to it was.

    The median ratio of brightness is that of the light, and its changes are no change.
    """
    if not same.any():
        return same
    light = float(np.median((gray[same] + 1.0) / (view[v, u][same] + 1.0)))
    lit = gray / max(light, 1e-3)
    most = cv2.dilate(view, _NEIGHBORS)[v, u]
    least = cv2.erode(view, _NEIGHBORS)[v, u]
    brighter, darker = lit > (1.0 + _PAINT) * most + _DARK, lit < (1.0 - _PAINT) * least - _DARK
    return np.asarray(same & (brighter | darker))
