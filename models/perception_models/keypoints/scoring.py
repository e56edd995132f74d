"""How well found people agree with true ones: object keypoint similarity (OKS), as COCO has it.

OKS is the mean over a person's joints of exp(-d^2 / (2 s^2 k^2)), with d the distance in pixels,
s^2 the person's area and k twice the deviation of what people annotate (cocodataset.org,
"Keypoint evaluation"). The area is that of the box around the joints, times 0.53, which is about
the share that a body has of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats, Ints

_DEVIATIONS = np.array([0.026, *[0.025] * 2, *[0.035] * 2, *[0.079] * 2, *[0.072] * 2,
                        *[0.062] * 2, *[0.107] * 2, *[0.087] * 2, *[0.089] * 2])  # fmt: skip
_SHARE = 0.53
_SMALLEST = 10.0  # pixels
MATCHED = 0.3
"""OKS from which a found person is taken for a true one: far more than what chance gives."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """One picture's found people against its true ones.

    Attributes:
        match: (T,) which found person is taken for each true one, -1 for none.
        oks: (T,) similarity with it, 0 for none.
        invented: How many found people are nobody.
    """

    match: Ints
    oks: Floats
    invented: int


def compare(found: Floats, true: Floats, seen: Ints) -> Comparison:
    """Match people greedily, the most similar pair first.

    Args:
        found: (F, 17, 2) pixels; NaN where not found.
        true: (T, 17, 2) pixels.
        seen: (T, 17), 0 where a joint is not in the picture and doesn't count.
    """
    table = similarity(found, true, seen)
    match, oks = np.full(len(true), -1), np.zeros(len(true))
    left = table.copy()
    for _ in range(min(left.shape)):
        t, f = np.unravel_index(int(np.argmax(left)), left.shape)
        if left[t, f] < MATCHED:
            break
        match[t], oks[t] = f, table[t, f]
        left[t], left[:, f] = -1.0, -1.0
    return Comparison(match, oks, len(found) - int((match >= 0).sum()))


def similarity(found: Floats, true: Floats, seen: Ints) -> Floats:
    """(T, F) OKS of each true person with each found one; a joint not found counts 0."""
    counts = seen > 0
    sizes = sizes_of(true, seen)
    apart = np.linalg.norm(found[None] - true[:, None], axis=-1)
    spread = 2.0 * _DEVIATIONS[None] * np.sqrt(_SHARE) * sizes[:, None]
    near = np.exp(-0.5 * (np.nan_to_num(apart, nan=np.inf) / spread[:, None]) ** 2)
    total = (near * counts[:, None]).sum(axis=-1)
    return np.asarray(total / np.maximum(counts.sum(axis=1), 1)[:, None])


def sizes_of(true: Floats, seen: Ints) -> Floats:
    """(T,) root of the area of the boxes around joints that are in the picture, pixels."""
    known = np.where((seen > 0)[..., None], true, np.nan)
    sides = np.empty((0, 2)) if not len(true) else np.nanmax(known, 1) - np.nanmin(known, 1)
    return np.asarray(np.sqrt(np.maximum(sides, _SMALLEST).prod(axis=1)))
