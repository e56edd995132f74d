"""The robot itself is no object: take its own links out of the depth image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from perception_nodes.arrays import Bools, Floats
from perception_nodes.frames.robot_description import RobotDescription
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.solids import inside
from perception_nodes.scene import Frame


class RobotMask:
    """Knows the robot's shapes and finds them in depth images.

    Readings on a link count as no reading at all: what is behind it is unknown, not empty.

    Args:
        robot: Its shapes.
        padding: Meters around each shape, for errors of depth, calibration and joint angles.
    """

    def __init__(self, robot: RobotDescription, padding: float) -> None:
        self.robot = robot
        self._padding = padding

    def find(self, depth: Floats, camera: Camera, links: Mapping[str, Pose]) -> Bools:
        """(H, W) where the depth image shows the robot.

        Args:
            depth: (H, W) meters, NaN where there is no reading.
            camera: Its model.
            links: Poses of the links in the optical frame; links without one are left out.
        """
        found = np.zeros(depth.shape, dtype=bool)
        for name, place in links.items():
            for solid in self.robot.links.get(name, ()):
                found |= inside(depth, camera, solid, place @ solid.pose, self._padding)
        return found

    def without_robot(self, frame: Frame, links: Mapping[str, Pose]) -> Frame:
        """The frame with NaN for depth where it shows the robot; see `find`."""
        found = self.find(frame.depth, frame.camera, links)
        if not found.any():
            return frame
        depth = frame.depth.copy()
        depth[found] = np.nan
        return replace(frame, depth=depth)
