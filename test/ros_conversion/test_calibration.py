"""Camera models from CameraInfo, and the removal of distortion."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from perception_nodes.errors import InputError
from perception_nodes.geometry.camera import Camera
from perception_nodes.ros.calibration import Rectifier, camera_from_info
from perception_nodes.ros.factory import RosbagsFactory
from perception_nodes.ros.geometry_messages import camera_info_to_msg

CAMERA = Camera(64, 48, 60.0, 61.0, 31.0, 24.0)
FACTORY = RosbagsFactory()


def info(**changes: Any) -> Any:
    message = camera_info_to_msg(CAMERA, 5, "camera", FACTORY)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_a_camera_comes_back_as_it_was_and_needs_no_rectifier() -> None:
    assert camera_from_info(info()) == CAMERA
    assert Rectifier.from_info(info()) is None
    assert Rectifier.from_info(info(d=np.zeros(0))) is None


def test_the_upper_case_fields_of_ros1_are_understood() -> None:
    k = CAMERA.matrix().ravel()
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    message = SimpleNamespace(K=k, D=[], width=64, height=48, binning_x=0, binning_y=0, roi=roi)
    assert camera_from_info(message) == CAMERA
    assert Rectifier.from_info(message) is None


def test_binning_and_region_of_interest_are_applied() -> None:
    region = FACTORY.make(
        "sensor_msgs/msg/RegionOfInterest", x_offset=4, y_offset=8, width=40, height=20
    )
    camera = camera_from_info(info(roi=region, binning_x=2, binning_y=2))
    assert camera == Camera(20, 10, 30.0, 30.5, 13.5, 8.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"k": np.zeros(9)}, "uncalibrated"),
        ({"k": np.full(9, np.nan)}, "impossible values"),
        ({"width": 0}, "impossible values"),
        ({"height": 0}, "impossible values"),
    ],
)
def test_a_camera_that_is_not_calibrated_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        camera_from_info(info(**changes))
    assert caught.value.remedy


COEFFICIENTS = {
    "plumb_bob": [-0.3, 0.1, 0.001, -0.002, 0.01],
    "rational_polynomial": [-0.3, 0.1, 0.001, -0.002, 0.01, 0.02, 0.01, 0.005],
    "equidistant": [-0.1, 0.02, -0.01, 0.005],
}


def distorted_pixels(points: Any, model: str) -> Any:
    """Where a distorting camera sees points of its frame."""
    d, k = np.array(COEFFICIENTS[model]), CAMERA.matrix()
    zero = np.zeros(3)
    if model == "equidistant":
        return cv2.fisheye.projectPoints(points[:, None], zero, zero, k, d)[0][:, 0]
    return cv2.projectPoints(points[:, None], zero, zero, k, d)[0][:, 0]


@pytest.mark.parametrize("model", sorted(COEFFICIENTS))
def test_rectified_pixels_lie_where_the_pinhole_model_expects_them(model: str) -> None:
    rectifier = Rectifier.from_info(info(d=np.array(COEFFICIENTS[model]), distortion_model=model))
    assert rectifier is not None
    grid = np.mgrid[0:48, 0:64].astype(np.float32)
    columns = rectifier.depth(1.0 + grid[1])
    rows = rectifier.depth(1.0 + grid[0])
    targets = np.array([[10, 8], [32, 24], [50, 40], [55, 10]])
    rays = CAMERA.rays()[targets[:, 1], targets[:, 0]].astype(np.float64)
    seen = distorted_pixels(rays, model)
    found = np.stack([columns, rows], -1)[targets[:, 1], targets[:, 0]] - 1.0
    assert np.abs(found - seen).max() <= 0.5 + 1e-3
    assert np.abs(seen - targets).max() > 1.0


def test_rectified_depth_invents_no_depth_and_has_nan_outside() -> None:
    rectifier = Rectifier.from_info(info(d=np.array([0.4, 0.0, 0.0, 0.0, 0.0])))
    assert rectifier is not None
    depth = np.ones((48, 64), np.float32)
    depth[:, 32:] = 2.0
    result = rectifier.depth(depth)
    assert set(np.unique(result[np.isfinite(result)])) == {1.0, 2.0}
    assert np.isnan(result[0, 0])
    color = rectifier.color(np.full((48, 64, 3), 200, np.uint8)[..., ::-1])
    assert color[24, 31].tolist() == [200, 200, 200]
    assert color[0, 0].tolist() == [0, 0, 0]


def test_models_and_coefficients_that_are_not_understood_are_refused() -> None:
    d = np.array([0.1, 0.0, 0.0, 0.0])
    with pytest.raises(InputError, match="'ftheta' is not supported"):
        Rectifier.from_info(info(d=d, distortion_model="ftheta"))
    with pytest.raises(InputError, match="not finite"):
        Rectifier.from_info(info(d=np.array([np.nan, 0.0, 0.0, 0.0])))
    with pytest.raises(InputError, match="3 coefficients do not fit"):
        Rectifier.from_info(info(d=d[:3]))


def test_images_of_another_size_than_their_camera_info_are_refused() -> None:
    rectifier = Rectifier.from_info(info(d=np.array([0.1, 0.0, 0.0, 0.0])))
    assert rectifier is not None
    with pytest.raises(InputError, match="32x24 pixels, its CameraInfo says 64x48"):
        rectifier.depth(np.ones((24, 32), np.float32))
