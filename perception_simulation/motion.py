"""Where cameras, occluders, the pusher and carried objects should be at a time."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_simulation.specification import (
    STIFF,
    Carry,
    MovingCamera,
    Occluder,
    Push,
    Scene,
    Walker,
)

_LEAD = 1.0
_SWEEP = 0.25


class Track:
    """Values between keys: at rest at every key, minimum jerk (Flash and Hogan 1985) between.

    Args:
        times: (K,) seconds, increasing.
        values: (K, N), such as positions.
    """

    def __init__(self, times: Sequence[float], values: Floats) -> None:
        self._times = [float(time) for time in times]
        self._values = np.asarray(values, dtype=np.float64)

    def at(self, time: float) -> Floats:
        """(N,) the values at a time; those of the first or last key outside."""
        index, share = self.locate(time)
        start: Floats = self._values[index]
        if share > 0.0:
            start = start + share * (self._values[index + 1] - start)
        return start

    def resting(self) -> Track:
        """A track that stays at the first key."""
        return Track(self._times[:1], self._values[:1])

    def locate(self, time: float) -> tuple[int, float]:
        """The key before a time, and the share 0..1 of the way to the next."""
        index = bisect.bisect_right(self._times, time) - 1
        if index < 0:
            return 0, 0.0
        if index >= len(self._times) - 1:
            return len(self._times) - 1, 0.0
        s = (time - self._times[index]) / (self._times[index + 1] - self._times[index])
        return index, s**3 * (10.0 - 15.0 * s + 6.0 * s * s)


class PoseTrack:
    """Poses between keys, moving and turning as `Track`.

    Args:
        times: (K,) seconds, increasing.
        poses: K poses.
    """

    def __init__(self, times: Sequence[float], poses: Sequence[Pose]) -> None:
        self._track = Track(times, np.stack([pose.translation for pose in poses]))
        turns = Rotation.from_matrix(np.stack([pose.rotation for pose in poses]))
        self._turns = turns
        self._slerp = Slerp(np.arange(len(poses)), turns) if len(poses) > 1 else None

    def at(self, time: float) -> Pose:
        """The pose at a time."""
        index, share = self._track.locate(time)
        turn = self._turns[index] if self._slerp is None else self._slerp(index + share)
        return Pose(turn.as_matrix(), self._track.at(time))


def camera_track(camera: MovingCamera) -> PoseTrack:
    """The path of a camera's optical frame."""
    poses = [look_at(np.array(key.position), np.array(key.look_at)) for key in camera.path]
    return PoseTrack([key.time for key in camera.path], poses)


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
    """The path of a panel: x, y, z and yaw."""
    return Track(
        [key.time for key in occluder.path],
        np.array([(*key.position, key.yaw) for key in occluder.path]),
    )


def walker_track(walker: Walker) -> Track:
    """The path of the middle of a person's box: x, y, z and yaw."""
    return Track(
        [key.time for key in walker.path],
        np.array([(*key.position, walker.height / 2.0, key.yaw) for key in walker.path]),
    )


def scheduled_tracks(scene: Scene) -> list[tuple[str, Track]]:
    """Paths of panels and stiff walkers by name."""
    stiff = [walker for walker in scene.walkers if walker.motion == STIFF]
    panels = [(item.name, occluder_track(item)) for item in scene.occluders]
    return panels + [(walker.name, walker_track(walker)) for walker in stiff]


def parked_track(place: Floats) -> Track:
    """A pusher that stays at `place` (3,) until it is commanded."""
    return Track([0.0], place[None])


def pusher_track(pushes: Sequence[Push], support_height: float, high: float) -> Track:
    """The pusher's tip: parked at height `high`, down before each push, along it, and up again."""
    times: list[float] = []
    places: list[tuple[float, float, float]] = []
    for push in sorted(pushes, key=lambda p: p.start):
        low = support_height + push.height
        (x, y), (u, v) = push.origin, push.target
        begin, end = occupied(push)
        times += [begin, push.start, push.start + push.duration, end]
        places += [(x, y, high), (x, y, low), (u, v, low), (u, v, high)]
    return Track(times, np.array(places))


def occupied(push: Push) -> tuple[float, float]:
    """From when to when a push needs the pusher, coming and going included."""
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
