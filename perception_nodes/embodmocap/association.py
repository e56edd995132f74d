"""Who is who: persons of each view to those who are known, and strangers across views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.interface import View
from perception_nodes.embodmocap.observation import Noise, Observation, misfit, observe, swapped
from perception_nodes.embodmocap.skeleton import COUNT, LEFT, RIGHT
from perception_nodes.embodmocap.start import agree, common, guess

_CAP, _GATE = 40.0, 14.0
_LEAST_JOINTS = 4
_APART, _NEAR_EACH_OTHER = 0.12, 0.5
_SWAP_GAIN, _SWAP_SHARE = 40.0, 0.4
_PAIRS = tuple(zip(LEFT, RIGHT, strict=True))
_GROUPS = tuple((pairs, np.array(pairs).ravel()) for pairs in (_PAIRS, _PAIRS[2:5], _PAIRS[5:8]))
"""Everything, arms, legs: what a detector exchanges together, as pairs and as joints."""


def assign(
    view: View, noise: Noise, known: Sequence[tuple[Floats, Floats]], doubt: float
) -> dict[int, int]:
    """Which person of a view is which known one.

    Args:
        view: One view.
        noise: Of its measurements.
        known: Joints (17, 3) and covariances (17, 3, 3) of the known, at the view's time.
        doubt: Variance that cameras' poses add, m^2.

    Returns:
        Index of the known to index in the view.
    """
    count = len(view.keypoints.pixels)
    if not count or not known:
        return {}
    seen = observe([(view, k) for k in range(count)], noise)
    enough = seen.seen.sum(axis=1)
    costs = np.full((len(known), count), _CAP)
    mirrored: Observation | None = None
    for row, (joints, covariances) in enumerate(known):
        wide = covariances + doubt * np.eye(3)
        costs[row] = _mean(seen, joints, wide)
        if costs[row].min() > _GATE:
            # Perhaps the detector took left for right.
            mirrored = _mirror(seen) if mirrored is None else mirrored
            costs[row] = np.minimum(costs[row], _mean(mirrored, joints, wide))
    costs[:, enough < _LEAST_JOINTS] = _CAP
    rows, columns = linear_sum_assignment(costs)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if costs[r, c] < _GATE}


def strangers(
    views: Sequence[View], noise: Noise, taken: Sequence[set[int]], doubt: float
) -> list[list[tuple[View, int]]]:
    """Groups of persons in different views who are nobody known, and the same person each.

    Args:
        views: At one moment.
        noise: Of their measurements.
        taken: For each view, who is known already.
        doubt: Variance that cameras' poses add, m^2.
    """
    groups: list[list[tuple[View, int]]] = []
    for view, known in zip(views, taken, strict=True):
        people = [k for k in range(len(view.keypoints.pixels)) if k not in known]
        seen = [observe([(view, k)], noise) for k in people]
        fresh = [(k, s) for k, s in zip(people, seen, strict=True) if s.seen.sum() >= _LEAST_JOINTS]
        costs = np.full((len(groups), len(fresh)), _CAP)
        for row, group in enumerate(groups):
            one = observe(group, noise)
            for column, (_, other) in enumerate(fresh):
                costs[row, column] = _disagreement(one, other, doubt)
        rows, columns = linear_sum_assignment(costs)
        matched = {
            int(c): int(r) for r, c in zip(rows, columns, strict=True) if costs[r, c] < _GATE
        }
        for column, (k, _) in enumerate(fresh):
            if column in matched:
                groups[matched[column]].append((view, k))
            else:
                groups.append([(view, k)])
    return groups


def untwist(seen: Observation, joints: Floats, covariances: Floats) -> tuple[Observation, bool]:
    """Exchange left and right where a detector took them for each other.

    Args:
        seen: One person's views.
        joints: (17, 3) expected.
        covariances: (17, 3, 3) of these.

    Returns:
        The views, and whether something was exchanged.
    """
    changed = False
    now = np.minimum(misfit(seen, joints, covariances), 4 * _CAP)
    for view in np.flatnonzero(now.sum(axis=1) > _SWAP_GAIN):
        for pairs, members in _GROUPS:
            before = float(now[view, members].sum())
            if before < _SWAP_GAIN:
                continue
            other = swapped(seen, int(view), pairs)
            off = np.minimum(misfit(other, joints, covariances)[view, members], 4 * _CAP)
            after = float(off.sum())
            if before - after > _SWAP_GAIN and after < _SWAP_SHARE * before:
                seen, changed = other, True
                break
    return seen, changed


def _mean(seen: Observation, joints: Floats, covariances: Floats) -> Floats:
    """(V,) mean capped misfit of the joints that were found."""
    off = np.minimum(misfit(seen, joints, covariances), _CAP)
    return np.asarray(off.sum(axis=1) / np.maximum(seen.seen.sum(axis=1), 1))


def _mirror(seen: Observation) -> Observation:
    for view in range(len(seen.center)):
        seen = swapped(seen, view, _PAIRS)
    return seen


def _disagreement(one: Observation, other: Observation, doubt: float) -> float:
    if common(one, other) < _LEAST_JOINTS:
        return _CAP
    both, joints = agree(one, other)
    if (both.depth_information > 0.0).any():
        apart = np.linalg.norm(guess(one)[0] - guess(other)[0], axis=1)
        shared = one.seen.any(axis=0) & other.seen.any(axis=0)
        if float(np.median(apart[shared])) > _NEAR_EACH_OTHER:
            return _CAP
    blur = np.broadcast_to((doubt + _APART**2) * np.eye(3), (COUNT, 3, 3))
    shared = one.seen.any(axis=0) & other.seen.any(axis=0)
    off = np.minimum(misfit(both, joints, blur), _CAP)[:, shared]
    return float(off.mean()) * 4.0
