"""Two moving cameras that film people: keypoints, depth at them, and background, with errors.

Numbers without pictures, so that minutes of filming take seconds. Each camera has its own clock,
its own odometry that drifts, and noise that resembles a detector's and a depth sensor's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.calibration import SurfacePoints
from perception_nodes.embodmocap.interface import Keypoints, View
from perception_nodes.embodmocap.skeleton import SURFACE
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_simulation.odometry import Drift
from perception_simulation.specification import Odometry

CAMERA = Camera(640, 480, 520.0, 520.0, 319.5, 239.5)
START = 10**9
_FLOOR, _ROOM, _ROOM_HEIGHT = 2.6, 4.0, 2.4
_FARTHEST = 6.0
_DRIFT = Odometry(math.radians(1.0), 0.02)


class Motion(Protocol):
    """How somebody moves."""

    def at(self, time: float) -> Floats:
        """(17, 3) joints at a time, s, world frame."""
        ...


@dataclass(frozen=True, slots=True)
class Errors:
    """What is wrong with cameras and detectors; all zero for perfect ones.

    Attributes:
        pixels: Standard deviation of a keypoint of confidence 1, pixels; others are worse.
        dropouts: Share of keypoints that are not found.
        outliers: Share of keypoints that lie somewhere else on the person.
        depth: Standard deviation of depth at 1 m; grows with the square of the distance.
        depth_outliers: Share of depths that are those of something else.
        surface: Standard deviation of how deep a joint lies in the body, m.
        odometry: How cameras' poses drift.
        delay: By how much the second camera's stamps are early, s.
    """

    pixels: float = 3.0
    dropouts: float = 0.05
    outliers: float = 0.02
    depth: float = 0.01
    depth_outliers: float = 0.05
    surface: float = 0.02
    odometry: Odometry = _DRIFT
    delay: float = 0.06


PERFECT = Errors(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, Odometry(), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """What one camera delivers at once.

    Attributes:
        view: People, with the pose that its odometry believes and the stamp of its own clock.
        background: (M, 4) static points that its depth shows, where its odometry puts them, and
            the standard deviation of each along its ray, m.
        true_pose: Where it really is.
        time: When it really was, s.
    """

    view: View
    background: Floats
    true_pose: Pose
    time: float


class Filming:
    """Films people for a time.

    Args:
        people: How they move.
        duration: Seconds.
        errors: What is wrong.
        seed: Of the errors and the cameras' paths.
        cameras: How many; they stand around the people.
        rate: Images a second, of each.
        misplaced: By camera, a constant error of its extrinsics.
    """

    def __init__(
        self, people: Sequence[Motion], duration: float, errors: Errors | None = None,
        seed: int = 1, cameras: int = 2, rate: float = 30.0,
        misplaced: dict[int, Pose] | None = None,
    ) -> None:  # fmt: skip
        self.people = people
        self._duration, self._rate, self._seed = duration, rate, seed
        self._errors = errors or Errors()
        self._cameras = cameras
        self._misplaced = misplaced or {}
        self.room = _room(np.random.default_rng((seed, 9)))

    def truth(self, time: float) -> Floats:
        """(P, 17, 3) of everyone at a time, s; stamps of the first camera are 1 s + time."""
        return np.array([person.at(time) for person in self.people])

    def __iter__(self) -> Iterator[Take]:
        """Takes of all cameras in the order of their true times."""
        lenses = [_Lens(self, k, self._errors, self._seed) for k in range(self._cameras)]
        for number in range(round(self._duration * self._rate)):
            for k, lens in enumerate(lenses):
                # Cameras are not triggered together: each has its own phase.
                time = (number + k / (2.0 * self._cameras)) / self._rate
                yield lens.take(time, self._misplaced.get(k, Pose.identity()))


class _Lens:
    def __init__(self, filming: Filming, index: int, errors: Errors, seed: int) -> None:
        self._filming, self._index, self._errors = filming, index, errors
        self._rng = np.random.default_rng((seed, index))
        self._drift = Drift(errors.odometry, seed, index)
        self._angle = index * 1.7 + float(self._rng.uniform(-0.2, 0.2))
        self._name = f"camera_{'ab'[index] if index < 2 else index}"

    def take(self, time: float, misplaced: Pose) -> Take:
        true = _path(self._angle, self._index, time)
        believed = misplaced @ self._drift.believed(true)
        people = self._filming.truth(time)
        stamp = START + round((time - (self._errors.delay if self._index else 0.0)) * 1e9)
        pixels, confidence, depths = self._measure(people, true)
        keypoints = Keypoints(stamp, self._name, pixels, confidence)
        background = self._background(true, believed)
        return Take(View(keypoints, CAMERA, believed, depths), background, true, time)

    def _measure(self, people: Floats, pose: Pose) -> tuple[Floats, Floats, Floats]:
        e, rng = self._errors, self._rng
        local = pose.inverse().apply(people)
        pixels, z = CAMERA.project(local)
        shape = z.shape
        confidence = rng.uniform(0.5, 1.0, shape) if e.pixels else np.ones(shape)
        pixels = pixels + e.pixels / confidence[..., None] * rng.standard_normal(pixels.shape)
        wrong = rng.random(shape) < e.outliers
        pixels[wrong] = pixels[wrong] + 40.0 * rng.standard_normal((int(wrong.sum()), 2))
        lost = (rng.random(shape) < e.dropouts) | ~CAMERA.contains(pixels)
        pixels[lost], confidence[lost] = np.nan, 0.0
        surface = z - SURFACE + e.surface * rng.standard_normal(shape)
        depths = surface + e.depth * z**2 * rng.standard_normal(shape)
        wrong = rng.random(shape) < e.depth_outliers
        depths = np.where(wrong, depths + rng.uniform(0.3, 2.0, shape), depths)
        depths[lost] = np.nan
        order = rng.permutation(len(people))
        return pixels[order], confidence[order], depths[order]

    def _background(self, pose: Pose, believed: Pose) -> Floats:
        points = self._filming.room.points
        points = points[self._rng.integers(0, len(points), 600)]
        local = pose.inverse().apply(points)
        pixels, z = CAMERA.project(local)
        local = local[CAMERA.contains(pixels) & (z < _FARTHEST)]
        deviation = self._errors.depth * local[:, 2] ** 2
        factor = 1.0 + deviation / local[:, 2] * self._rng.standard_normal(len(local))
        return np.column_stack([believed.apply(local * factor[:, None]), deviation])


def _path(angle: float, index: int, time: float) -> Pose:
    """A camera that somebody carries around: it strolls, sways and looks at the middle."""
    turn = angle + 0.5 * math.sin(0.25 * time + index) + 0.08 * time
    far = 3.0 + 0.4 * math.sin(0.31 * time + 2.0 * index)
    place = np.array([far * math.cos(turn), far * math.sin(turn), 1.4 + 0.1 * math.sin(0.7 * time)])
    aim = np.array([0.2 * math.sin(0.4 * time), 0.2 * math.cos(0.3 * time), 0.9])
    forward = (aim - place) / np.linalg.norm(aim - place)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return Pose(np.stack([right, np.cross(forward, right), forward], axis=1), place)


def _room(rng: np.random.Generator) -> SurfacePoints:
    """Floor, four walls and furniture, as points with normals."""
    points, normals = [], []
    flat = rng.uniform(-_FLOOR, _FLOOR, (4000, 2))
    points.append(np.column_stack([flat, np.zeros(len(flat))]))
    normals.append(np.tile([0.0, 0.0, 1.0], (len(flat), 1)))
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            wall = np.zeros((2500, 3))
            wall[:, axis] = sign * _ROOM
            wall[:, 1 - axis] = rng.uniform(-_ROOM, _ROOM, len(wall))
            wall[:, 2] = rng.uniform(0.0, _ROOM_HEIGHT, len(wall))
            points.append(wall)
            normal = np.zeros(3)
            normal[axis] = -sign
            normals.append(np.tile(normal, (len(wall), 1)))
    for angle in np.arange(5) * 1.3:
        _furniture(2.1 * np.array([math.cos(angle), math.sin(angle)]), rng, points, normals)
    return SurfacePoints(np.concatenate(points), np.concatenate(normals))


def _furniture(
    place: Floats, rng: np.random.Generator, points: list[Floats], normals: list[Floats]
) -> None:
    """The four upright sides of a box that stands somewhere."""
    half, height, yaw = rng.uniform(0.2, 0.4, 2), rng.uniform(0.5, 1.2), rng.uniform(0.0, 1.5)
    turn = np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            flat = rng.uniform(-1.0, 1.0, (300, 2)) * half
            flat[:, axis] = sign * half[axis]
            side = np.column_stack([flat @ turn.T + place, rng.uniform(0.0, height, 300)])
            normal = np.zeros(3)
            normal[:2] = sign * turn[:, axis]
            points.append(side)
            normals.append(np.tile(normal, (len(side), 1)))
