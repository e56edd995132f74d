"""States of boxes as the network knows them, and what can set a box in motion.

A state is (..., 18): position, rotation matrix by rows, velocity, angular velocity; z up.
"""

from __future__ import annotations

import numpy as np

from perception_nodes.arrays import Bools, Floats

INTERVAL = 0.1
"""Seconds between two steps."""
START_SPEED = 0.06
"""Above what speed, m/s, an object at rest is believed to be set in motion."""
STOP_SPEED = 0.015
"""Below what speed, m/s, one that moves is believed to rest."""
POSITION, ROTATION, VELOCITY, SPIN = slice(0, 3), slice(3, 12), slice(12, 15), slice(15, 18)
SUPPORTED = 0.04
"""Meters between a bottom and what carries it, at most; boxes are known no better."""
TOUCH = 0.02
"""Gap, m, below which a box can be touched; boxes are known no better."""
TIP_RADIUS = 0.012
"""Of the tool with which a robot pushes, m."""
CORE = 0.6
"""Share of a box's extents that surely is not free space."""
_STOP_SPIN = 0.3


def reach(states: Floats, size: Floats) -> Floats:
    """(..., 3): half extents along the world axes of boxes of extents (..., 3)."""
    turn = np.abs(states[..., ROTATION].reshape(*states.shape[:-1], 3, 3))
    return np.asarray((turn * (size / 2.0)[..., None, :]).sum(axis=-1))


def box_gaps(states: Floats, size: Floats) -> Floats:
    """(..., N, N) signed distance of boxes, m, infinite between a box and itself.

    Along the best of their face normals (separating axes; Gottschalk, Lin and Manocha 1996)
    without the products of edges: a lower bound.
    """
    turn = states[..., ROTATION].reshape(*states.shape[:-1], 3, 3)
    half, place = size / 2.0, states[..., POSITION]
    offset = place[..., None, :, :] - place[..., :, None, :]
    along = np.abs(offset @ turn)
    cosines = np.abs(np.swapaxes(turn, -1, -2)[..., :, None, :, :] @ turn[..., None, :, :, :])
    other = (cosines @ half[..., None, :, :, None])[..., 0]
    mine = (along - half[..., :, None, :] - other).max(axis=-1)
    found = np.maximum(mine, np.swapaxes(mine, -1, -2))
    found[..., np.eye(found.shape[-1], dtype=bool)] = np.inf
    return np.asarray(found)


def hanging(states: Floats, size: Floats, present: Bools, support: float) -> Bools:
    """(..., N) whether a box is carried neither by the support nor by another that is present."""
    half = reach(states, size)
    low, high = states[..., POSITION] - half, states[..., POSITION] + half
    apart = low[..., :, None, 2] - high[..., None, :, 2]
    beside = (low[..., :, None, :2] > high[..., None, :, :2]) | (
        high[..., :, None, :2] < low[..., None, :, :2]
    )
    carried = (np.abs(apart) < SUPPORTED) & ~beside.any(axis=-1) & present[..., None, :]
    carried[..., np.eye(carried.shape[-1], dtype=bool)] = False
    return np.asarray((low[..., 2] - support > SUPPORTED) & ~carried.any(axis=-1))


def movable(before: Floats, after: Floats, size: Floats, present: Bools, robot: Floats) -> Bools:
    """(B, N) what moves or something can set in motion within a step: nothing acts from afar.

    That is what moves, what nothing carries, what a robot can reach, and what any of these can
    reach, directly or through others.

    Args:
        before: (B, N, 18) now, support at height 0.
        after: (B, N, 18) a step later, as the network expects them.
        size: (B, N, 3) extents.
        present: (B, N).
        robot: (B, 7) tip and velocity of a pusher, support at height 0; the last is 0 without one.
    """
    speed = np.linalg.norm(before[..., VELOCITY], axis=-1)
    moves = (speed > STOP_SPEED) | (np.linalg.norm(before[..., SPIN], axis=-1) > _STOP_SPIN)
    found = moves | hanging(before, size, present, 0.0) | _within_reach(before, size, robot)
    found &= present
    speed = np.maximum(speed, np.linalg.norm(after[..., VELOCITY], axis=-1))
    travel = INTERVAL * (speed[..., :, None] + speed[..., None, :])
    near = (box_gaps(before, size) < TOUCH + travel) & present[..., None, :]
    for _ in range(before.shape[-2]):
        wider = found | (near & found[..., None, :]).any(axis=-1) & present
        if (wider == found).all():
            break
        found = wider
    return np.asarray(found)


def _within_reach(states: Floats, size: Floats, robot: Floats) -> Bools:
    """(B, N): whether the pusher, a vertical rod above its tip, can touch a box within a step."""
    away = np.abs(robot[:, None, :2] - states[..., :2]) - reach(states, size)[..., :2]
    above = robot[:, None, 2] - states[..., 2] - reach(states, size)[..., 2]
    gap = np.maximum(away.max(axis=-1), above)
    speed = np.linalg.norm(robot[:, 3:6], axis=-1)[:, None]
    return np.asarray((gap < 2.0 * TOUCH + INTERVAL * speed) & (robot[:, None, 6] > 0.0))


def _least_height(states: Floats, size: Floats) -> Floats:
    """(...) of a middle above the support: that of the ellipsoid in the box, since balls roll."""
    up = states[..., ROTATION].reshape(*states.shape[:-1], 3, 3)[..., 2, :]
    return np.asarray(np.linalg.norm(up * size / 2.0, axis=-1))


def settled(before: Floats, after: Floats, size: Floats, free: Bools) -> Floats:
    """States (..., 18) one step later, in which what is expected to rest stays where it was.

    What a network says about rest is not exactly nothing, and a cup behind a box must not creep
    away in an hour. To be set in motion takes more than to go on. Nothing sinks into the support.

    Args:
        before: Now, support at height 0.
        after: As the network expects them.
        size: (..., 3) extents.
        free: (...) what `movable` says.
    """
    apart = np.linalg.norm(after[..., POSITION] - before[..., POSITION], axis=-1) / INTERVAL
    speed = np.maximum(apart, np.linalg.norm(after[..., VELOCITY], axis=-1))
    moving = np.linalg.norm(before[..., VELOCITY], axis=-1) > STOP_SPEED
    rests = (speed < np.where(moving, STOP_SPEED, START_SPEED)) | ~free
    after = after.copy()
    after[..., 2] = np.maximum(after[..., 2], _least_height(after, size))
    still = np.concatenate((before[..., :12], np.zeros_like(before[..., 12:])), axis=-1)
    return np.where(rests[..., None], still, after)


def pushed_out(states: Floats, size: Floats, before: Floats, after: Floats) -> Floats:
    """States (B, N, 18) in which the robot's tool is in the core of no box: that goes with it.

    A box whose core the tip has entered is moved on along the tip's way until it is out again, at
    most as far as the tip went. Only the core, since things are rounder than their boxes, and turn
    or roll aside: with whole boxes, or with the speed of the tip, foresight became worse.

    Args:
        states: Support at height 0.
        size: (B, N, 3) extents.
        before: (B, 7) the tip a step before, as in `movable`.
        after: (B, 7) the tip at the time of the states.
    """
    way = (after - before)[:, :2]
    travel = np.linalg.norm(way, axis=-1)
    known = (after[:, 6] > 0.0) & (before[:, 6] > 0.0) & (travel > 1e-6)
    ahead = np.zeros((len(way), 3))
    ahead[:, :2] = way / np.maximum(travel, 1e-6)[:, None]
    # of the rod above the tip, the point nearest to the middle of the box
    rod = np.repeat(after[:, None, :3], states.shape[1], axis=1)
    rod[..., 2] = np.maximum(rod[..., 2], states[..., 2])
    turn = states[..., ROTATION].reshape(*states.shape[:-1], 3, 3)
    inside = np.einsum("...ij,...i->...j", turn, rod - states[..., POSITION])
    back = np.einsum("...ij,...i->...j", turn, np.broadcast_to(-ahead[:, None], rod.shape))
    half = CORE * size / 2.0 + TIP_RADIUS
    met = (np.abs(inside) < half).all(axis=-1) & known[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        exits = np.where(back == 0.0, np.inf, (np.sign(back) * half - inside) / back)
    shift = np.where(met, np.minimum(exits.min(axis=-1), travel[:, None]), 0.0)
    found = states.copy()
    found[..., POSITION] += shift[..., None] * ahead[:, None]
    return found
