"""What the solver chooses between: where a push starts and how it goes on.

A candidate is a vector (2 + 2 K): the place where the tip touches down, x and y, and K level
velocities, each held for some steps. How the tip gets to the start (up, across, down) follows from
it and touches nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.planner.contact import Array

START = slice(0, 2)
VELOCITIES = slice(2, None)
_ACROSS = (-0.6, 0.0, 0.6)
_CLEAR = 0.008
_SHORT = (0.015, 0.04)
_ABOVE = 0.03  # m above what the tip travels over
_TURN = 3  # steps between going up and going down, so that the pusher is never reversed at once
_WIDTH = 0.04  # m beside the way: the tip, its clearance and what is uncertain


@dataclass(frozen=True, slots=True)
class Moves:
    """How pushes are parametrized.

    Attributes:
        interval: Seconds a step.
        knots: How many velocities.
        hold: Steps that each is held.
        speed: Most while pushing, m/s.
        travel_speed: On the way to where a push starts, m/s.
        height: Of the tip above the support while it pushes, m.
        lift: Whether the tip may go above objects; otherwise it stays at `height`.
    """

    interval: float = 0.1
    knots: int = 5
    hold: int = 4
    speed: float = 0.15
    travel_speed: float = 0.3
    height: float = 0.015
    lift: bool = True

    @property
    def steps(self) -> int:
        """Of one push."""
        return self.knots * self.hold

    @property
    def size(self) -> int:
        """Length of a candidate."""
        return 2 + 2 * self.knots


def bounded(xp: Any, candidates: Array, moves: Moves) -> Array:
    """Candidates whose velocities are no faster than allowed."""
    v = candidates[:, VELOCITIES].reshape((-1, moves.knots, 2))
    speed = xp.sqrt(v[..., 0] ** 2 + v[..., 1] ** 2 + 1e-12)
    factor = xp.where(speed > moves.speed, moves.speed / speed, 1.0 + 0.0 * speed)
    slow = (v * factor[..., None]).reshape((-1, 2 * moves.knots))
    return xp.concatenate((candidates[:, START], slow), -1)


def tips_of(xp: Any, candidates: Array, height: Array, moves: Moves) -> Array:
    """(B, T + 1, 3) places of the tip from the start of the push on, at a height in the world."""
    place = candidates[:, START]
    v = candidates[:, VELOCITIES].reshape((-1, moves.knots, 2))
    places = [place]
    for knot in range(moves.knots):
        for _ in range(moves.hold):
            place = place + v[:, knot] * moves.interval
            places.append(place)
    level = xp.stack(places, 1)
    up = 0.0 * level[..., :1] + height
    return xp.concatenate((level, up), -1)


def proposals(pose: Floats, part: Floats, target: Floats, radius: float, moves: Moves) -> Floats:
    """Pushes against each side of a box: at three places, straight in or toward the goal.

    Args:
        pose: (3,) x, y, heading of the object.
        part: (5,) center, half extents and radius of the corners of the rectangle to push, in the
            frame of the object.
        target: (2,) where its center shall be.
        radius: Of the tip, m.
        moves: How pushes are parametrized.
    """
    turn = np.array(
        [[math.cos(pose[2]), -math.sin(pose[2])], [math.sin(pose[2]), math.cos(pose[2])]]
    )
    way = target - pose[:2]
    distance = float(np.hypot(*way))
    found = []
    for side in range(4):
        outward = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][side])
        across = np.array([-outward[1], outward[0]])
        reach = part[2:4] @ np.abs(outward) + radius + _CLEAR
        for share in _ACROSS:
            local = part[:2] + outward * reach + across * share * (part[2:4] @ np.abs(across))
            start = pose[:2] + turn @ local
            inward = -turn @ outward
            lengths = {*_SHORT, round(float(way @ inward), 3)}
            ways = [(inward, length) for length in sorted(lengths) if length >= _SHORT[0]]
            if distance > 1e-3 and way @ inward > 0.3 * distance:
                ways.append((way / distance, distance))
            for direction, length in ways:
                found.append(_straight(start, direction, length + _CLEAR, moves))
    return np.array(found)


def _straight(start: Floats, direction: Floats, length: float, moves: Moves) -> Floats:
    """A push straight on for a length, then rest."""
    knot_time = moves.hold * moves.interval
    left, velocities = length, []
    for _ in range(moves.knots):
        go = min(left, moves.speed * knot_time)
        velocities.append(direction * (go / knot_time))
        left -= go
    return np.concatenate((start, np.array(velocities).reshape(-1)))


def sliding(tip: Floats, pushes: Floats, center: Floats, reach: float, moves: Moves) -> Floats:
    """Pushes (P, D) as they are from where the tip (2,) is, without lifting it: around the object.

    The way to the start of a push goes around a circle of radius `reach` about the object's center
    (2,). What there is no time for is left out.
    """
    found = []
    for push in pushes:
        velocities = push[VELOCITIES].reshape(moves.knots, 2)
        end = push[START] + velocities.sum(axis=0) * moves.hold * moves.interval
        points = np.array([tip, *_around(tip, push[START], center, reach), push[START], end])
        found.append(_along(points, moves))
    return np.array(found)


def _around(a: Floats, b: Floats, center: Floats, reach: float) -> list[Floats]:
    """Points of a circle between two places, where the straight way would cross it."""
    way, offset = b - a, center - a
    share = min(max(float(offset @ way) / max(float(way @ way), 1e-12), 0.0), 1.0)
    if float(np.hypot(*(offset - share * way))) > 0.8 * reach:
        return []
    first, last = (math.atan2(*(p - center)[::-1]) for p in (a, b))
    turn = (last - first + math.pi) % (2.0 * math.pi) - math.pi
    count = math.ceil(abs(turn) / 0.5)
    angles = [first + turn * k / count for k in range(1, count + 1)] if count else []
    return [center + reach * np.array([math.cos(v), math.sin(v)]) for v in angles]


def _along(points: Floats, moves: Moves) -> Floats:
    """The candidate that follows a line of points (P, 2) at full speed, as well as knots can."""
    lengths = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    times = np.arange(moves.knots + 1) * moves.hold * moves.interval * moves.speed
    places = np.column_stack([np.interp(times, lengths, points[:, k]) for k in range(2)])
    velocities = np.diff(places, axis=0) / (moves.hold * moves.interval)
    return np.concatenate((points[0], velocities.reshape(-1)))


def travel_height(
    tip: Floats, start: Floats, floor: float, boxes: Sequence[tuple[Floats, Floats]]
) -> float:
    """How high the tip must be on its way to a start (3,): above what stands under the way.

    Args:
        tip: (3,) now.
        start: (3,) of the push.
        floor: Height of the support.
        boxes: Places (4,) and half extents (3,) of objects, as `blocks.upright` gives them.
    """
    way = start[:2] - tip[:2]
    length = max(float(way @ way), 1e-12)
    tops = [floor]
    for place, half in boxes:
        share = min(max(float((place[:2] - tip[:2]) @ way) / length, 0.0), 1.0)
        beside = float(np.hypot(*(place[:2] - tip[:2] - share * way)))
        if beside < float(np.hypot(*half[:2])) + _WIDTH:
            tops.append(float(place[2] + half[2]))
    return max(tops) + _ABOVE


def approach(tip: Floats, start: Floats, travel_height: float, moves: Moves) -> Floats:
    """(S + 1, 3) the way up, across and down to a start (3,), a step each."""
    if np.linalg.norm(start - tip) < 1e-3:
        return tip[None].copy()
    high = max(travel_height, float(tip[2]))
    corners = [tip, np.append(tip[:2], high), np.append(start[:2], high), start]
    if not moves.lift:
        corners = [tip, start]
    path = [tip[None]]
    for a, b in itertools.pairwise(corners):
        length = float(np.linalg.norm(b - a))
        count = math.ceil(length / (moves.travel_speed * moves.interval) - 1e-6)
        if a[2] == b[2] and length > 0.0:
            count = max(count, _TURN)
        if count > 0:
            path.append(a + (b - a) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(path)
