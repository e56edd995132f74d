"""A person with limbs: where the body's parts are while it walks or replays a recording."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.skeleton import BONES, COUNT, INDEX, JOINTS
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Person
from perception_simulation.people.recorded import RecordedMotion
from perception_simulation.people.walking import PathMotion
from perception_simulation.specification import STIFF, WALKING, Scene, Walker

if TYPE_CHECKING:
    from perception_simulation.people.filming import Motion

LIMB = "limb "
_GRID = 0.01
_SAMPLES = np.arange(0.0, 20.0, 0.5)


@dataclass(frozen=True, slots=True)
class Capsule:
    """A part of a limb, in shares of stature but for the limb's own length L.

    Its axis leads from (x, y, first) to (x, y, L + last), or from L + first with `far`.
    """

    radius: float
    first: float = 0.0
    last: float = 0.0
    x: float = 0.0
    y: float = 0.0
    far: bool = False
    skin: bool = False


@dataclass(frozen=True, slots=True)
class Limb:
    """A stiff part: its z axis leads from one point of the body to another, x looks ahead."""

    name: str
    start: str
    end: str
    parts: tuple[Capsule, ...]


_HAND = Capsule(0.024, 0.03, 0.06, far=True, skin=True)
LIMBS: tuple[Limb, ...] = (
    Limb("trunk", "hips", "chest", (Capsule(0.062, 0.0, -0.02, y=0.045),
                                    Capsule(0.062, 0.0, -0.02, y=-0.045))),
    Limb("pelvis", "right_hip", "left_hip", (Capsule(0.055),)),
    Limb("shoulders", "right_shoulder", "left_shoulder", (Capsule(0.036),)),
    Limb("head", "chest", "ears", (Capsule(0.032, skin=True),
                                   Capsule(0.06, -0.02, 0.01, x=0.012, far=True, skin=True))),
    *(limb for side in ("left", "right") for limb in (
        Limb(f"{side} thigh", f"{side}_hip", f"{side}_knee", (Capsule(0.042),)),
        Limb(f"{side} shin", f"{side}_knee", f"{side}_ankle", (Capsule(0.03),)),
        Limb(f"{side} foot", f"{side}_heel", f"{side}_toe", (Capsule(0.02),)),
        Limb(f"{side} arm", f"{side}_shoulder", f"{side}_elbow", (Capsule(0.028),)),
        Limb(f"{side} forearm", f"{side}_elbow", f"{side}_wrist", (Capsule(0.021), _HAND)),
    )),
)  # fmt: skip
"""The parts of every body."""
_POINTS = (*JOINTS, "hips", "chest", "ears",
           *(f"{s}_{p}" for p in ("heel", "toe") for s in ("left", "right")))  # fmt: skip
_STARTS = [_POINTS.index(limb.start) for limb in LIMBS]
_ENDS = [_POINTS.index(limb.end) for limb in LIMBS]
_SOLE = 0.031  # of stature, below the ankle; with the foot's radius that is its height
_HEEL, _TOE = -0.025, 0.09
_AROUND = np.concatenate([np.eye(3), -np.eye(3)])


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Joints (17, 3), and of limbs places (L, 3) and quaternions (L, 4), w first."""

    joints: Floats
    places: Floats
    turns: Floats


class PersonBody:
    """What a walker with limbs does over time.

    Joints are those of its motion every 10 ms and lie on straight lines between: what is drawn,
    what pushes and what the truth tells is the same body.

    Args:
        walker: Whose motion is not "stiff".

    Raises:
        InputError: The recording can't be read or has other joints.
    """

    def __init__(self, walker: Walker) -> None:
        self.name, self.height = walker.name, walker.height
        self._motion = _motion(walker)
        self._sampled = functools.lru_cache(maxsize=4)(self._sample)
        points = np.stack([self._points(self._motion.at(t)) for t in _SAMPLES])
        spans = np.linalg.norm(points[:, _ENDS] - points[:, _STARTS], axis=-1)
        self.lengths: Floats = np.median(spans, axis=0)

    def joints(self, time: float) -> Floats:
        """(17, 3) COCO's joints at a time, s, world frame."""
        before, after, share = self._around(time)
        mixed: Floats = (1.0 - share) * before.joints + share * after.joints
        return mixed

    def limbs(self, time: float) -> tuple[Floats, Floats]:
        """Places (L, 3) and quaternions (L, 4), w first, of all `LIMBS`."""
        before, after, share = self._around(time)
        sign = np.where((before.turns * after.turns).sum(axis=1, keepdims=True) < 0.0, -1.0, 1.0)
        turns = (1.0 - share) * before.turns + share * sign * after.turns
        turns /= np.sqrt((turns * turns).sum(axis=1, keepdims=True))
        return (1.0 - share) * before.places + share * after.places, turns

    def box(self, time: float) -> tuple[Pose, Floats, Floats]:
        """The upright box around the body at a time: pose, size (3,) and the body's hull (P, 3).

        It looks where the hips do; the hull is in its frame.
        """
        ahead, left = _facing(self.joints(time))
        turn = np.stack([ahead, left, [0.0, 0.0, 1.0]], axis=1)
        places, quaternions = self.limbs(time)
        turns = Rotation.from_quat(np.roll(quaternions, -1, axis=1)).as_matrix()
        points = []
        for limb, length, place, axes in zip(LIMBS, self.lengths, places, turns, strict=True):
            for part in limb.parts:
                ends = (place + self.axis(part, float(length)) @ axes.T) @ turn
                points.append(ends[:, None] + self.height * part.radius * _AROUND)
        hull = np.concatenate(points).reshape(-1, 3)
        low, high = hull.min(axis=0), hull.max(axis=0)
        middle = (low + high) / 2.0
        return Pose(turn, turn @ middle), high - low, hull - middle

    def velocity(self, time: float) -> Floats:
        """(3,) m/s of the middle between the hips, over the last 10 ms."""
        hips = [INDEX["left_hip"], INDEX["right_hip"]]
        moved = self.joints(time)[hips] - self.joints(time - _GRID)[hips]
        return np.asarray(moved.mean(axis=0) / _GRID)

    def truth(self, time: float, stamp: int) -> Person:
        """The person as truth, known exactly; feet that stand touch."""
        joints = self.joints(time)
        bones = np.array([np.linalg.norm(joints[a] - joints[b]) for a, b in BONES])
        return Person(
            self.name, stamp, JOINTS, joints, np.zeros((COUNT, 3, 3)), self._contacts(time), bones
        )

    def axis(self, part: Capsule, length: float) -> Floats:
        """(2, 3) both ends of the axis of a part of a limb of a length, m, in the limb's frame."""
        h = self.height
        first = h * part.first + (length if part.far else 0.0)
        last = max(h * part.last + length, first + 1e-3)
        return np.array([[h * part.x, h * part.y, first], [h * part.x, h * part.y, last]])

    def _contacts(self, time: float) -> Floats:
        """1 for ankles that are low and do not move."""
        feet = [INDEX["left_ankle"], INDEX["right_ankle"]]
        here = self.joints(time)[feet]
        speed = np.linalg.norm(here - self.joints(time - _GRID)[feet], axis=1) / _GRID
        touching = np.zeros(COUNT)
        touching[feet] = (speed < 0.1) & (here[:, 2] < 0.09 * self.height)
        return touching

    def _around(self, time: float) -> tuple[_Sample, _Sample, float]:
        """The body at 10 ms before and after a time, and the share 0..1 of the way."""
        place = time / _GRID
        low = math.floor(place + 1e-6)
        share = place - low
        before = self._sampled(low)
        return (before, self._sampled(low + 1), share) if share > 1e-6 else (before, before, 0.0)

    def _sample(self, number: int) -> _Sample:
        joints = self._motion.at(number * _GRID)
        places, turns = self._limbs(joints)
        return _Sample(joints, places, np.roll(Rotation.from_matrix(turns).as_quat(), 1, axis=1))

    def _points(self, joints: Floats) -> Floats:
        """(P, 3) all `_POINTS`: joints, middles and feet, which lie flat."""
        pairs = [(INDEX[f"left_{p}"], INDEX[f"right_{p}"]) for p in ("hip", "shoulder", "ear")]
        middles = [joints[list(pair)].mean(axis=0) for pair in pairs]
        ankles = joints[[INDEX["left_ankle"], INDEX["right_ankle"]]]
        sole = ankles - [0.0, 0.0, self.height * _SOLE]
        ahead, _ = _facing(joints)
        heel, toe = (sole + self.height * reach * ahead for reach in (_HEEL, _TOE))
        return np.concatenate([joints, middles, heel, toe])

    def _limbs(self, joints: Floats) -> tuple[Floats, Floats]:
        """Places (L, 3) and axes (L, 3, 3) as columns."""
        points = self._points(joints)
        along = points[_ENDS] - points[_STARTS]
        z = along / np.linalg.norm(along, axis=1, keepdims=True)
        ahead, left = _facing(joints)
        aside = np.where(np.abs(z @ left)[:, None] < 0.9, left, ahead)
        y = aside - (z * aside).sum(axis=1, keepdims=True) * z
        y /= np.linalg.norm(y, axis=1, keepdims=True)
        return points[_STARTS], np.stack([np.cross(y, z), y, z], axis=2)


def bodies(scene: Scene) -> tuple[PersonBody, ...]:
    """The walkers of a scene that have limbs."""
    return tuple(PersonBody(walker) for walker in scene.walkers if walker.motion != STIFF)


def stiffened(scene: Scene) -> Scene:
    """The scene with walkers as stiff figures, for a simulator that has a body of its own."""
    walkers = tuple(replace(walker, motion=STIFF) for walker in scene.walkers)
    return replace(scene, walkers=walkers)


def limb_name(person: str, limb: Limb) -> str:
    """By which MuJoCo knows a limb."""
    return f"{LIMB}{limb.name} of {person}"


def owner(body: str) -> str:
    """The name in the scene of what a MuJoCo body is or belongs to."""
    return body.partition(" of ")[2] if body.startswith(LIMB) else body


class _Replayed:
    """A recording of the walker's height around its key, from the key's time on."""

    def __init__(self, walker: Walker) -> None:
        path = Path(walker.motion)
        self._motion = _recording(path, path.stat().st_mtime_ns if path.exists() else 0)
        key = walker.path[0]
        self._start, self._place = key.time, np.array([*key.position, 0.0])
        self._turn = Rotation.from_euler("z", key.yaw).as_matrix()
        self._scale = walker.height / self._motion.stature

    def at(self, time: float) -> Floats:
        joints = self._scale * self._motion.at(time - self._start)
        return np.asarray(joints @ self._turn.T + self._place)


@functools.lru_cache(maxsize=4)
def _recording(path: Path, _: int) -> RecordedMotion:
    """Read once as long as the file stays the same."""
    return RecordedMotion(path)


def _motion(walker: Walker) -> Motion:
    if walker.motion != WALKING:
        return _Replayed(walker)
    keys = walker.path
    places = [(*key.position, key.yaw) for key in keys]
    return PathMotion(walker.height, [key.time for key in keys], places)


def _facing(joints: Floats) -> tuple[Floats, Floats]:
    """Level unit vectors (3,) ahead of the hips and to their left."""
    across = joints[INDEX["left_hip"]] - joints[INDEX["right_hip"]]
    length = math.hypot(across[0], across[1])
    x, y = across[:2] / length if length > 1e-6 else (0.0, 1.0)
    return np.array([y, -x, 0.0]), np.array([x, y, 0.0])
