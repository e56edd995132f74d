"""People who walk, in loops or from place to place.

Feet truly stand while they carry; knees by two-bone IK.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.skeleton import COUNT, INDEX
from perception_simulation.motion import Track

_CYCLE = 1.1
_STANCE = 0.62
_ANKLE = 0.09
_LIFT = 0.1
_STRIDE = 0.42  # of stature, at most, in a double step
_TURN = 1.2  # radians, at most, likewise
_SHARES = {  # of stature
    "leg": 0.245, "hip": 0.52, "hip_half": 0.07, "trunk": 0.285, "shoulder_half": 0.1,
    "upper": 0.172, "lower": 0.145, "neck": 0.12,
}  # fmt: skip


class _Gait(ABC):
    """Joints of somebody who walks, arms swinging; whither is told by `_root`.

    Args:
        stature: Meters.
    """

    def __init__(self, stature: float) -> None:
        self._s = {name: share * stature for name, share in _SHARES.items()}

    @abstractmethod
    def _root(self, time: float) -> tuple[Floats, Floats, Floats]:
        """Place (2,), and unit vectors (3,) ahead and to the left."""

    def _joints(self, time: float) -> Floats:
        """(17, 3) where the gait is at a time of which `_CYCLE` seconds are two steps."""
        s = self._s
        place, ahead, left = self._root(time)
        joints = np.zeros((COUNT, 3))
        swing = 2.0 * math.pi * time / _CYCLE
        pelvis = np.array([*place, s["hip"] - 0.012 * (1.0 - math.cos(2.0 * swing))])
        up = np.array([0.0, 0.0, 1.0])
        chest = pelvis + s["trunk"] * (up + 0.06 * ahead) / math.hypot(1.0, 0.06)
        for sign, side in ((1.0, "left"), (-1.0, "right")):
            hip = pelvis + sign * s["hip_half"] * left
            ankle = self._foot(time, sign)
            knee = _middle(hip, ankle, s["leg"], ahead)
            shoulder = chest + sign * s["shoulder_half"] * left
            angle = 0.45 * math.sin(swing + (0.0 if sign > 0.0 else math.pi))
            elbow = shoulder + s["upper"] * (math.sin(angle) * ahead - math.cos(angle) * up)
            fore = angle + 0.5 + 0.3 * math.sin(swing)
            wrist = elbow + s["lower"] * (math.sin(fore) * ahead - math.cos(fore) * up)
            for name, point in zip(
                ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"),
                (hip, knee, ankle, shoulder, elbow, wrist), strict=True,
            ):  # fmt: skip
                joints[INDEX[f"{side}_{name}"]] = point
            head = chest + s["neck"] * up
            joints[INDEX[f"{side}_eye"]] = head + 0.03 * up + 0.09 * ahead + sign * 0.032 * left
            joints[INDEX[f"{side}_ear"]] = head + 0.01 * up + sign * 0.075 * left
            joints[INDEX["nose"]] = head + 0.11 * ahead
        return joints

    def _foot(self, time: float, sign: float) -> Floats:
        """The ankle: it stands, or swings from one footprint to the next."""
        cycles = time / _CYCLE + (0.0 if sign > 0.0 else 0.5)
        number = math.floor(cycles)
        share = cycles - number
        here = self._print(number, sign)
        if share <= _STANCE:
            return here
        t = (share - _STANCE) / (1.0 - _STANCE)
        smooth = t * t * (3.0 - 2.0 * t)
        there = self._print(number + 1, sign)
        lift = np.array([0.0, 0.0, _LIFT * math.sin(math.pi * t) ** 2])
        return np.asarray(here + smooth * (there - here) + lift)

    def _print(self, number: int, sign: float) -> Floats:
        middle = (number + _STANCE / 2.0 - (0.0 if sign > 0.0 else 0.5)) * _CYCLE
        place, _, left = self._root(middle)
        return np.array([*(place + sign * self._s["hip_half"] * left[:2]), _ANKLE])


class WalkingMotion(_Gait):
    """Walks along a closed curve.

    Args:
        stature: Meters.
        center: (x, y) of the loop.
        radii: Half extents of the loop along x and y, m.
        period: Of a round, s.
        phase: Where on the loop it begins, radians.
    """

    def __init__(
        self, stature: float = 1.75, center: tuple[float, float] = (0.0, 0.0),
        radii: tuple[float, float] = (1.0, 0.7), period: float = 14.0, phase: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(stature)
        self._center, self._radii = np.array(center), np.array(radii)
        self._rate, self._phase = 2.0 * math.pi / period, phase

    def at(self, time: float) -> Floats:
        """(17, 3) at a time, s, world frame, floor at z = 0."""
        return self._joints(time)

    def _root(self, time: float) -> tuple[Floats, Floats, Floats]:
        angle = self._rate * time + self._phase
        place = self._center + self._radii * [math.cos(angle), math.sin(angle)]
        way = self._radii * [-math.sin(angle), math.cos(angle)]
        x, y = way / math.hypot(*way)
        return place, np.array([x, y, 0.0]), np.array([-y, x, 0.0])


class PathMotion(_Gait):
    """Walks from place to place and stands still at each; the longer the way, the more steps.

    Args:
        stature: Meters.
        times: (K,) seconds, increasing.
        places: (K, 3) x, y and the yaw of where it looks.
    """

    def __init__(
        self, stature: float, times: Sequence[float], places: Sequence[Sequence[float]]
    ) -> None:
        super().__init__(stature)
        self._places = np.array(places, dtype=np.float64)
        steps = [_cycles(b - a, stature) for a, b in itertools.pairwise(self._places)]
        self._cycles = np.cumsum([0.0, *steps])
        self._progress = Track(times, self._cycles[:, None])

    def at(self, time: float) -> Floats:
        """(17, 3) at a time, s, world frame, floor at z = 0."""
        return self._joints(_CYCLE * float(self._progress.at(time)[0]))

    def _root(self, time: float) -> tuple[Floats, Floats, Floats]:
        cycle = time / _CYCLE
        x, y, yaw = (float(np.interp(cycle, self._cycles, way)) for way in self._places.T)
        cos, sin = math.cos(yaw), math.sin(yaw)
        return np.array([x, y]), np.array([cos, sin, 0.0]), np.array([-sin, cos, 0.0])


def _cycles(way: Floats, stature: float) -> float:
    """How many double steps lead over (3,) x, y and yaw; whole, so that both feet stand after."""
    share = max(math.hypot(way[0], way[1]) / (_STRIDE * stature), abs(way[2]) / _TURN)
    # np.interp needs cycles that increase, also where somebody only waits
    return float(math.ceil(share - 1e-9)) if share > 1e-6 else 1e-9


def _middle(upper: Floats, lower: Floats, length: float, ahead: Floats) -> Floats:
    """Where a knee is between two bones of equal length."""
    way = lower - upper
    distance = float(np.linalg.norm(way))
    along = way / distance
    side = ahead - (ahead @ along) * along
    out = math.sqrt(max(length**2 - (min(distance, 2.0 * length) / 2.0) ** 2, 0.0))
    return np.asarray(upper + way / 2.0 + out * side / np.linalg.norm(side))
