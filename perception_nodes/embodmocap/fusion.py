"""People and cameras together: who is there, and where the cameras that show it really are."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.calibration import Calibration, SurfacePoints, calibrate
from perception_nodes.embodmocap.interface import View
from perception_nodes.embodmocap.observation import Noise
from perception_nodes.embodmocap.rays import Sightings
from perception_nodes.embodmocap.rig import Correction
from perception_nodes.embodmocap.tracker import BodyTracker
from perception_nodes.scene import Person

_MOST_BACKGROUND = 1500
_LEAST_FRESH = 60


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How the cameras' poses are kept right.

    Attributes:
        every: Seconds from one calibration to the next; 0 for on demand only.
        window: Seconds of sightings that a calibration looks at.
        clocks: Whether delays between cameras are looked for.
        people: Whether what cameras see of people counts.
    """

    every: float = 0.0
    window: float = 4.0
    clocks: bool = True
    people: bool = True


class PeopleFusion:
    """A tracker of people that finds out how wrong its cameras' poses are.

    Args:
        tracker: Of people.
        noise: Of keypoints and depth, that of the tracker.
        upkeep: How the cameras' poses are kept right.
        surface: The map, for background; None without.
    """

    def __init__(
        self, tracker: BodyTracker, noise: Noise, upkeep: Upkeep | None = None,
        surface: SurfacePoints | None = None,
    ) -> None:  # fmt: skip
        self.tracker = tracker
        self.surface = surface
        self._upkeep = upkeep or Upkeep()
        self._seen = Sightings(noise, self._upkeep.window)
        self._background: dict[str, deque[tuple[int, Floats]]] = {}
        self._due: int | None = None
        self._used = 0
        self.last: Calibration | None = None
        """What came of the last calibration."""

    def update(
        self, views: Sequence[View], background: Mapping[str, Floats] | None = None
    ) -> tuple[Person, ...]:
        """Take what cameras show; calibrate if it is time.

        Args:
            views: With poses as transforms give them.
            background: By camera, (N, 4) static points in the world, as transforms put them, and
                the standard deviation of each along its ray, m.
        """
        people = self.tracker.update(views)
        if self._upkeep.people:
            delays = {n: round(c.delay * 1e9) for n, c in self.tracker.corrections.items()}
            by_key = {
                (
                    v.keypoints.camera_name,
                    v.keypoints.stamp + delays.get(v.keypoints.camera_name, 0),
                ): v
                for v in views
            }
            for person, camera, stamp, index in self.tracker.sightings:
                self._seen.add(person, by_key[camera, stamp], index)
        stamp = max((v.keypoints.stamp for v in views), default=0)
        self._keep(stamp, background or {})
        if self._upkeep.every > 0.0 and stamp:
            due = self._due if self._due is not None else stamp + round(self._upkeep.every * 1e9)
            if stamp >= due:
                self.calibrate()
                due = stamp + round(self._upkeep.every * 1e9)
            self._due = due
        return people

    def calibrate(self) -> Calibration:
        """Find the cameras' corrections from the last seconds and take them over, or refuse."""
        since = self._used
        if len(self._seen.together(self._seen.cameras(), {}, since)) < _LEAST_FRESH:
            since = 0
        background = {
            name: _thin(np.concatenate(fresh)) for name, kept in self._background.items()
            if (fresh := [points for stamp, points in kept if stamp > since])
        }  # fmt: skip
        first, last = self._seen.times(since)
        found = calibrate(
            self._seen, self.tracker.corrections, background, self.surface, self._upkeep.clocks,
            self.tracker.expected((first + last) // 2) if since else {}, since,
        )  # fmt: skip
        self.last = found
        self.tracker.corrections = dict(found.corrections)
        if not found.refused:
            self._used = last
        return found

    def reset(self) -> None:
        """Forget everyone and what was seen; corrections stay."""
        self.tracker.reset()
        self._seen.clear()
        self._background.clear()
        self._due = None
        self._used = 0

    def correction(self, camera: str) -> Correction:
        """What is done to the poses of a camera."""
        return self.tracker.corrections.get(camera, Correction())

    def _keep(self, stamp: int, background: Mapping[str, Floats]) -> None:
        for name, points in background.items():
            kept = self._background.setdefault(name, deque())
            if len(points):
                kept.append((stamp, points))
            while kept and kept[0][0] < stamp - round(self._upkeep.window * 1e9):
                kept.popleft()


def _thin(points: Floats) -> Floats:
    if len(points) <= _MOST_BACKGROUND:
        return points
    pick = np.linspace(0, len(points) - 1, _MOST_BACKGROUND).astype(int)
    return np.asarray(points[pick])
