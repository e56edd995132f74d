"""What the slot encoder takes in: images at its size, rays and places of its patches."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from raytraced import VIEW, Ball
from raytraced import picture as render

from perception_kernels.unproject import unproject
from perception_nodes.geometry.camera import Camera
from perception_nodes.scene import Frame
from perception_nodes.viewrope.encoding import Picture, Sight, picture, place_phases, sight

BALL = Ball((0.0, 0.0, 0.05), 0.05)


def prepared(frame: Frame) -> tuple[Picture, Sight]:
    made = picture(frame, 320, 240)
    return made, sight(frame, made, 15, 20)


def resized(frame: Frame, width: int, height: int) -> Frame:
    size = (width, height)
    return replace(
        frame,
        camera=frame.camera.scaled(width, height),
        color=np.asarray(cv2.resize(frame.color, size, interpolation=cv2.INTER_NEAREST)),
        depth=np.asarray(cv2.resize(frame.depth, size, interpolation=cv2.INTER_NEAREST)),
    )


def test_points_lie_on_the_surface_that_the_frame_shows() -> None:
    frame, _ = render([BALL])
    seen, _ = prepared(frame)
    assert seen.color.shape == (*seen.depth.shape, 3) == (240, 320, 3)
    assert frame.pose is not None
    points = unproject(seen.depth, seen.camera.rays())
    world = frame.pose.apply(points[points[..., 2] > 0].astype(float))
    on_ball = np.linalg.norm(world - np.array(BALL.center), axis=1) < 0.053
    assert on_ball.sum() > 100


def test_what_is_unknown_has_no_place_and_no_phase() -> None:
    frame, _ = render([BALL])
    depth = frame.depth.copy()
    depth[:, :320] = np.nan
    seen, geometry = prepared(replace(frame, depth=depth))
    assert np.isnan(seen.depth[:, :159]).all()
    left = geometry.places.reshape(15, 20, 3)[:, :10]
    assert np.isnan(left).all()
    assert not place_phases(left, np.zeros(3), 24).any()


@pytest.mark.parametrize(("width", "height"), [(320, 240), (1280, 720), (848, 480), (160, 120)])
def test_any_image_size_gives_the_same_places(width: int, height: int) -> None:
    frame, _ = render([BALL])
    _, wanted = prepared(frame)
    _, found = prepared(resized(frame, width, height))
    near = np.linalg.norm(wanted.places - found.places, axis=-1)
    assert np.nanmedian(near) < 0.02
    assert np.abs(wanted.rays - found.rays).max() < 0.01


def test_the_rays_of_patches_point_at_their_places() -> None:
    frame, _ = render([BALL])
    _, geometry = prepared(frame)
    toward = geometry.places - VIEW.translation
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    known = np.isfinite(toward[:, 0])
    assert np.allclose(toward[known], geometry.rays[known, :, 2], atol=1e-4)


def test_the_place_of_a_patch_lies_on_a_surface_not_between_two() -> None:
    camera = Camera(320, 240, 300.0, 300.0, 159.5, 119.5)
    depth = np.full((240, 320), 1.0, np.float32)
    depth[:, 168:] = 3.0  # the edge goes through the middle of a patch
    color = np.zeros((240, 320, 3), np.uint8)
    frame = Frame(0, "camera", "optical", camera, color, depth, None)
    _, geometry = prepared(frame)
    depths = geometry.places.reshape(15, 20, 3)[..., 2]
    assert set(np.round(np.unique(depths), 3)) == {1.0, 3.0}
    assert geometry.near[0, 10] == 1.0
    assert geometry.far[0, 10] == 3.0


def test_phases_depend_on_the_offset_from_the_camera_alone() -> None:
    places = np.random.default_rng(0).normal(size=(5, 3))
    a = place_phases(places, np.array([1.0, 2.0, 3.0]), 24)
    b = place_phases(places + 100.0, np.array([101.0, 102.0, 103.0]), 24)
    assert a.shape == (5, 24, 2)
    assert np.allclose(a, b, atol=1e-4)
