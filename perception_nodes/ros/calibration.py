"""Camera models from `sensor_msgs/CameraInfo`, and the removal of lens distortion."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.errors import InputError
from perception_nodes.geometry.camera import Camera

# Names of the same models: ROS 1 and 2, and those that RealSense's own recorder writes.
_POLYNOMIAL = {
    "",
    "plumb_bob",
    "rational_polynomial",
    "thin_prism",
    "brown conrady",
    "modified brown conrady",
}
_FISHEYE = {"equidistant", "fisheye", "kannala brandt4"}


def camera_from_info(msg: Any) -> Camera:
    """The pinhole model of a `CameraInfo` message of ROS 1 or 2, from its matrix K.

    K holds for the full sensor; binning and region of interest are applied. Lens distortion is
    not part of the model: `Rectifier.from_info` removes it from the images.

    Raises:
        InputError: The camera is uncalibrated (K is zero, REP-104), or values are impossible.
    """
    k = np.asarray(_field(msg, "k"), dtype=np.float64).reshape(3, 3)
    x, y, width, height = _region(msg)
    bx, by = max(1, int(msg.binning_x)), max(1, int(msg.binning_y))
    return Camera(
        width // bx,
        height // by,
        float(k[0, 0]) / bx,
        float(k[1, 1]) / by,
        (float(k[0, 2]) - x) / bx,
        (float(k[1, 2]) - y) / by,
    )


class Rectifier:
    """Removes lens distortion from images, keeping the matrix K.

    Args:
        camera: The pinhole model of the images before and after.
        distortion: Coefficients as in `CameraInfo`, not all zero.
        model: Name of the distortion model as in `CameraInfo`.

    Raises:
        InputError: The model is unknown, or its coefficients are impossible.
    """

    def __init__(self, camera: Camera, distortion: Floats, model: str) -> None:
        d = np.asarray(distortion, dtype=np.float64).reshape(-1)
        if not np.isfinite(d).all():
            raise InputError(
                f"the distortion coefficients are not finite: {d.tolist()}", "calibrate the camera"
            )
        self._size = (camera.height, camera.width)
        try:
            self._maps = _maps(camera, d, model.lower())
        except cv2.error as error:
            raise InputError(
                f"{d.size} coefficients do not fit the distortion model {model!r}",
                "calibrate the camera",
            ) from error

    @classmethod
    def from_info(cls, msg: Any) -> Rectifier | None:
        """The rectifier for the images of a `CameraInfo`; None if they need none.

        Raises:
            InputError: The camera or its distortion can't be used.
        """
        d = np.asarray(_field(msg, "d"), dtype=np.float64)
        if not d.size or not d.any():
            return None
        return cls(camera_from_info(msg), d, str(msg.distortion_model))

    def color(self, image: Bytes) -> Bytes:
        """The (H, W, 3) image without distortion; black where the camera saw nothing."""
        self._check(image.shape[:2])
        result: Any = cv2.remap(np.ascontiguousarray(image), *self._maps, cv2.INTER_LINEAR)
        return cast(Bytes, result)

    def depth(self, image: Floats) -> Floats:
        """The (H, W) depth without distortion; NaN where the camera saw nothing.

        Nearest neighbors: interpolating between surfaces would invent points between them.
        """
        self._check(image.shape[:2])
        result: Any = cv2.remap(
            np.ascontiguousarray(image),
            *self._maps,
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=float("nan"),
        )
        return cast(Floats, result)

    def _check(self, size: tuple[int, ...]) -> None:
        if size != self._size:
            raise InputError(
                f"the image has {size[1]}x{size[0]} pixels, its CameraInfo says "
                f"{self._size[1]}x{self._size[0]}",
                "record the CameraInfo that belongs to the image",
            )


def _maps(camera: Camera, distortion: Floats, model: str) -> tuple[Any, Any]:
    k, size = camera.matrix(), (camera.width, camera.height)
    if model in _POLYNOMIAL:
        maps = cv2.initUndistortRectifyMap(k, distortion, np.eye(3), k, size, cv2.CV_32FC1)
    elif model in _FISHEYE:
        maps = cv2.fisheye.initUndistortRectifyMap(
            k, distortion[:4], np.eye(3), k, size, cv2.CV_32FC1
        )
    else:
        raise InputError(
            f"the distortion model {model!r} is not supported",
            "supported are plumb_bob, rational_polynomial and equidistant; or record rectified "
            "images, whose distortion is zero",
        )
    return maps[0], maps[1]


def _region(msg: Any) -> tuple[int, int, int, int]:
    """Offset and size of the region of interest; the full image where it is not set."""
    roi = msg.roi
    width, height = int(roi.width) or int(msg.width), int(roi.height) or int(msg.height)
    return int(roi.x_offset), int(roi.y_offset), width, height


def _field(msg: Any, name: str) -> Any:
    """A field that ROS 1 spells in upper case."""
    return getattr(msg, name, None) if hasattr(msg, name) else getattr(msg, name.upper())
