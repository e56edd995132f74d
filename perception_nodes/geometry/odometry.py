"""Camera motion from depth images, for recordings that do not say where the camera was."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from perception_kernels.shrink import shrink_depth
from perception_nodes.arrays import Floats
from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose

_WORK_WIDTH = 320
_MAX_DEPTH = 5.0
# A new key frame after this motion: drift grows with their number, overlap shrinks with distance.
_KEY_DISTANCE = 0.05
_KEY_ANGLE = np.radians(5.0)
# More than a camera moves between two frames; such a result is a failure of the method.
_MAX_STEP = 0.3
_MAX_TURN = np.radians(30.0)
_MIN_READINGS = 500


class RgbdOdometry:
    """Follows a camera by aligning depth images with key frames (OpenCV 5, point to plane).

    Args:
        camera: Of the depth images.
        start: Pose of the first image in the world.

    Raises:
        ConfigurationError: The installed OpenCV has no odometry.
    """

    def __init__(self, camera: Camera, start: Pose) -> None:
        if not hasattr(cv2, "Odometry"):
            raise ConfigurationError(
                f"OpenCV {cv2.__version__} has no RGB-D odometry",
                "install opencv-python-headless 5 or newer, or record transforms or odometry",
            )
        self._factor = max(1, round(camera.width / _WORK_WIDTH))
        small = camera.scaled(camera.width // self._factor, camera.height // self._factor)
        settings = cv2.OdometrySettings()
        settings.setCameraMatrix(small.matrix().astype(np.float32))
        settings.setMaxDepth(_MAX_DEPTH)
        self._odometry = cv2.Odometry(cv2.OdometryType_DEPTH, settings, cv2.OdometryAlgoType_COMMON)
        self._pose = start
        self._key: tuple[Any, Pose] | None = None
        self._last: tuple[Any, Pose] | None = None
        self.failures = 0

    def track(self, depth: Floats) -> Pose:
        """The pose of the next image; the last one again where the motion can't be told.

        Args:
            depth: (H, W) float32 meters; NaN where there is no reading.
        """
        image = self._prepare(depth)
        if image is None:
            self.failures += 1
            return self._pose
        if self._key is None:
            self._key = self._last = (image, self._pose)
            return self._pose
        pose = self._align(image, self._key)
        if pose is None and self._last is not None and self._last is not self._key:
            self._key = self._last
            pose = self._align(image, self._key)
        if pose is None:
            # Go on from here: what moved meanwhile is unknown, what follows is not.
            self.failures += 1
            self._key = self._last = (image, self._pose)
            return self._pose
        self._pose = pose
        self._last = (image, pose)
        moved = float(np.linalg.norm(pose.translation - self._key[1].translation))
        if moved > _KEY_DISTANCE or pose.angle_to(self._key[1]) > _KEY_ANGLE:
            self._key = self._last
        return pose

    def _prepare(self, depth: Floats) -> Any:
        small = np.nan_to_num(shrink_depth(depth, self._factor))
        mended = np.where(small > 0, small, cv2.medianBlur(small, 3))
        if (mended > 0).sum() < _MIN_READINGS:
            return None
        mended[mended == 0] = np.nan
        image = cv2.OdometryFrame(mended)
        self._odometry.prepareFrame(image)
        return image

    def _align(self, image: Any, reference: tuple[Any, Pose]) -> Pose | None:
        done, matrix = self._odometry.compute(image, reference[0])
        if not done or not np.isfinite(matrix).all():
            return None
        step = Pose.from_matrix(matrix)
        if (
            np.linalg.norm(step.translation) > _MAX_STEP
            or step.angle_to(Pose.identity()) > _MAX_TURN
        ):
            return None
        return reference[1] @ step
