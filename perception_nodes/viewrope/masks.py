"""From the coarse masks of a network to labels with edges where depth has them.

Joint bilateral upsampling (Kopf et al., SIGGRAPH 2007) with depth as the guide, computed only
where neighboring cells disagree.
"""

from __future__ import annotations

import cv2
import numpy as np

from perception_nodes.arrays import Bools, Bytes, Floats, Ints
from perception_nodes.viewrope.planes import Background
from perception_nodes.viewrope.surface import Surface

_SAME_DEPTH = 0.02  # part of the disparity within which pixels count as neighbors on a surface
_OTHER_DEPTH = 1e-3
_NO_DEPTH = 0.1
_MIN_PART = 0.1


def upsample(masks: Floats, surface: Surface, background: Background) -> Bytes:
    """Which mask each pixel belongs to.

    Args:
        masks: (N, h, w) probabilities, the first of the background.
        surface: The depth image, at a higher resolution (H, W).
        background: Its planes: on them, the edge of an object does not spread.

    Returns:
        (H, W) uint8, index of the mask.
    """
    coarse = masks.argmax(axis=0).astype(np.uint8)
    shape = surface.disparity.shape
    rows, columns = (_cells(*sizes) for sizes in zip(shape, coarse.shape, strict=True))
    row, column = rows[0], columns[0]
    labels = coarse[row[:, None], column]
    unsure = np.zeros(shape, dtype=bool)
    for i, j in ((0, 1), (1, 0), (1, 1)):
        unsure |= coarse[row[:, None] + i, column + j] != labels
    y, x = np.nonzero(unsure)
    labels[y, x] = _decide(masks, surface, (y, x), rows, columns)
    labels[unsure & background.mask] = 0
    return np.asarray(labels)


def main_parts(labels: Bytes, count: int) -> Bytes:
    """Labels 1..count without the specks of each: pieces far smaller than its largest one."""
    result = np.zeros_like(labels)
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=count + 1))
    for label in present[(present > 0) & (present <= count)]:
        mask = (labels == label).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        window = slice(y, y + height), slice(x, x + width)
        _, parts, statistics, _ = cv2.connectedComponentsWithStats(mask[window], connectivity=8)
        area = statistics[:, cv2.CC_STAT_AREA]
        keep = area >= _MIN_PART * area[1:].max()
        keep[0] = False
        result[window][keep[parts]] = label
    return result


def _cells(size: int, cells: int) -> tuple[Ints, Floats]:
    """For each pixel the first of the two cells around it, and the weight of the second."""
    place = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0.0, cells - 1.0)
    first = np.minimum(place.astype(np.intp), max(cells - 2, 0))
    return first, place - first


def _decide(
    masks: Floats,
    surface: Surface,
    pixels: tuple[Ints, Ints],
    rows: tuple[Ints, Floats],
    columns: tuple[Ints, Floats],
) -> Ints:
    """The mask of each of some pixels (n), by the cells around whose depth is like its own."""
    y, x = pixels
    here = surface.disparity[y, x]
    cells = _at_centers(surface.disparity, masks.shape[1:])
    total = np.zeros((len(masks), len(y)), dtype=np.float32)
    for i in range(2):
        for j in range(2):
            row, column = rows[0][y] + i, columns[0][x] + j
            near = np.abs(1 - i - rows[1][y]) * np.abs(1 - j - columns[1][x])
            weight = (near * _alike(here, cells[row, column])).astype(np.float32)
            total += masks[:, row, column] * weight
    return np.asarray(total.argmax(axis=0))


def _at_centers(disparity: Floats, cells: tuple[int, ...]) -> Floats:
    """(h, w) disparity in the middle of each cell."""
    row, column = (
        ((np.arange(n) + 0.5) * size / n).astype(np.intp)
        for n, size in zip(cells, disparity.shape, strict=True)
    )
    return np.asarray(disparity[row[:, None], column])


def _alike(a: Floats, b: Floats) -> Floats:
    """Weight of two disparities (n): 1 for the same surface, little for another one."""
    apart = np.abs(a - b) / np.maximum(np.maximum(a, b), 1e-6) / _SAME_DEPTH
    weight = np.maximum(np.exp(-0.5 * np.square(apart)), _OTHER_DEPTH)
    known: Bools = (a > 0) & (b > 0)
    return np.asarray(np.where(known, weight, _NO_DEPTH), dtype=np.float32)
