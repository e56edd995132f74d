"""Camera motion from depth images, for recordings that do not say where the camera was."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np

from perception_kernels.shrink import shrink_depth
from perception_kernels.unproject import unproject
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
# An alignment is believed if this share of the points that both images show agrees so closely.
_MIN_FIT = 0.5
_FIT_TOLERANCE = 0.03
_MIN_OVERLAP = 50
_CHECK_STEP = 4


class _Image(NamedTuple):
    """A depth image prepared for alignment, and a sample of its points."""

    prepared: Any
    depth: Floats
    points: Floats


class _Reference(NamedTuple):
    """An image and the pose of its camera in the world."""

    image: _Image
    pose: Pose


class RgbdOdometry:
    """Follows a camera by aligning depth images with key frames (OpenCV 5, point to plane).

    Attributes:
        failures: How many images could not be aligned, so that the last pose was given again.

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
        self._camera = camera.scaled(camera.width // self._factor, camera.height // self._factor)
        settings = cv2.OdometrySettings()
        settings.setCameraMatrix(self._camera.matrix().astype(np.float32))
        settings.setMaxDepth(_MAX_DEPTH)
        self._odometry = cv2.Odometry(cv2.OdometryType_DEPTH, settings, cv2.OdometryAlgoType_COMMON)
        self._pose = start
        # What the next image is compared with, in this order; a lost image only as the last resort,
        # so that a single bad one costs nothing.
        self._key: _Reference | None = None
        self._last: _Reference | None = None
        self._lost: _Reference | None = None
        self.failures = 0

    def track(self, depth: Floats) -> Pose:
        """The pose of the next image; the last one again where the motion can't be told.

        Args:
            depth: (H, W) float32 meters; NaN where there is no reading.
        """
        image = self._prepare(depth)
        if image is None:
            self.failures += 1
        elif self._key is None:
            self._key = self._last = _Reference(image, self._pose)
        else:
            self._follow(image)
        return self._pose

    def _follow(self, image: _Image) -> None:
        for reference in (self._key, self._last, self._lost):
            pose = None if reference is None else self._align(image, reference)
            if reference is not None and pose is not None:
                break
        else:
            # What moved meanwhile is unknown; if nothing fits any more, go on from here.
            self.failures += 1
            self._lost = _Reference(image, self._pose)
            return
        self._pose, self._key, self._lost = pose, reference, None
        self._last = _Reference(image, pose)
        moved = float(np.linalg.norm(pose.translation - reference.pose.translation))
        if moved > _KEY_DISTANCE or pose.angle_to(reference.pose) > _KEY_ANGLE:
            self._key = self._last

    def _prepare(self, depth: Floats) -> _Image | None:
        if min(depth.shape) < self._factor:
            return None
        small = np.nan_to_num(shrink_depth(depth, self._factor), posinf=0.0)
        if small.shape != (self._camera.height, self._camera.width):
            return None
        mended = np.where(small > 0, small, cv2.medianBlur(small, 3))
        if (mended > 0).sum() < _MIN_READINGS:
            return None
        mended[mended == 0] = np.nan
        prepared = cv2.OdometryFrame(mended)
        self._odometry.prepareFrame(prepared)
        sample = (slice(None, None, _CHECK_STEP),) * 2
        points = unproject(mended[sample], self._camera.rays()[sample])
        return _Image(prepared, mended, points[np.isfinite(points[..., 2])])

    def _align(self, image: _Image, reference: _Reference) -> Pose | None:
        done, matrix = self._odometry.compute(image.prepared, reference.image.prepared)
        if not done or not np.isfinite(matrix).all():
            return None
        step = Pose.from_matrix(matrix)
        moved, turned = float(np.linalg.norm(step.translation)), step.angle_to(Pose.identity())
        if moved > _MAX_STEP or turned > _MAX_TURN or not self._fits(image, reference.image, step):
            return None
        return reference.pose @ step

    def _fits(self, image: _Image, reference: _Image, step: Pose) -> bool:
        """Whether the points of an image, moved, lie on what the reference measured.

        The solver also reports success where it has only found nothing to improve.
        """
        pixels, expected = self._camera.project(step.apply(image.points))
        inside = self._camera.contains(pixels)
        u, v = np.rint(pixels[inside]).astype(np.intp).T
        residual = np.abs(reference.depth[v, u] - expected[inside])
        seen = np.isfinite(residual)
        near = residual[seen] < _FIT_TOLERANCE * expected[inside][seen]
        return bool(near.sum() >= _MIN_FIT * max(len(near), 1) and len(near) >= _MIN_OVERLAP)
