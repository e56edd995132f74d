"""A slot source for tests: objects are what is not gray. Exact on rendered tables, and fast."""

from __future__ import annotations

import numpy as np

from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame, Slot, Slots

_SMALLEST = 12


class ColorFinder:
    """Gives one slot for each color in the image that is not a shade of gray."""

    model_id = "color"

    def find(self, frame: Frame) -> Slots:
        """The slots, boxes with sides along the axes of the world."""
        pose = frame.pose or Pose.identity()
        points = pose.apply(frame.camera.rays().astype(float) * frame.depth[..., None])
        codes = frame.color.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        codes[np.ptp(frame.color.astype(int), axis=2) == 0] = 0
        codes[~np.isfinite(frame.depth)] = 0
        labels = np.zeros(codes.shape, np.uint8)
        items: list[Slot] = []
        for code in np.unique(codes[codes > 0]):
            mask = codes == code
            if mask.sum() >= _SMALLEST:
                labels[mask] = len(items) + 1
                items.append(_slot(len(items), mask, points[mask], frame.color[mask][0], pose))
        return Slots(
            frame.stamp, frame.camera_name, frame.frame_id, labels, tuple(items), self.model_id
        )

    def reset(self) -> None:
        """Nothing is kept between frames."""


def _slot(index: int, mask: np.ndarray, points: np.ndarray, color: np.ndarray, pose: Pose) -> Slot:
    low, high = points.min(axis=0), points.max(axis=0)
    border = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    inverse = pose.inverse()
    return Slot(
        index=index,
        pose=Pose(inverse.rotation, inverse.apply((low + high) / 2)),
        covariance=np.eye(3) * 0.004**2,
        size=np.maximum(high - low, 0.005),
        pixels=int(mask.sum()),
        score=1.0,
        cut=bool(border),
        color=color.astype(float),
        points=inverse.apply(points[:: max(1, len(points) // 64)]).astype(np.float32),
    )
