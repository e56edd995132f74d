"""What a plan really does: a world of its own for judging those who judge plans.

Nothing here comes from the planner. Time goes in steps of 2.5 ms; the pusher is a stick, objects
are upright boxes that give way by the shortest way out of whatever overlaps them (quasi-static,
without turning), and people are capsules around true joints that move as they really do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats

STEP = 0.0025
_MOVED = 1e-4
_DEEP = 1e-6
_RARELY = 4
_FAR = 1.5


@dataclass(frozen=True)
class Being:
    """A person as it truly is: joints (17, 3) now, velocities, accelerations until `until` s."""

    joints: Floats
    velocities: Floats
    accelerations: Floats
    until: float


@dataclass
class Table:
    """The true world.

    Attributes:
        centers: (N, 3) of the boxes; half: (N, 3) half extents; yaws: (N,).
        target: Which one may be pushed by the pusher.
        protected: Which must not move or be touched.
        beings: People; radii (17,) and bones as pairs of joints.
    """

    centers: Floats
    half: Floats
    yaws: Floats
    target: int
    protected: tuple[int, ...]
    low: Floats
    high: Floats
    radius: float
    length: float
    speed: float
    acceleration: float
    person_distance: float
    beings: tuple[Being, ...] = ()
    radii: Floats = field(default_factory=lambda: np.zeros(17))
    bones: tuple[tuple[int, int], ...] = ()


def harm(table: Table, tip: Floats, velocity: Floats, interval: float, start: Floats) -> str:
    """What a plan (T + 1, 3), (T, 3) really does that it must not; empty if nothing.

    Args:
        table: The true world.
        tip: Planned places of the pusher.
        velocity: Planned velocities.
        interval: s a step.
        start: (3,) velocity of the pusher before.
    """
    steps = np.diff(np.vstack([start[None], velocity]), axis=0) / interval
    if np.linalg.norm(velocity, axis=1).max() > table.speed + 1e-5:
        return "speed"
    if np.linalg.norm(steps, axis=1).max() > table.acceleration + 1e-4:
        return "acceleration"
    centers = table.centers.copy()
    supports = _supports(table)
    for index, time in enumerate(np.arange(0.0, len(velocity) * interval + STEP / 2.0, STEP)):
        k = min(int(time / interval + 1e-9), len(velocity) - 1)
        place = tip[k] + (time - k * interval) * velocity[k]
        if (place < table.low - 1e-3).any() or (place > table.high + 1e-3).any():
            return "workspace"
        said = _push(table, centers, place, supports)
        if said:
            return said
        moved = np.abs(centers - table.centers).max(axis=1) > _MOVED
        if moved[list(table.protected)].any():
            return "protected object moved"
        outside = (centers[:, :2] < table.low[:2] - 1e-3) | (centers[:, :2] > table.high[:2] + 1e-3)
        if (outside.any(axis=1) & moved).any():
            return "object leaves the workspace"
        looked = table.beings and index % _RARELY == 0
        if looked and _near_somebody(table, centers, moved, place, float(time)):
            return "person"
    return ""


def _push(table: Table, centers: Floats, place: Floats, supports: Floats) -> str:
    """Let everything give way; why that must not be, if so."""
    pushed = set()
    for n in range(len(centers)):
        away = np.abs(centers[n, :2] - place[:2]).max() - table.radius
        if away > table.half[n, 0] + table.half[n, 1]:
            continue
        out = _out_of_stick(table, centers[n], n, place)
        if out is not None:
            if n != table.target:
                return "the pusher touches what it must not"
            centers[n, :2] += out
            pushed.add(n)
    waiting = list(pushed)
    for _ in range(20 * len(centers)):
        if not waiting:
            break
        one = waiting.pop()
        for other in range(len(centers)):
            if other == one:
                continue
            if supports[other, one]:
                moved = centers[one] - table.centers[one]
                centers[other, :2] = table.centers[other, :2] + moved[:2]
            out = _out_of_box(table, centers, one, other)
            if out is not None and other not in pushed:
                centers[other, :2] += out
                waiting.append(other)
                pushed.add(other)
    return ""


def _supports(table: Table) -> Floats:
    """(N, N) whether the object of the row stands on that of the column, directly or not."""
    count = len(table.centers)
    found = np.zeros((count, count), dtype=bool)
    for a in range(count):
        for b in range(count):
            level = abs(
                table.centers[a, 2] - table.half[a, 2] - table.centers[b, 2] - table.half[b, 2]
            )
            lifted = table.centers.copy()
            lifted[a, 2] = table.centers[b, 2]
            over = a != b and _out_of_box(table, lifted, b, a) is not None
            found[a, b] = level < 0.004 and over
    for _ in range(count):
        found = found | (found.astype(int) @ found.astype(int) > 0)
    return found


def _out_of_stick(table: Table, center: Floats, n: int, place: Floats) -> Floats | None:
    """(2,) the shortest way of a box out of the pusher, level; None if they don't touch."""
    bottom, top = center[2] - table.half[n, 2], center[2] + table.half[n, 2]
    low, high = place[2] + table.radius, place[2] + table.length - table.radius
    rise = max(bottom - high, low - top, 0.0)
    if rise >= table.radius:
        return None
    radius = float(np.sqrt(table.radius**2 - rise**2))
    turn = _turn(table.yaws[n])
    local = turn.T @ (place[:2] - center[:2])
    nearest = np.clip(local, -table.half[n, :2], table.half[n, :2])
    off = local - nearest
    distance = float(np.linalg.norm(off))
    if distance >= radius - _DEEP:
        return None
    if distance > 0.0:
        return np.asarray(turn @ (-off / distance * (radius - distance)))
    ways = table.half[n, :2] - np.abs(local)
    axis = int(np.argmin(ways))
    out = np.zeros(2)
    out[axis] = -np.sign(local[axis] or 1.0) * (ways[axis] + radius)
    return np.asarray(turn @ out)


def _out_of_box(table: Table, centers: Floats, one: int, other: int) -> Floats | None:
    """(2,) the shortest way of `other` out of `one`, level; None if they don't overlap."""
    if abs(centers[one, 2] - centers[other, 2]) >= table.half[one, 2] + table.half[other, 2] - 1e-6:
        return None
    best, way = np.inf, np.zeros(2)
    offset = centers[other, :2] - centers[one, :2]
    if np.abs(offset).max() > table.half[[one, other], :2].sum():
        return None
    axes = [_turn(table.yaws[n])[:, k] for n in (one, other) for k in range(2)]
    for axis in axes:
        reach = sum(
            float(np.abs(axis @ _turn(table.yaws[n])) @ table.half[n, :2]) for n in (one, other)
        )
        along = float(offset @ axis)
        depth = reach - abs(along)
        if depth <= _DEEP:
            return None
        if depth < best:
            best, way = depth, axis * np.sign(along or 1.0) * depth
    return way


def _near_somebody(
    table: Table, centers: Floats, moved: Floats, place: Floats, time: float
) -> bool:
    """Whether the pusher or a moving box is nearer to a person than allowed, by dense points."""
    heights = np.linspace(table.radius, table.length - table.radius, 12)
    points = [place + np.outer(heights, [0.0, 0.0, 1.0])]
    reach = [np.full(len(heights), table.radius)]
    for n in np.nonzero(moved)[0]:
        grid = np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, 5)] * 3), -1).reshape(-1, 3)
        local = grid * table.half[n]
        local[:, :2] = local[:, :2] @ _turn(table.yaws[n]).T
        points.append(local + centers[n])
        reach.append(np.zeros(len(local)))
    cloud, sizes = np.concatenate(points), np.concatenate(reach)
    for being in table.beings:
        soon = min(time, being.until)
        joints = (
            being.joints
            + being.velocities * time
            + being.accelerations * (soon**2 / 2.0 + soon * (time - soon))
        )
        apart = np.linalg.norm(cloud[:, None] - joints[None], axis=-1).min(axis=0)
        for a, b in table.bones:
            if min(apart[a], apart[b]) > _FAR:
                continue  # no bone is as long
            share = np.linspace(0.0, 1.0, 15)[:, None]
            limb = joints[a] + share * (joints[b] - joints[a])
            part = table.radii[a] + share[:, 0] * (table.radii[b] - table.radii[a])
            gaps = (
                np.linalg.norm(cloud[:, None] - limb[None], axis=-1) - sizes[:, None] - part[None]
            )
            if gaps.min() < table.person_distance:
                return True
    return False


def _turn(yaw: float) -> Floats:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s], [s, c]])
