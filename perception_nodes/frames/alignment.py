"""Brings the depth image of one camera to the pixels of its color image."""

from __future__ import annotations

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.frames.account import Account
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.registration import DepthRegistration
from perception_nodes.geometry.transforms import (
    TransformBuffer,
    TransformError,
    TransformFailure,
)

_SAME_INTRINSICS = 0.02
# A millimeter, or a thousandth of a radian: less than a pixel at 640x480.
_SAME_PLACE = 1e-3


class DepthAlignment:
    """Registers depth to color where the driver has not done so.

    Args:
        name: Of the camera.
        transforms: Where the two sensors are.
        known: The depth camera's pose in the color camera, if the recording says so itself.
        account: Told what had to be assumed.
    """

    def __init__(
        self, name: str, transforms: TransformBuffer, known: Pose | None, account: Account
    ) -> None:
        self._name = name
        self._transforms = transforms
        self._between = known
        self._fixed = known is not None
        self._account = account
        self._registration: tuple[Camera, Camera, Pose, DepthRegistration] | None = None

    def align(
        self, depth: Floats, cameras: tuple[Camera, Camera], frames: tuple[str, str], stamp: int
    ) -> Floats:
        """The depth as the color camera would have measured it.

        Args:
            depth: (h, w) float32 meters, rectified.
            cameras: Models of depth and color.
            frames: Optical frames of depth and color.
            stamp: Of the image, ns.
        """
        alike = _alike(*cameras)
        same_frame = frames[0] == frames[1] != ""
        if same_frame and not self._fixed and depth.shape == _shape(cameras[1]):
            if not alike:
                self._account.note(
                    f"{self._name}: depth and color are both in frame {frames[0]!r}, so they are "
                    "taken to be registered, though their camera models differ"
                )
            return depth
        between = Pose.identity() if same_frame and not self._fixed else self._find(frames, stamp)
        if between is None:
            if alike:
                self._account.note(
                    f"{self._name}: depth and color have the same camera model and no transform "
                    "between them: taken to be registered"
                )
                return depth
            self._account.note(
                f"{self._name}: no transform between {frames[0]!r} and {frames[1]!r}: the two "
                "sensors are taken to be at one place"
            )
            between = Pose.identity()
        if alike and _same(between, Pose.identity()):
            return depth
        return self._register(cameras, between).register(depth)

    def _find(self, frames: tuple[str, str], stamp: int) -> Pose | None:
        """Where the depth camera is in the color camera; sensors of one housing do not move."""
        if self._fixed:
            return self._between
        found = nearest_transform(self._transforms, frames[1], frames[0], stamp)
        self._between = found if found is not None else self._between
        return self._between

    def _register(self, cameras: tuple[Camera, Camera], between: Pose) -> DepthRegistration:
        known = self._registration
        if known is None or known[:2] != cameras or not _same(known[2], between):
            known = (*cameras, between, DepthRegistration(*cameras, between))
            self._registration = known
        return known[3]


def nearest_transform(
    transforms: TransformBuffer, target: str, source: str, stamp: int
) -> Pose | None:
    """The transform at the time nearest to a stamp at which it is known; None if at none.

    For sensors that are fixed to each other, but whose transform some drivers repeat on /tf.
    """
    for _ in range(4):  # each step brings one more moving edge into its known time
        try:
            return transforms.lookup(target, source, stamp)
        except TransformError as error:
            if not error.gap_ns:
                return None
            early = error.reason is TransformFailure.TOO_EARLY
            stamp += error.gap_ns if early else -error.gap_ns
        except InputError:  # an empty frame name
            return None
    return None


def _shape(camera: Camera) -> tuple[int, int]:
    return camera.height, camera.width


def _alike(a: Camera, b: Camera) -> bool:
    values = [(a.fx, b.fx), (a.fy, b.fy), (a.cx, b.cx), (a.cy, b.cy)]
    same_size = (a.width, a.height) == (b.width, b.height)
    return same_size and all(abs(x - y) <= _SAME_INTRINSICS * abs(y) for x, y in values)


def _same(a: Pose, b: Pose) -> bool:
    moved = float(np.linalg.norm(a.translation - b.translation))
    return moved <= _SAME_PLACE and a.angle_to(b) <= _SAME_PLACE
