"""Whether moving shapes come too close at any moment between samples, not only at samples.

Everything moves linearly between the samples of a plan, so a gap changes at most as fast as its two
shapes move. A stretch of time is clear if the gap in its middle outweighs that; otherwise it is
halved. What stays undecided below `RESOLUTION` counts as too close (conservative advancement,
Mirtich 1996, with bisection).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from perception_nodes.arrays import Floats, Ints

RESOLUTION = 5e-4
"""A gap is judged to this accuracy, m; what is closer to its limit is refused."""

Gap = Callable[[Ints, Floats], Floats]
"""The gaps (n,) of pairs (n,) at times (n,), m more than required; below 0: too close."""


class Hit(NamedTuple):
    """The first moment found at which a pair may be too close: its index, time (s) and gap (m)."""

    pair: int
    time: float
    gap: float


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Things that move linearly between samples.

    Attributes:
        samples: (N, T + 1, D).
        interval: Between samples, s.
    """

    samples: Floats
    interval: float

    def at(self, rows: Ints, times: Floats) -> Floats:
        """(n, D) of things (n,) at times (n,), s since the first sample."""
        last = self.samples.shape[1] - 2
        place = np.asarray(times) / self.interval
        before = np.clip(place.astype(int), 0, last)
        share = (place - before)[:, None]
        a, b = self.samples[rows, before], self.samples[rows, before + 1]
        return np.asarray(a + share * (b - a))

    def rates(self, columns: slice = slice(None)) -> Floats:
        """(N, T) lengths of the derivatives of some columns, a second."""
        steps = np.diff(self.samples[:, :, columns], axis=1)
        return np.asarray(np.linalg.norm(steps, axis=-1) / self.interval)


def too_close(gap: Gap, slopes: Floats, interval: float) -> list[Hit]:
    """All pairs whose gap is, or can't be shown not to be, negative at some moment.

    Args:
        gap: Of some pairs at some times.
        slopes: (P, T) upper bounds of the change of each gap in each segment, m/s.
        interval: Length of a segment, s.

    Returns:
        One hit a pair, in order of time.
    """
    pairs, segments = (grid.ravel() for grid in np.indices(slopes.shape))
    bounds = slopes.ravel()
    begin, half = segments * interval, np.full(len(pairs), interval / 2.0)
    first: dict[int, Hit] = {}
    while len(pairs):
        middle = begin + half
        gaps = gap(pairs, middle)
        reach = bounds * half
        unsafe = ~(gaps >= 0.0) | ((gaps < reach) & (reach <= RESOLUTION))
        for pair, time, value in zip(pairs[unsafe], middle[unsafe], gaps[unsafe], strict=True):
            known = first.get(int(pair))
            if known is None or time < known.time:
                first[int(pair)] = Hit(int(pair), float(time), float(value))
        open_ = ~unsafe & (gaps < reach)
        pairs, bounds, begin, half = (
            np.repeat(values[open_], 2) for values in (pairs, bounds, begin, half / 2.0)
        )
        begin[1::2] += 2.0 * half[1::2]
    return sorted(first.values(), key=lambda hit: (hit.time, hit.pair))


def tool_gap(tips: Floats, poses: Floats, half: Floats, radius: float, length: float) -> Floats:
    """Signed distances of upright sticks and upright boxes; negative where they overlap.

    Args:
        tips: (n, 3) lower ends of the sticks.
        poses: (n, 4) x, y, z of the boxes' centers and yaw.
        half: (n, 3) their half extents.
        radius: Of the sticks, whose ends are half balls.
        length: Of the sticks, m.
    """
    axis = length - 2.0 * radius
    offset = tips + np.array([0.0, 0.0, radius + axis / 2.0]) - poses[:, :3]
    x, y = _turned(offset[:, :2], -poses[:, 3])
    z = np.abs(offset[:, 2]) - axis / 2.0
    beyond = np.stack([np.abs(x), np.abs(y), z], axis=-1) - half
    outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=-1)
    return np.asarray(outside + np.minimum(beyond.max(axis=-1), 0.0) - radius)


def box_gap(a: Floats, a_half: Floats, b: Floats, b_half: Floats) -> Floats:
    """Signed distances of pairs of upright boxes; negative by how deep they overlap.

    Args:
        a: (n, 4) x, y, z of the centers and yaw of the first ones.
        a_half: (n, 3) their half extents.
        b: (n, 4) of the others.
        b_half: (n, 3) of the others.
    """
    level = _rectangle_gap(a, a_half, b, b_half)
    above = np.abs(a[:, 2] - b[:, 2]) - a_half[:, 2] - b_half[:, 2]
    apart = np.hypot(np.maximum(level, 0.0), np.maximum(above, 0.0))
    return np.asarray(apart + np.minimum(np.maximum(level, above), 0.0))


def segment_distance(p: Floats, q: Floats, r: Floats, s: Floats) -> Floats:
    """Distances (n,) of the segments p-q and r-s, (n, 3) each (Ericson 2005, section 5.1.9)."""
    u, v, w = q - p, s - r, p - r
    a, e = _dot(u, u), _dot(v, v)
    b, c, f = _dot(u, v), _dot(u, w), _dot(v, w)
    area = a * e - b * b
    tiny = 1e-12
    along = np.where(area > tiny, (b * f - c * e) / np.maximum(area, tiny), 0.0)
    along = np.clip(along, 0.0, 1.0)
    other = np.where(e > tiny, (b * along + f) / np.maximum(e, tiny), 0.0)
    other = np.clip(other, 0.0, 1.0)
    along = np.where(a > tiny, (b * other - c) / np.maximum(a, tiny), 0.0)
    along = np.clip(along, 0.0, 1.0)
    return np.asarray(np.linalg.norm(w + along[:, None] * u - other[:, None] * v, axis=-1))


def _rectangle_gap(a: Floats, a_half: Floats, b: Floats, b_half: Floats) -> Floats:
    """Signed distances of the boxes' footprints, by separating axes and by corners."""
    separations, distances = [], []
    for one, one_half, other, other_half in ((a, a_half, b, b_half), (b, b_half, a, a_half)):
        corners = _corners(other, other_half) - one[:, None, :2]
        x, y = _turned(corners, -one[:, 3, None])
        for values, limit in ((x, one_half[:, 0]), (y, one_half[:, 1])):
            separations += [values.min(axis=1) - limit, -values.max(axis=1) - limit]
        beyond = np.maximum(np.stack([np.abs(x), np.abs(y)], -1) - one_half[:, None, :2], 0.0)
        distances.append(np.linalg.norm(beyond, axis=-1).min(axis=1))
    depth = np.max(separations, axis=0)
    return np.asarray(np.where(depth > 0.0, np.minimum(*distances), depth))


def _corners(poses: Floats, half: Floats) -> Floats:
    """(n, 4, 2) corners of footprints."""
    signs = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    x, y = _turned(signs * half[:, None, :2], poses[:, 3, None])
    return np.asarray(poses[:, None, :2] + np.stack([x, y], axis=-1))


def _turned(points: Floats, angle: Floats) -> tuple[Floats, Floats]:
    """The coordinates of points (..., 2) turned by angles."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return c * x - s * y, s * x + c * y


def _dot(a: Floats, b: Floats) -> Floats:
    return np.asarray((a * b).sum(axis=-1))
