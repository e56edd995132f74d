"""Where cameras, occluders, the pusher and carried objects should be at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_simulation.specification import Carry, MovingCamera, Occluder, Push

_LEAD = 1.0
_LIFT = 0.30
_SWEEP = 0.25


class Track:
    """Positions between keys: at rest at every key, minimum jerk (Flash and Hogan 1985) between.

    Args:
        times: (K,) seconds, increasing.
        positions: (K, 3) meters.
        rotations: One for each key, or None where only positions matter.
    """

    def __init__(
        self, times: Sequence[float], positions: Floats, rotations: Rotation | None = None
    ) -> None:
        self.times = np.asarray(times, dtype=np.float64)
        self._positions = np.asarray(positions, dtype=np.float64)
        self._slerp = None
        if rotations is not None and len(self.times) > 1:
            self._slerp = Slerp(np.arange(len(self.times)), rotations)
        self._only = rotations[0] if rotations is not None else None

    def position(self, time: float) -> Floats:
        """(3,) where it should be."""
        index, share = self._locate(time)
        start: Floats = self._positions[index]
        if share > 0.0:
            start = start + share * (self._positions[index + 1] - start)
        return start

    def rotation(self, time: float) -> Rotation:
        """How it should be turned."""
        if self._slerp is None:
            return self._only if self._only is not None else Rotation.identity()
        index, share = self._locate(time)
        return self._slerp(index + share)

    def _locate(self, time: float) -> tuple[int, float]:
        index = int(np.searchsorted(self.times, time, side="right")) - 1
        if index < 0:
            return 0, 0.0
        if index >= len(self.times) - 1:
            return len(self.times) - 1, 0.0
        s = (time - self.times[index]) / (self.times[index + 1] - self.times[index])
        return index, float(s**3 * (10.0 - 15.0 * s + 6.0 * s * s))


def camera_track(camera: MovingCamera) -> Track:
    """The path of a camera's optical frame."""
    poses = [look_at(np.array(key.position), np.array(key.look_at)) for key in camera.path]
    return Track(
        [key.time for key in camera.path],
        np.stack([pose.translation for pose in poses]),
        Rotation.from_matrix(np.stack([pose.rotation for pose in poses])),
    )


def look_at(position: Floats, target: Floats) -> Pose:
    """The optical frame (z forward, y down, horizon level) that looks from a point at another."""
    forward = target - position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    if np.linalg.norm(right) < 1e-6:
        right = np.array([0.0, -1.0, 0.0])
    right = right / np.linalg.norm(right)
    return Pose(np.stack([right, np.cross(forward, right), forward], axis=1), np.array(position))


def occluder_track(occluder: Occluder) -> Track:
    """The path of a panel."""
    return Track(
        [key.time for key in occluder.path],
        np.array([key.position for key in occluder.path]),
        Rotation.from_euler("z", np.array([[key.yaw] for key in occluder.path])),
    )


def pusher_track(pushes: Sequence[Push], support_height: float) -> Track:
    """The pusher's tip: parked above, down before each push, along it, and up again."""
    times: list[float] = []
    places: list[tuple[float, float, float]] = []
    for push in sorted(pushes, key=lambda p: p.start):
        low = support_height + push.height
        high = low + _LIFT
        (x, y), (u, v) = push.origin, push.target
        end = push.start + push.duration
        for time, place in (
            (push.start - _LEAD, (x, y, high)),
            (push.start, (x, y, low)),
            (end, (u, v, low)),
            (end + _LEAD, (u, v, high)),
        ):
            times.append(max(time, times[-1] + 0.01) if times else time)
            places.append(place)
    return Track(times, np.array(places))


def push_duration_outside(push: Push) -> tuple[float, float]:
    """From when to when a push occupies the pusher, coming and going included."""
    return push.start - _LEAD, push.start + push.duration + _LEAD


def carry_track(carry: Carry, grasp: Floats, height: float) -> Track:
    """The center of a carried object: up from `grasp` (3,), away, back, and down at `height`."""
    quarter = carry.duration / 4.0
    begin, end = carry.start, carry.start + carry.duration
    over = np.array([*carry.target, height])
    lift = np.array([0.0, 0.0, _SWEEP])
    times = [begin, begin + quarter / 2, begin + quarter, end - quarter, end - quarter / 2, end]
    places = [grasp, grasp + lift, np.array(carry.away), np.array(carry.away), over + lift, over]
    return Track(times, np.stack(places))
