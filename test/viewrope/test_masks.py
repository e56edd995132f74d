"""Coarse masks become labels with the edges of the depth image, without specks."""

from __future__ import annotations

import numpy as np
import pytest
from raytraced import Cuboid, picture

from perception_nodes.viewrope.masks import main_parts, upsample
from perception_nodes.viewrope.planes import find_background
from perception_nodes.viewrope.surface import prepare

BOX = Cuboid((0.0, 0.0, 0.2), (0.1, 0.3, 0.4))


def shifted_masks(shift: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels from masks whose edges are off by some pixels, those wanted, and the masks' own."""
    frame, truth = picture([BOX])
    surface = prepare(frame.depth, frame.camera)
    background = find_background(surface, None, (), 1.0)
    wanted = truth[::2, ::2] > 0
    moved = np.roll(wanted, shift, axis=1)
    cells = moved.reshape(60, 4, 80, 4).mean(axis=(1, 3)).astype(np.float32)
    masks = np.stack((1.0 - cells, cells))
    plain = np.kron(masks.argmax(axis=0), np.ones((4, 4))) > 0
    return upsample(masks, surface, background) > 0, wanted, plain


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_edges_are_those_of_the_depth_image(shift: int) -> None:
    found, wanted, plain = shifted_masks(shift)
    assert (found ^ wanted).sum() < 0.65 * (plain ^ wanted).sum()


def test_where_all_cells_agree_the_mask_decides_not_the_depth() -> None:
    frame, _ = picture([BOX])
    surface = prepare(frame.depth, frame.camera)
    background = find_background(surface, None, (), 1.0)
    masks = np.zeros((3, 60, 80), np.float32)
    masks[2] = 1.0
    assert (upsample(masks, surface, background) == 2).all()


def test_without_depth_labels_are_those_of_the_nearest_cells() -> None:
    frame, _ = picture([BOX])
    surface = prepare(np.full_like(frame.depth, np.nan), frame.camera)
    background = find_background(surface, None, (), 1.0)
    masks = np.zeros((2, 60, 80), np.float32)
    masks[0, :, :40], masks[1, :, 40:] = 1.0, 1.0
    labels = upsample(masks, surface, background)
    assert not labels[:, :160].any()
    assert labels[:, 160:].all()


def test_specks_go_and_halves_that_an_occluder_divides_stay() -> None:
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 10:20] = 1
    labels[10:30, 24:32] = 1  # behind a pole
    labels[50:52, 70:72] = 1  # a speck
    labels[40:50, 10:20] = 2
    kept = main_parts(labels, 2)
    assert not kept[50:52, 70:72].any()
    kept[50:52, 70:72] = 1
    assert np.array_equal(kept, labels)


def test_nothing_remains_nothing() -> None:
    assert not main_parts(np.zeros((60, 80), np.uint8), 16).any()
