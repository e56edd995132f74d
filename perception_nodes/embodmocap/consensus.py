"""Which of three or more views to believe, joint by joint: the most that agree with each other.

Robust weights alone average two camps. So each joint is triangulated from every set of views that
leaves few out, and the largest set whose rays meet within two standard deviations on average is
believed; of sets as large, that whose rays meet best (the rule of Pagnon, Domalain and Reveret
2022, in units of the keypoints' noise).
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.embodmocap.observation import Observation

_AGREE = 2.0
_MOST_OUT = 2
_SIZE = 100.0


def believed(seen: Observation) -> Bools:
    """(V, 17) whose keypoints count; all of joints that fewer than three views found."""
    known = seen.seen
    many = np.flatnonzero(known.sum(axis=0) >= 3)
    if not len(many):
        return known
    sets = _sets(len(known))
    known = known[:, many]
    inside = sets[:, :, None] & known
    off = _misses(seen, many, inside)
    count = inside.sum(axis=1)
    mean = np.where(inside, off, 0.0).sum(axis=1) / np.maximum(count, 1)
    # Sets that agree come first, the larger the better; then the smallest, by how they agree.
    agree = mean < _AGREE
    rank = np.where(agree, -_SIZE * count, _SIZE * count) + np.minimum(mean, _SIZE - 1.0)
    rank[count < 2] = np.inf
    chosen = inside[rank.argmin(axis=0), :, np.arange(len(many))].T
    told = seen.seen
    told[:, many] = chosen
    return told


def _misses(seen: Observation, joints: Ints, inside: Bools) -> Floats:
    """(S, V, N) by how much each view's ray misses the point where a set's rays meet, in noise."""
    directions = np.ones((len(seen.center), len(joints), 3))
    directions[..., :2] = (seen.pixels[:, joints] - seen.principal[:, None]) / seen.focal[:, None]
    directions = directions @ np.swapaxes(seen.rotation, 1, 2)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    across = np.eye(3) - directions[..., :, None] * directions[..., None, :]
    information = seen.pixel_information[:, joints]
    matrix = information[..., None, None] * across
    pull = (matrix @ seen.center[:, None, :, None])[..., 0]
    total = np.einsum("svn,vnij->snij", inside, matrix)
    wants = np.einsum("svn,vni->sni", inside, pull)
    meet = np.linalg.solve(total + 1e-12 * np.eye(3), wants[..., None])[..., 0]
    local = (meet[:, None] - seen.center[:, None]) @ seen.rotation
    z = np.maximum(local[..., 2:], 0.15)
    expected = seen.focal[:, None] * local[..., :2] / z + seen.principal[:, None]
    off = np.linalg.norm(expected - seen.pixels[:, joints], axis=-1)
    return np.asarray(off * np.sqrt(information))


@cache
def _sets(views: int) -> Bools:
    """(S, V) all sets of at least two views that leave at most two out."""
    least = max(2, views - _MOST_OUT)
    sizes = range(views, least - 1, -1)
    chosen = [part for size in sizes for part in combinations(range(views), size)]
    sets = np.zeros((len(chosen), views), dtype=bool)
    for row, part in zip(sets, chosen, strict=True):
        row[list(part)] = True
    return sets
