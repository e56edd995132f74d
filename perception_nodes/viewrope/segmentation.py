"""Split what is not background into surfaces: at steps in depth and along concave creases."""

from __future__ import annotations

import cv2
import numpy as np

from perception_nodes.arrays import Bools, Bytes, Floats, Ints
from perception_nodes.viewrope.surface import DIRECTIONS, Surface, pad, shifted

CREASE = float(np.deg2rad(35.0))
"""Surfaces that meet at a sharper inner bend belong to different objects."""

_REACH = 3
_CONTINUES = 0.5
_MIN_SEED = 8
_GROWTH = 6


def concavity(surface: Surface, objects: Bools) -> Floats:
    """Where surfaces meet as the walls of a corner do.

    Args:
        surface: The depth image.
        objects: (h, w) pixels to look at.

    Returns:
        (h, w) the largest inner bend over a few pixels in any direction, radians; 0 where the
        surface is flat, bends outward or is unknown, and outside of `objects`.
    """
    padded = pad(surface.disparity, _REACH)
    own = np.where(objects, surface.disparity, np.float32(np.nan))  # which fails all tests
    largest = np.zeros(objects.shape, dtype=np.float32)
    flat = largest.ravel()
    with np.errstate(divide="ignore", invalid="ignore"):
        for down, right in DIRECTIONS:
            step = (_REACH * down, _REACH * right)
            run = np.float32(surface.camera.fx / (_REACH * np.hypot(down, right)))
            ahead = shifted(padded, _REACH, *step) / own - 1.0
            behind = shifted(padded, _REACH, -step[0], -step[1]) / own - 1.0
            smooth = (np.abs(ahead) < _CONTINUES) & (np.abs(behind) < _CONTINUES)
            inward = np.flatnonzero(smooth & (ahead + behind > 0))
            bend = np.arctan(run * ahead.take(inward)) + np.arctan(run * behind.take(inward))
            flat[inward] = np.maximum(flat[inward], bend)
    return largest


def split(surface: Surface, objects: Bools, creases: Bools) -> Ints:
    """Label connected surfaces.

    Args:
        surface: The depth image.
        objects: (h, w) pixels that may belong to objects.
        creases: (h, w) pixels where two surfaces meet; they are shared out afterwards.

    Returns:
        (h, w) int32, 0 where there is no surface.
    """
    seeds = _connected(surface, objects & ~creases)
    small = np.bincount(seeds.ravel()) < _MIN_SEED
    seeds[small[seeds]] = 0
    labels = _grow(surface, seeds, objects)
    rest = _connected(surface, objects & (labels == 0))
    return np.asarray(np.where(rest > 0, rest + labels.max(), labels))


def _connected(surface: Surface, mask: Bools) -> Ints:
    """Components of a mask, joined only along links of the surface."""
    height, width = mask.shape
    lattice: Bytes = np.zeros((2 * height - 1, 2 * width - 1), dtype=np.uint8)
    lattice[::2, ::2] = mask
    lattice[::2, 1::2] = (surface.right & mask)[:, :-1] & mask[:, 1:]
    lattice[1::2, ::2] = (surface.down & mask)[:-1] & mask[1:]
    _, labels = cv2.connectedComponents(lattice, connectivity=4, ltype=cv2.CV_32S)
    return np.ascontiguousarray(labels[::2, ::2])


def _grow(surface: Surface, seeds: Ints, objects: Bools) -> Ints:
    """Give pixels without a label that of a neighbor they are linked to, step by step."""
    width = seeds.shape[1]
    labels = np.append(seeds.ravel(), 0)  # the last one stands for "no neighbor"
    free = np.flatnonzero(objects.ravel() & (labels[:-1] == 0))
    right, down = np.append(surface.right.ravel(), False), np.append(surface.down.ravel(), False)
    neighbors = np.stack(
        [
            np.where(link, free + step, seeds.size)
            for link, step in (
                (right[free], 1),
                (right[free - 1], -1),
                (down[free], width),
                (down[free - width], -width),
            )
        ]
    )
    for _ in range(_GROWTH):
        grown = labels[neighbors].max(axis=0)
        labels[free] = np.where(labels[free] > 0, labels[free], grown)
    return labels[:-1].reshape(seeds.shape)
