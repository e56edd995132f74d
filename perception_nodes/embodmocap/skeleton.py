"""The 17 joints of COCO: names, bones, and what is known of every body before it is measured.

Lengths are shares of stature after Drillis and Contini (1966, as in Winter, "Biomechanics and
Motor Control of Human Movement", figure 4.1) at 1.72 m; distances in the face after Farkas (1994).
"""

from __future__ import annotations

import numpy as np

from perception_nodes.arrays import Floats

_PARTS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS: tuple[str, ...] = ("nose", *(f"{s}_{p}" for p in _PARTS for s in ("left", "right")))
"""Names in COCO order."""
INDEX = {name: k for k, name in enumerate(JOINTS)}
COUNT = len(JOINTS)

_HALF = (
    # part nearer to the trunk, part, length in m
    ("nose", "eye", 0.055),
    ("eye", "ear", 0.085),
    ("shoulder", "elbow", 0.295),
    ("elbow", "wrist", 0.25),
    ("shoulder", "hip", 0.49),
    ("hip", "knee", 0.42),
    ("knee", "ankle", 0.42),
)
_ACROSS = (("shoulder", 0.35), ("hip", 0.25))


def _joint(side: str, part: str) -> int:
    return INDEX[part if part == "nose" else f"{side}_{part}"]


_TABLE = [
    *((_joint("left", p), _joint("right", p), length) for p, length in _ACROSS),
    *((_joint(s, a), _joint(s, b), length) for a, b, length in _HALF for s in ("left", "right")),
]
BONES: tuple[tuple[int, int], ...] = tuple((a, b) for a, b, _ in _TABLE)
"""The 16 pairs of joints whose distance does not change."""
LENGTHS: Floats = np.array([length for _, _, length in _TABLE])
"""(16,) meters, of an adult of 1.72 m."""
LENGTH_SHARE = 0.15
"""Standard deviation of a length over people, as a share of it."""

SURFACE: Floats = np.array(
    [0.01, 0.015, 0.015, 0.06, 0.06, *(6 * [0.045]), 0.09, 0.09, 0.055, 0.055, 0.045, 0.045]
)
"""(17,) how far behind the visible surface a joint lies, m: about the radius of its limb."""
SURFACE[[INDEX["left_shoulder"], INDEX["right_shoulder"]]] = 0.06
SURFACE[[INDEX["left_wrist"], INDEX["right_wrist"]]] = 0.025

AGILITY: Floats = np.array([4.0] * 5 + [3.0] * 2 + [8.0] * 2 + [20.0] * 2 + [2.0] * 2
                           + [8.0] * 2 + [14.0] * 2)  # fmt: skip
"""(17,) spectral density of a joint's own random acceleration, m^2/s^3."""
BODY_AGILITY = 2.0
"""That of the acceleration that all joints share."""

LEFT = tuple(INDEX[f"left_{part}"] for part in _PARTS)
RIGHT = tuple(INDEX[f"right_{part}"] for part in _PARTS)
