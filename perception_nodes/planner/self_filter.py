"""The robot's own tool in a depth image: it is no object.

Readings on it are taken out, as robots filter their own arms, so that the stick that pushes is not
found as an object and does not grow onto one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from perception_nodes.arrays import Bools, Floats
from perception_nodes.scene import Frame


@dataclass(frozen=True, slots=True)
class Stick:
    """An upright stick: its radius, and its length from the lowest point up, m."""

    radius: float
    length: float


def without_stick(frame: Frame, tip: Floats, stick: Stick, margin: float = 0.012) -> Frame:
    """A frame without depth readings on the stick.

    Args:
        frame: With a pose; others come back unchanged.
        tip: (3,) its lowest point at the time of the frame, world frame.
        stick: Its shape.
        margin: For the errors of the camera and of the tip, m.
    """
    if frame.pose is None:
        return frame
    depth = frame.depth.copy()
    depth[_on_stick(frame, tip, stick, margin)] = np.nan
    return replace(frame, depth=depth)


def _on_stick(frame: Frame, tip: Floats, stick: Stick, margin: float) -> Bools:
    """(H, W) where the depth image shows the stick."""
    assert frame.pose is not None
    points = frame.pose.apply(frame.camera.rays() * frame.depth[..., None])
    beside = np.hypot(points[..., 0] - tip[0], points[..., 1] - tip[1])
    above = points[..., 2] - tip[2]
    near = (above > -margin) & (above < stick.length + margin)
    return np.asarray(near & (beside < stick.radius + margin))
