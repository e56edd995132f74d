"""Joints as rays in the world, as transforms put the cameras: what calibration works on."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.embodmocap.interface import View
from perception_nodes.embodmocap.observation import Noise, observe
from perception_nodes.embodmocap.skeleton import COUNT

_LONGEST_GAP_NS = 120_000_000
_TYPICAL = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """N joints, each seen by C cameras, at the times of the first camera.

    Attributes:
        centers, directions: (N, C, 3) of the rays, world frame; directions of unit length.
        ranges: (N, C) meters along the ray; a guess where depth is unknown.
        angle: (N, C) information about the direction, 1/rad^2; zero where unknown.
        along: (N, C) information about the range, 1/m^2; zero where unknown.
    """

    centers: Floats
    directions: Floats
    ranges: Floats
    angle: Floats
    along: Floats

    def __len__(self) -> int:
        return len(self.centers)


class Sightings:
    """The last seconds of what each camera saw of each person.

    Args:
        noise: Of keypoints and depth.
        window: Seconds that are kept.
    """

    def __init__(self, noise: Noise, window: float) -> None:
        self._noise = noise
        self._window = round(window * 1e9)
        self._seen: dict[tuple[str, str], deque[tuple[int, View, int]]] = {}
        self._rays: dict[tuple[str, str], tuple[tuple[int, int], Floats]] = {}

    def add(self, person: str, view: View, index: int) -> None:
        """Keep what a view, its pose as transforms give it, shows of a person."""
        stamp, name = view.keypoints.stamp, view.keypoints.camera_name
        kept = self._seen.setdefault((person, name), deque())
        if kept and stamp <= kept[-1][0]:
            return
        kept.append((stamp, view, index))
        for key, series in list(self._seen.items()):
            while series and series[0][0] < stamp - self._window:
                series.popleft()
            if not series:
                del self._seen[key]
                self._rays.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._seen.clear()
        self._rays.clear()

    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras that saw somebody, in order."""
        return tuple(sorted({camera for _, camera in self._seen}))

    def times(self, since: int = 0) -> tuple[int, int]:
        """The first and the last stamp of what is kept after one, ns; 0 without any."""
        kept = [part[0] for series in self._seen.values() for part in series if part[0] > since]
        return (min(kept), max(kept)) if kept else (0, 0)

    def together(self, cameras: tuple[str, ...], delays: dict[str, float], since: int = 0) -> Rays:
        """Joints that at least two cameras saw, brought to the times of each person's first one.

        Args:
            since: Only of later moments, ns.
            cameras: Which, C of them.
            delays: By camera, seconds by which its clock is late (added to its stamps).
        """
        parts = []
        for person in sorted({p for p, _ in self._seen}):
            series = [self._series(person, c, delays.get(c, 0.0)) for c in cameras]
            lengths = [0 if s is None else len(s[0]) for s in series]
            if sum(length > 0 for length in lengths) < 2:
                continue
            times = next(s[0] for s in series if s is not None)
            times = times[times > since]
            parts.append(np.stack([_at(s, times) for s in series], axis=2))
        empty = np.zeros((0, COUNT, len(cameras), 9))
        values = np.concatenate([empty, *parts]).reshape(-1, max(len(cameras), 1), 9)
        values = values[(values[..., 7] > 0.0).sum(axis=1) >= 2]
        direction = values[..., 3:6]
        length = np.linalg.norm(direction, axis=-1, keepdims=True)
        direction = direction / np.where(length > 0.0, length, 1.0)
        return Rays(values[..., :3], direction, values[..., 6], values[..., 7], values[..., 8])

    def _series(self, person: str, camera: str, delay: float) -> tuple[Ints, Floats] | None:
        kept = self._seen.get((person, camera))
        if not kept:
            return None
        stamps = np.array([part[0] for part in kept], dtype=np.int64) + round(delay * 1e9)
        last = kept[-1][0]
        known = self._rays.get((person, camera))
        if known is None or known[0] != (len(kept), last):
            known = (len(kept), last), _rays([part[1:] for part in kept], self._noise)
            self._rays[person, camera] = known
        return stamps, known[1]


def _rays(views: Sequence[tuple[View, int]], noise: Noise) -> Floats:
    """(T, 17, 9): center, direction, range, information of both."""
    seen = observe(views, noise)
    local = np.ones((len(views), COUNT, 3))
    local[..., :2] = (seen.pixels - seen.principal[:, None]) / seen.focal[:, None]
    stretch = np.linalg.norm(local, axis=-1)
    deep = seen.depth_information > 0.0
    count = deep.sum(axis=1)
    usual = np.where(count, seen.depths.sum(axis=1) / np.maximum(count, 1), _TYPICAL)
    values = np.zeros((len(views), COUNT, 9))
    values[..., :3] = seen.center[:, None]
    values[..., 3:6] = (local / stretch[..., None]) @ np.swapaxes(seen.rotation, 1, 2)
    values[..., 6] = np.where(deep, seen.depths, usual[:, None]) * stretch
    values[..., 7] = seen.pixel_information * seen.focal[:, :1] ** 2 * stretch**-2
    values[..., 8] = seen.depth_information
    return values


def _at(series: tuple[Ints, Floats] | None, times: Ints) -> Floats:
    """(T, 17, 9) interpolated; information zero where there is nothing near."""
    if series is None:
        return np.zeros((len(times), COUNT, 9))
    stamps, values = series
    after = np.minimum(np.searchsorted(stamps, times), len(stamps) - 1)
    before = np.maximum(after - 1, 0)
    exact = stamps[after] == times
    before = np.where(exact, after, before)
    gap = stamps[after] - stamps[before]
    inside = (stamps[before] <= times) & (times <= stamps[after]) & (gap <= _LONGEST_GAP_NS)
    share = np.where(gap > 0, (times - stamps[before]) / np.maximum(gap, 1), 0.0)
    share = share[:, None, None]
    mixed = values[before] + share * (values[after] - values[before])
    known: Bools = (values[before][..., 7] > 0.0) & (values[after][..., 7] > 0.0)
    known &= inside[:, None]
    deep = (values[before][..., 8] > 0.0) & (values[after][..., 8] > 0.0)
    mixed[..., 7] = np.where(known, mixed[..., 7], 0.0)
    mixed[..., 8] = np.where(known & deep, mixed[..., 8], 0.0)
    return np.asarray(mixed)
