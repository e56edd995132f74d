from __future__ import annotations

from dataclasses import replace

import numpy as np
from tabletop import AWAY, DEFAULT_VIEW, Box, observe

from perception_nodes.objects.visibility import Verdict, claimed_slot, examine
from perception_nodes.scene import Frame

BOX = Box((0.0, 0.0, 0.05), (0.1, 0.1, 0.1))
SCREEN = Box((-0.35, 0.0, 0.2), (0.02, 0.3, 0.4), slot=False)


def surface() -> np.ndarray:
    frame, slots = observe([BOX], 0)
    assert frame.pose is not None
    return frame.pose.apply(slots.items[0].points.astype(float))


def verdict(frame: Frame, spread: float = 0.003) -> Verdict:
    return examine(frame, surface(), spread).verdict


def test_a_surface_at_the_expected_depth_means_present() -> None:
    assert verdict(observe([BOX], 0)[0]) is Verdict.PRESENT


def test_something_nearer_means_occluded() -> None:
    assert verdict(observe([BOX, SCREEN], 0)[0]) is Verdict.OCCLUDED


def test_something_farther_means_gone() -> None:
    assert verdict(observe([], 0)[0]) is Verdict.GONE


def test_a_place_outside_the_image_is_out_of_view() -> None:
    assert verdict(observe([BOX], 0, AWAY)[0]) is Verdict.OUT_OF_VIEW


def test_a_place_without_readings_is_unknown() -> None:
    frame, _ = observe([BOX], 0)
    assert verdict(replace(frame, depth=np.full_like(frame.depth, np.nan))) is Verdict.UNKNOWN


def test_a_camera_without_a_pose_knows_nothing() -> None:
    assert verdict(replace(observe([BOX], 0)[0], pose=None)) is Verdict.UNKNOWN


def test_the_slot_that_covers_a_place_is_found_at_any_mask_resolution() -> None:
    frame, slots = observe([Box((0.0, 0.3, 0.05), (0.1, 0.1, 0.1)), BOX], 0, DEFAULT_VIEW)
    assert claimed_slot(frame, slots.labels, surface()) == (1, 1.0)
    slot, share = claimed_slot(frame, slots.labels[::2, ::2], surface())
    assert slot == 1
    assert share > 0.8
    assert claimed_slot(frame, np.zeros_like(slots.labels), surface()) == (-1, 0.0)
