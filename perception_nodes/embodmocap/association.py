"""Who is who: persons of each view to those who are known, and strangers across views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.observation import Observation, exchanged, gather, misfit
from perception_nodes.embodmocap.skeleton import COUNT, LEFT, RIGHT
from perception_nodes.embodmocap.start import agree, common, guess

_CAP, _GATE = 40.0, 14.0
_LEAST_JOINTS = 4
_APART, _NEAR_EACH_OTHER = 0.12, 0.5
_SWAP_GAIN, _SWAP_SHARE = 40.0, 0.4
_LEFT, _RIGHT = np.array(LEFT), np.array(RIGHT)
_GROUPS = (slice(0, 0), slice(0, None), slice(2, 5), slice(5, 8))
"""Of pairs left and right, what a detector exchanges together: nothing, all, arms, legs."""
_ORDERS = np.tile(np.arange(COUNT), (len(_GROUPS), 1))
for _order, _group in zip(_ORDERS, _GROUPS, strict=True):
    _order[_LEFT[_group]], _order[_RIGHT[_group]] = _RIGHT[_group], _LEFT[_group]
_MEMBERS = (_ORDERS[1:] != np.arange(COUNT)).astype(np.float64)
"""(3, 17), one where a joint is exchanged."""


def assign(seen: Observation, joints: Floats, variance: Floats) -> tuple[dict[int, int], Floats]:
    """Which person of a view is which known one.

    Args:
        seen: The P persons of one view.
        joints: (K, 17, 3) of the known, at the view's time.
        variance: (K, 17) of them per axis, with what the camera's pose adds.

    Returns:
        Index of the known to index in the view, and the misfits (K, P, 4, 17) of everyone with
        everyone, as told and with sides exchanged, for `untwist`.
    """
    if not len(joints):
        return {}, np.zeros((0, len(seen.center), len(_ORDERS), COUNT))
    count = np.count_nonzero(seen.pixel_information, axis=1)
    off = misfit(seen, joints, variance, _ORDERS)
    capped = np.minimum(off[:, :, :2], _CAP).sum(axis=-1) / np.maximum(count, 1)[:, None]
    as_told, mirrored = capped[..., 0], capped[..., 1]
    # Where nobody fits, perhaps the detector took left for right.
    nobody = as_told.min(axis=1, keepdims=True) > _GATE
    costs = np.where(nobody, np.minimum(as_told, mirrored), as_told)
    costs[:, count < _LEAST_JOINTS] = _CAP
    rows, columns = linear_sum_assignment(costs)
    matches = zip(rows.tolist(), columns.tolist(), strict=True)
    return {r: c for r, c in matches if costs[r, c] < _GATE}, off


def strangers(
    views: Sequence[Observation], taken: Sequence[set[int]], doubt: float
) -> list[list[tuple[int, int]]]:
    """Groups of persons in different views who are nobody known, and the same person each.

    Args:
        views: At one moment, each with all its persons.
        taken: For each view, who is known already.
        doubt: Variance that cameras' poses add, m^2.

    Returns:
        For each group, view and index in it of every member.
    """
    groups: list[list[tuple[int, int]]] = []
    for number, (view, known) in enumerate(zip(views, taken, strict=True)):
        people = [k for k in range(len(view.center)) if k not in known]
        fresh = [k for k in people if view.seen[k].sum() >= _LEAST_JOINTS]
        costs = np.full((len(groups), len(fresh)), _CAP)
        for row, group in enumerate(groups):
            one = gather([(views[v], k) for v, k in group])
            for column, k in enumerate(fresh):
                costs[row, column] = _disagreement(one, gather([(view, k)]), doubt)
        rows, columns = linear_sum_assignment(costs)
        matched = {
            int(c): int(r) for r, c in zip(rows, columns, strict=True) if costs[r, c] < _GATE
        }
        for column, k in enumerate(fresh):
            if column in matched:
                groups[matched[column]].append((number, k))
            else:
                groups.append([(number, k)])
    return groups


def untwist(seen: Observation, misfits: Floats) -> tuple[Observation, bool]:
    """Exchange left and right where a detector took them for each other.

    Args:
        seen: One person's views.
        misfits: (V, 4, 17) of the person with them, see `assign`.

    Returns:
        The views, and whether something was exchanged.
    """
    off = np.minimum(misfits, 4 * _CAP)
    if off[:, 0].sum(axis=-1).max() <= _SWAP_GAIN:
        return seen, False
    now = off[:, 0] @ _MEMBERS.T
    after = (off[:, 1:] * _MEMBERS).sum(axis=-1)
    better = (now - after > _SWAP_GAIN) & (after < _SWAP_SHARE * now)
    if not better.any():
        return seen, False
    chosen = np.where(better.any(axis=1), 1 + better.argmax(axis=1), 0)
    return exchanged(seen, _ORDERS[chosen]), True


def _disagreement(one: Observation, other: Observation, doubt: float) -> float:
    if common(one, other) < _LEAST_JOINTS:
        return _CAP
    both, joints = agree(one, other)
    if (both.depth_information > 0.0).any():
        apart = np.linalg.norm(guess(one)[0] - guess(other)[0], axis=1)
        shared = one.seen.any(axis=0) & other.seen.any(axis=0)
        if float(np.median(apart[shared])) > _NEAR_EACH_OTHER:
            return _CAP
    blur = np.full((1, COUNT), doubt + _APART**2)
    shared = one.seen.any(axis=0) & other.seen.any(axis=0)
    off = np.minimum(misfit(both, joints[None], blur, _ORDERS[:1])[0, :, 0], _CAP)[:, shared]
    return float(off.mean()) * 4.0
