"""From a frame to what the slot encoder takes in; training and run time both go through here.

Images are brought to the network's size, and a grid of patches gets the geometry that attention
knows: the world rotation of each patch's ray and its world point. Normalization, layout, points and
normals are the network's own first steps, on its device.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from perception_kernels.rays import frequencies, ray_frames, rotary_phases
from perception_kernels.shrink import shrink_depth
from perception_nodes.arrays import Bytes, Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame

PLACE_WAVELENGTHS = (0.2, 12.8)
"""Meters: from half the size of a thing to that of a room."""

_MIN_READINGS = 0.125
"""Part of a patch that must have depth for the patch to have a place."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The images of a frame at the network's resolution (h, w).

    Attributes:
        camera: Of this resolution.
        color: (h, w, 3) uint8.
        depth: (h, w) float32, meters; NaN where there is no reading.
    """

    camera: Camera
    color: Bytes
    depth: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """The geometry of the patches of one frame, in rows; T = rows * columns.

    Attributes:
        stamp, camera_name: Those of the frame.
        pose: Optical frame in the world; identity where it is unknown.
        camera: With one pixel a patch.
        rays: (T, 3, 3) float32, world rotation of each ray: R_wc L(u, v).
        places: (T, 3) meters, world; NaN where there is no depth.
        near, far: (rows, columns) smallest and largest depth within each patch; NaN likewise.
    """

    stamp: int
    camera_name: str
    pose: Pose
    camera: Camera
    rays: Floats
    places: Floats
    near: Floats
    far: Floats


def picture(frame: Frame, width: int, height: int) -> Picture:
    """Bring a frame to the size of the network.

    Images of another aspect ratio are stretched: with their own camera, points stay true.
    """
    factor = max(1, min(frame.camera.width // width, frame.camera.height // height))
    depth = shrink_depth(frame.depth, factor)
    camera = _cropped(frame.camera, depth.shape[1] * factor, depth.shape[0] * factor)
    color = frame.color[: camera.height, : camera.width]
    if depth.shape != (height, width):
        depth = np.asarray(
            cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST), np.float32
        )
    if color.shape[:2] != (height, width):
        color = np.asarray(
            cv2.resize(color, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    camera = camera.scaled(width, height)
    return Picture(camera, np.ascontiguousarray(color), depth)


def intrinsics(camera: Camera) -> Floats:
    """(4,) float32 fx, fy, cx, cy, pixels."""
    return np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32)


def sight(frame: Frame, seen: Picture, rows: int, columns: int) -> Sight:
    """The geometry of a grid of patches.

    The place of a patch is where the ray through its center reaches the median depth of its
    pixels: a mean would lie between an object and what is behind it.
    """
    pose = frame.pose or Pose.identity()
    camera = seen.camera.scaled(columns, rows)
    near, depth, far = _depths(seen.depth, rows, columns)
    rays = camera.rays()
    local = (rays * depth[..., None]).reshape(-1, 3).astype(np.float64)
    return Sight(
        frame.stamp,
        frame.camera_name,
        pose,
        camera,
        ray_frames(rays, pose.rotation).reshape(-1, 3, 3),
        pose.apply(local),
        near,
        far,
    )


def place_phases(places: Floats, position: Floats, count: int) -> Floats:
    """Cosines and sines of rotary position, (..., count, 2); 0 for unknown places.

    Args:
        places: (..., 3) meters, world.
        position: (3,) of the camera now, so that the phases do not depend on the world's origin.
        count: Of phases, a multiple of three.
    """
    return rotary_phases(places, position, frequencies(*PLACE_WAVELENGTHS, count // 3))


def _depths(depth: Floats, rows: int, columns: int) -> tuple[Floats, Floats, Floats]:
    """(rows, columns) smallest, median and largest depth of each patch; NaN without enough."""
    height, width = depth.shape[0] // rows, depth.shape[1] // columns
    blocks = depth[: rows * height, : columns * width].reshape(rows, height, columns, width)
    patches = blocks.transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    ordered = np.sort(patches, axis=-1)  # NaN last
    count = np.isfinite(ordered).sum(axis=-1)
    last = np.maximum(count - 1, 0)
    found = [
        np.take_along_axis(ordered, index[..., None], axis=-1)[..., 0]
        for index in (np.zeros_like(last), last // 2, last)
    ]
    unknown = count < _MIN_READINGS * patches.shape[-1]
    near, median, far = (np.where(unknown, np.nan, values) for values in found)
    return near, median, far


def _cropped(camera: Camera, width: int, height: int) -> Camera:
    return Camera(width, height, camera.fx, camera.fy, camera.cx, camera.cy)
