"""From a network's maps to people: middles, joints expected around them, joints looked up.

A bottom-up method: its cost does not grow with the number of people and no detector of people
comes before. Middles with offsets are those of "Objects as points" (Zhou et al. 2019,
arXiv:1904.07850, section 4.2); each joint is then looked for in its own map near where it is
expected, which is exact to a fraction of a cell, and no place is given to two people.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from perception_nodes.arrays import Floats, Ints
from perception_nodes.embodmocap.skeleton import COUNT

FINE, COARSE = 4, 8
"""Pixels of the network's image between two cells of the maps, and of the offsets."""
OFFSET_UNIT = 32.0
"""Pixels of the network's image that an offset of 1 is long."""
_MOST = 20
_NEAREST_SIZE = 24.0
_REACH = 0.25
_PEAKS = 2 * _MOST


@dataclass(frozen=True, slots=True)
class Decoding:
    """What counts as found.

    Attributes:
        person: Least value of a middle.
        joint: Least value of a joint.
        joints: How many joints a person has at least.
        refine: Look joints up in their maps; without, the expected places are told as they are.
        group: Expect joints by offsets; without, every joint goes to the middle next to it.
    """

    person: float = 0.55
    joint: float = 0.12
    joints: int = 5
    refine: bool = True
    group: bool = True


def decode(maps: Floats, offsets: Floats, rule: Decoding | None = None) -> tuple[Floats, Floats]:
    """The people that maps show.

    Args:
        maps: (18, H, W) joints and middles, 0..1; NaN counts as nothing.
        offsets: (34, H/2, W/2) from a middle to the joints, x and y in turn, `OFFSET_UNIT`.
        rule: What counts as found.

    Returns:
        (P, 17, 2) pixels of the network's image, NaN where not found, and (P, 17) confidence.
    """
    rule = rule or Decoding()
    maps = np.clip(np.nan_to_num(np.asarray(maps, np.float32)), 0.0, 1.0)
    offsets = np.nan_to_num(np.asarray(offsets, np.float32))
    places, sure = _peaks(maps[COUNT], rule.person, _MOST)
    if not len(places):
        return np.empty((0, COUNT, 2)), np.empty((0, COUNT))
    middles = _pixels(maps[COUNT], places)
    expected = middles[:, None] + _offsets_at(offsets, middles)
    size = np.ptp(expected, axis=1).max(axis=1)
    reach = _REACH * np.maximum(size, _NEAREST_SIZE)
    if not rule.group:
        expected, reach = np.repeat(middles[:, None], COUNT, axis=1), np.maximum(3.0 * reach, 1.0)
    pixels = np.full((len(middles), COUNT, 2), np.nan)
    confidence = np.zeros((len(middles), COUNT))
    for joint in range(COUNT):
        if rule.refine:
            found, values = _looked_up(maps[joint], expected[:, joint], reach, rule.joint)
        else:
            found, values = expected[:, joint], np.asarray(sure, dtype=np.float64)
        pixels[:, joint], confidence[:, joint] = found, values
    kept = (confidence > 0.0).sum(axis=1) >= rule.joints
    return pixels[kept], confidence[kept]


def _looked_up(
    chart: Floats, expected: Floats, reach: Floats, least: float
) -> tuple[Floats, Floats]:
    """For each person the peak that suits best, (P, 2) and (P,); a peak goes to one person only."""
    count = len(expected)
    pixels, confidence = np.full((count, 2), np.nan), np.zeros(count)
    cells, values = _peaks(chart, least, _PEAKS)
    if not len(cells):
        return pixels, confidence
    places = _pixels(chart, cells)
    apart = np.linalg.norm(places[None] - expected[:, None], axis=-1) / reach[:, None]
    score = values[None] * np.exp(-0.5 * apart**2)
    score[apart > 3.0] = 0.0
    for _ in range(min(count, len(places))):
        person, peak = np.unravel_index(int(np.argmax(score)), score.shape)
        if score[person, peak] <= 0.0:
            break
        pixels[person], confidence[person] = places[peak], values[peak]
        score[person], score[:, peak] = 0.0, 0.0
    return pixels, confidence


def _peaks(chart: Floats, least: float, most: int) -> tuple[Ints, Floats]:
    """(N, 2) rows and columns of cells that none around exceeds, the highest first; and values."""
    around = cv2.dilate(chart, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((chart >= around) & (chart > least))
    order = np.argsort(-chart[rows, columns], kind="stable")[:most]
    rows, columns = rows[order], columns[order]
    return np.stack([rows, columns], axis=1), chart[rows, columns]


def _pixels(chart: Floats, cells: Ints) -> Floats:
    """(N, 2) pixels of peaks: the top of a parabola through the logarithms of three cells."""
    logs = np.log(np.maximum(np.pad(chart, 1, mode="edge"), 1e-3))
    rows, columns = cells[:, 0] + 1, cells[:, 1] + 1
    here = logs[rows, columns]
    shift = [
        _top(logs[rows, columns - 1], here, logs[rows, columns + 1]),
        _top(logs[rows - 1, columns], here, logs[rows + 1, columns]),
    ]
    return np.asarray((cells[:, ::-1] + np.stack(shift, axis=1) + 0.5) * FINE - 0.5, np.float64)


def _top(before: Floats, here: Floats, after: Floats) -> Floats:
    bend = np.minimum(before + after - 2.0 * here, -1e-3)
    return np.clip(0.5 * (before - after) / bend, -0.5, 0.5)


def _offsets_at(offsets: Floats, pixels: Floats) -> Floats:
    """(P, 17, 2) pixels, from the coarse cells in which the middles are."""
    height, width = offsets.shape[1:]
    cells = ((pixels + 0.5) / COARSE).astype(int)
    column, row = np.clip(cells[:, 0], 0, width - 1), np.clip(cells[:, 1], 0, height - 1)
    return np.asarray(offsets[:, row, column].T.reshape(-1, COUNT, 2) * OFFSET_UNIT, np.float64)
