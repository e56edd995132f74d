"""What a body can do: bones keep their lengths, which are learned slowly, and joints their limits.

r_l = (|X_a - X_b| - l_ab) / s_l                     bones
r_f = min(|X_a - X_c| - m (l_ab + l_bc), 0) / s      a limb folds only so far
r_k = min(f . (X_knee - (X_hip + X_ankle) / 2) + s, 0) / s      knees bend forward, not back
"""

from __future__ import annotations

import math

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.skeleton import BONES, COUNT, INDEX, LENGTH_SHARE, LENGTHS

_A = np.array([a for a, _ in BONES])
_B = np.array([b for _, b in BONES])
_SOFT = np.where(LENGTHS > 0.2, 0.012, 0.03)  # noise would draw a face ever nearer
_LIMIT = 0.03
_SLOW = 0.002
_WANDER = 1e-8
_SURE, _VAGUE = 0.08, 1e-3


def _bone(a: str, b: str) -> int:
    return next(k for k, pair in enumerate(BONES) if set(pair) == {INDEX[a], INDEX[b]})


_LIMBS = [
    (INDEX[f"{side}_{a}"], INDEX[f"{side}_{c}"], _bone(f"{side}_{a}", f"{side}_{b}"),
     _bone(f"{side}_{b}", f"{side}_{c}"), fold)
    for a, b, c, fold in (("shoulder", "elbow", "wrist", 0.3), ("hip", "knee", "ankle", 0.33))
    for side in ("left", "right")
]  # fmt: skip
_ENDS = np.array([(a, c) for a, c, _, _, _ in _LIMBS])
_PARTS = np.array([(p, q) for _, _, p, q, _ in _LIMBS])
_FOLDS = np.array([fold for *_, fold in _LIMBS])
_LEGS = np.array([[INDEX[f"{s}_{p}"] for p in ("hip", "knee", "ankle")] for s in ("left", "right")])
_HIPS = INDEX["left_hip"], INDEX["right_hip"]
_SHOULDERS = INDEX["left_shoulder"], INDEX["right_shoulder"]
_NECK_A, _NECK_B = np.array([INDEX["nose"]] * 2), np.array(_SHOULDERS)
_NECK, _NECK_SPREAD = 0.29, 0.06
# Rows of what is known: bones, how far limbs fold, neck - pairs of joints - then knees.
_FROM = np.concatenate([_A, _ENDS[:, 0], _NECK_A])
_TO = np.concatenate([_B, _ENDS[:, 1], _NECK_B])
_PAIRS = np.arange(len(_FROM))
_AT_LIMBS, _AT_NECK, _AT_LEGS = len(BONES), len(BONES) + len(_LIMBS), len(_FROM)
_COUNT = _AT_LEGS + len(_LEGS)
_LEG_ROWS = _AT_LEGS + np.arange(len(_LEGS))[:, None]
_LIMITS = np.array([*range(_AT_LIMBS, _AT_NECK), *range(_AT_LEGS, _COUNT)])
_ROOTS = np.full(_COUNT - _AT_LIMBS, 1.0 / _LIMIT)
_ROOTS[len(_LIMBS) : len(_LIMBS) + len(_NECK_A)] = 1.0 / _NECK_SPREAD
_BEND = np.array([-0.5, 1.0, -0.5])


class Bones:
    """The 16 lengths of one person as Gaussians."""

    def __init__(self) -> None:
        self.lengths: Floats = LENGTHS.copy()
        self.variances: Floats = (LENGTH_SHARE * LENGTHS) ** 2

    def residuals(self, joints: Floats, ahead: Floats) -> tuple[Floats, Floats]:
        """Jacobian (C, 51) and residuals (C,), in standard deviations.

        Args:
            joints: (17, 3) where to linearize.
            ahead: (3,) where the pelvis looks, see `forward`.
        """
        jacobian = np.zeros((_COUNT, COUNT, 3))
        off, root = np.empty(_COUNT), np.empty(_COUNT)
        unit, length = _ways(joints, _FROM, _TO)
        off[:_AT_LIMBS] = length[:_AT_LIMBS] - self.lengths
        shortest = _FOLDS * self.lengths[_PARTS].sum(axis=1)
        off[_AT_LIMBS:_AT_NECK] = np.minimum(length[_AT_LIMBS:_AT_NECK] - shortest, 0.0)
        off[_AT_NECK:_AT_LEGS] = length[_AT_NECK:] - _NECK
        root[:_AT_LIMBS] = 1.0 / np.sqrt(self.variances + _SOFT**2)
        root[_AT_LIMBS:] = _ROOTS
        hip, knee, ankle = joints[_LEGS.T]
        off[_AT_LEGS:] = np.minimum((knee - (hip + ankle) / 2.0) @ ahead + _LIMIT, 0.0)
        # A limit that is kept says nothing.
        root[_LIMITS] *= off[_LIMITS] < 0.0
        unit *= root[:_AT_LEGS, None]
        jacobian[_PAIRS, _FROM], jacobian[_PAIRS, _TO] = unit, -unit
        jacobian[_LEG_ROWS, _LEGS] = (_BEND * root[_AT_LEGS:, None])[..., None] * ahead
        return jacobian.reshape(_COUNT, -1), off * root

    def learn(self, joints: Floats, information: Floats, pull: Floats) -> None:
        """Correct the lengths by what measurements alone say, where they say enough.

        Args:
            joints: (17, 3) about which they were linearized.
            information: (17, 3, 3) of the measurements.
            pull: (17, 3), information times the way to where the measurements want them.
        """
        covariance = np.linalg.inv(information + _VAGUE * np.eye(3))
        well = covariance.trace(axis1=1, axis2=2) < _SURE**2
        self.variances = np.minimum(self.variances + _WANDER, (LENGTH_SHARE * LENGTHS) ** 2)
        if not (well[_A] & well[_B]).any():
            return
        places = joints + (covariance @ pull[..., None])[..., 0]
        unit, length = _ways(places, _A, _B)
        spread = covariance[_A] + covariance[_B]
        along = np.einsum("ni,nij,nj->n", unit, spread, unit)
        # Noise across a bone makes it look longer: E|d| = l + tr(S across) / 2 l.
        across = np.trace(spread, axis1=1, axis2=2) - along
        measured = length - across / (2.0 * np.maximum(length, 0.05))
        use = well[_A] & well[_B] & (np.abs(measured - self.lengths) < 0.5 * LENGTHS)
        # Errors of one frame resemble those of the next: a length is learned slowly.
        gain = np.where(use, self.variances / (self.variances + along + _SOFT**2), 0.0)
        gain = np.minimum(gain, np.maximum(_SLOW, gain * 0.2))
        self.lengths = self.lengths + gain * (measured - self.lengths)
        self.variances = (1.0 - gain) * self.variances


def _ways(joints: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Unit vectors (C, 3) from b to a, and distances (C,)."""
    way = joints[a] - joints[b]
    length = np.sqrt((way * way).sum(axis=1))
    return way / np.maximum(length, 1e-6)[:, None], length


def forward(joints: Floats) -> Floats:
    """(3,) where the pelvis looks: across the hips and up the trunk; zero if that is unclear."""
    left, right = joints[_HIPS[0]], joints[_HIPS[1]]
    x, y, z = (left - right).tolist()
    u, v, w = (joints[_SHOULDERS[0]] + joints[_SHOULDERS[1]] - left - right).tolist()
    ahead = np.array([y * w - z * v, z * u - x * w, x * v - y * u])
    length = math.sqrt(float(ahead @ ahead))
    return ahead / length if length > 0.04 else np.zeros(3)
