"""Depth at keypoints, and the static background beside people."""

from __future__ import annotations

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.interface import Keypoints, View
from perception_nodes.scene import Frame

_HALF = 2
_NEAR_SHARE = 30
_LEAST = 3
_MARGIN = 0.35
_STEP = 8
_FARTHEST = 5.0


def view_of(frame: Frame, keypoints: Keypoints) -> View | None:
    """The view that a frame and its keypoints make; None while the camera's pose is unknown."""
    if frame.pose is None:
        return None
    return View(keypoints, frame.camera, frame.pose, depths_at(frame.depth, keypoints.pixels))


def depths_at(depth: Floats, pixels: Floats) -> Floats:
    """(P, 17) meters of the surface at keypoints; NaN where too few pixels have a depth.

    Of the 5 x 5 pixels around a keypoint the nearer third counts: a limb is in front of what is
    behind it.

    Args:
        depth: (H, W) meters; NaN where there is no reading.
        pixels: (P, 17, 2); NaN where unknown.
    """
    height, width = depth.shape
    found = np.full(pixels.shape[:-1], np.nan)
    known = np.isfinite(pixels).all(axis=-1)
    if not known.any():
        return found
    place = np.rint(pixels[known]).astype(int)
    around = np.arange(-_HALF, _HALF + 1)
    v = place[:, 1, None, None] + around[:, None]
    u = place[:, 0, None, None] + around
    inside = (u >= 0) & (v >= 0) & (u < width) & (v < height)
    windows = depth[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)].astype(np.float64)
    windows = np.where(inside & (windows > 0.0), windows, np.nan).reshape(len(place), -1)
    enough = np.isfinite(windows).sum(axis=1) >= _LEAST
    values = np.full(len(place), np.nan)
    if enough.any():
        values[enough] = np.nanpercentile(windows[enough], _NEAR_SHARE, axis=1)
    found[known] = values
    return found


def background(frame: Frame, keypoints: Keypoints, noise: float) -> Floats:
    """(N, 4) points of what is not a person, world frame, and their deviation along the ray.

    Args:
        frame: With a pose.
        keypoints: Of everyone in it.
        noise: Standard deviation of depth at 1 m.
    """
    if frame.pose is None:
        return np.zeros((0, 4))
    depth = frame.depth[::_STEP, ::_STEP].astype(np.float64)
    rays = frame.camera.rays()[::_STEP, ::_STEP].astype(np.float64)
    static = np.isfinite(depth) & (depth > 0.0) & (depth < _FARTHEST)
    v, u = np.mgrid[0 : frame.depth.shape[0] : _STEP, 0 : frame.depth.shape[1] : _STEP]
    for low, high in person_boxes(frame, keypoints):
        static &= ~((u >= low[0]) & (u <= high[0]) & (v >= low[1]) & (v <= high[1]))
    points = frame.pose.apply(rays[static] * depth[static][:, None])
    return np.column_stack([points, noise * depth[static] ** 2])


def person_boxes(frame: Frame, keypoints: Keypoints) -> list[tuple[Floats, Floats]]:
    """Corners (2,) in pixels of a generous box around each person."""
    boxes = []
    for pixels in keypoints.pixels:
        known = pixels[np.isfinite(pixels).all(axis=-1)]
        if len(known):
            low, high = known.min(axis=0), known.max(axis=0)
            margin = _MARGIN * max(float((high - low).max()), frame.camera.width / 40.0)
            boxes.append((low - margin, high + margin))
    return boxes
