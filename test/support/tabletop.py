"""A table with boxes, rendered by intersecting rays: exact, small, without any library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame, Slot, Slots

CAMERA = Camera(160, 120, 140.0, 140.0, 79.5, 59.5)
PERIOD = 66_666_667


@dataclass(frozen=True)
class Box:
    """An axis-aligned box; `slot` says whether a finder would report it."""

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    color: tuple[float, float, float] = (200.0, 60.0, 60.0)
    slot: bool = True

    def at(self, x: float, y: float) -> Box:
        """The same box elsewhere on the table."""
        return replace(self, center=(x, y, self.center[2]))


def look_at(eye: Sequence[float], target: Sequence[float]) -> Pose:
    """An optical frame (z forward, y down) at a place, looking at another; world z is up."""
    forward = np.subtract(target, eye).astype(float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return Pose(np.column_stack((right, np.cross(forward, right), forward)), np.array(eye, float))


DEFAULT_VIEW = look_at((-0.9, 0.0, 0.8), (0.0, 0.0, 0.0))
AWAY = look_at((-0.9, 0.0, 0.8), (-2.0, 0.0, 0.3))


def render(boxes: Sequence[Box], pose: Pose, table: bool = True) -> tuple[Floats, Bytes]:
    """Depth (m, NaN where nothing is) and the number of the visible box + 1 at each pixel."""
    directions = CAMERA.rays().astype(float) @ pose.rotation.T
    depth = np.full(directions.shape[:2], np.inf)
    labels = np.zeros(depth.shape, dtype=np.uint8)
    with np.errstate(divide="ignore", invalid="ignore"):
        if table:
            t = -pose.translation[2] / directions[..., 2]
            depth = np.where(t > 0, t, np.inf)
        for number, box in enumerate(boxes, 1):
            half = np.array(box.size) / 2
            near = (np.array(box.center) - half - pose.translation) / directions
            far = (np.array(box.center) + half - pose.translation) / directions
            enter = np.minimum(near, far).max(axis=-1)
            leave = np.maximum(near, far).min(axis=-1)
            hit = (enter < leave) & (enter > 0) & (enter < depth)
            depth[hit], labels[hit] = enter[hit], number
    return np.where(np.isfinite(depth), depth, np.nan).astype(np.float32), labels


def observe(
    boxes: Sequence[Box], stamp: int, pose: Pose = DEFAULT_VIEW, camera_name: str = "camera"
) -> tuple[Frame, Slots]:
    """A frame and the slots that a perfect finder would report of it."""
    depth, numbers = render(boxes, pose)
    color = np.zeros((*depth.shape, 3), dtype=np.uint8)
    points = CAMERA.rays() * depth[..., None]
    items: list[Slot] = []
    labels = np.zeros_like(numbers)
    for number, box in enumerate(boxes, 1):
        mask = numbers == number
        color[mask] = np.array(box.color, dtype=np.uint8)
        if not box.slot or mask.sum() < 12:
            continue
        labels[mask] = len(items) + 1
        alone = render([box], pose)[1] > 0
        items.append(_slot(len(items), box, mask, alone, points, pose))
    frame = Frame(stamp, camera_name, "optical", CAMERA, color, depth, pose)
    return frame, Slots(stamp, camera_name, "optical", labels, tuple(items), "perfect")


def _slot(
    index: int, box: Box, mask: np.ndarray, alone: np.ndarray, points: Floats, pose: Pose
) -> Slot:
    inverse = pose.inverse()
    surface = points[mask][:: max(1, int(mask.sum()) // 64)]
    cut = bool(mask.sum() < 0.95 * alone.sum())
    size, center = np.array(box.size), np.array(box.center)
    if cut:
        seen = pose.apply(surface.astype(float))
        low, high = seen.min(axis=0), seen.max(axis=0)
        size, center = high - low, (high + low) / 2
    return Slot(
        index=index,
        pose=Pose(inverse.rotation, inverse.apply(center)),
        covariance=np.eye(3) * 0.004**2,
        size=size,
        pixels=int(mask.sum()),
        score=1.0,
        cut=cut,
        color=np.array(box.color),
        points=surface.astype(np.float32),
    )
