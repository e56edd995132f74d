"""Views of people who walk, as still cameras see them, for tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.interface import Keypoints, View
from perception_nodes.embodmocap.skeleton import SURFACE
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose

LENS = Camera(640, 480, 520.0, 520.0, 319.5, 239.5)
START = 10**9


def toward(angle: float, far: float = 3.0, height: float = 1.4) -> Pose:
    """A camera on a circle that looks at the middle, 0.9 m above the floor."""
    place = np.array([far * math.cos(angle), far * math.sin(angle), height])
    forward = np.array([0.0, 0.0, 0.9]) - place
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return Pose(np.stack([right, np.cross(forward, right), forward], axis=1), place)


def view(
    people: Sequence[Floats], time: float, pose: Pose, name: str = "camera_a", noise: float = 0.0,
    believed: Pose | None = None, delay: float = 0.0,
) -> View:  # fmt: skip
    """What a camera shows of people, each (17, 3), at a time, s."""
    joints = np.array(people).reshape(-1, 17, 3)
    pixels, z = LENS.project(pose.inverse().apply(joints))
    rng = np.random.default_rng((round(time * 1000), len(name), ord(name[-1])))
    pixels = pixels + noise * rng.standard_normal(pixels.shape)
    depths = z - SURFACE + 0.003 * noise * rng.standard_normal(z.shape)
    stamp = START + round((time - delay) * 1e9)
    keypoints = Keypoints(stamp, name, pixels, np.ones(z.shape))
    return View(keypoints, LENS, believed or pose, depths)
