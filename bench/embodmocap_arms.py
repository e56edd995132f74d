"""Ways to use two moving cameras, and how far off each is: shared by benchmark and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.contacts import FEET
from perception_nodes.embodmocap.fusion import PeopleFusion, Upkeep
from perception_nodes.embodmocap.observation import Noise
from perception_nodes.embodmocap.tracker import BodyTracker
from perception_nodes.scene import Person
from perception_simulation.people.filming import Filming, Take

NOISE = Noise(depth=0.01)
SETTLING = 60
CHUNK = 100
_MATCH = 1.0


@dataclass(frozen=True, slots=True)
class Arm:
    """One way.

    Attributes:
        cameras: Which, of "a" and "b".
        depth, bones: Whether they are used.
        upkeep: How cameras' poses are kept right; None to trust them.
        background: Whether the map counts in that.
    """

    cameras: str = "ab"
    depth: bool = True
    bones: bool = True
    upkeep: Upkeep | None = None
    background: bool = True


CALIBRATED = Upkeep(every=0.5, window=2.0)
ARMS: dict[str, Arm] = {
    "one view": Arm("a", depth=False),
    "the other": Arm("b", depth=False),
    "one view + depth": Arm("a"),
    "the other + depth": Arm("b"),
    "two views, uncalibrated": Arm(depth=False),
    "two views, calibrated": Arm(depth=False, upkeep=CALIBRATED),
    "calibrated + depth": Arm(bones=False, upkeep=CALIBRATED),
    "calibrated + depth + bones": Arm(upkeep=CALIBRATED),
    "without people": Arm(upkeep=replace(CALIBRATED, people=False)),
    "without background": Arm(upkeep=CALIBRATED, background=False),
    "without clocks": Arm(upkeep=replace(CALIBRATED, clocks=False)),
    "uncalibrated + depth + bones": Arm(),
}


@dataclass(slots=True)
class Course:
    """What an arm told of one person over F frames of its first camera.

    Attributes:
        told, truth: (F, 17, 3); `told` is NaN where the person was not known.
        nees: (F, 17).
        contacts: (F, 17).
        turns, shifts: Errors of the cameras' poses, degrees and meters, one a take.
        ids: Ids that the person had.
    """

    told: list[Floats] = field(default_factory=list)
    truth: list[Floats] = field(default_factory=list)
    nees: list[Floats] = field(default_factory=list)
    contacts: list[Floats] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)


def follow(filming: Filming, arm: Arm, noise: Noise = NOISE) -> list[Course]:
    """Film and fuse; a course for each person."""
    tracker = BodyTracker(noise, bones=arm.bones, depth=arm.depth)
    surface = filming.room if arm.background else None
    fusion = PeopleFusion(tracker, noise, arm.upkeep, surface)
    courses = [Course() for _ in filming.people]
    for number, take in enumerate(filming):
        name = take.view.keypoints.camera_name
        if name[-1] not in arm.cameras:
            continue
        background = {name: take.background} if arm.background and number % 20 < 2 else {}
        people = fusion.update([take.view], background if arm.upkeep else {})
        _pose_error(courses[0], fusion, take)
        if name[-1] == arm.cameras[0]:
            # A person is told at the newest stamp; cameras' corrections may move it a little.
            time = take.time + (tracker.stamp - take.view.keypoints.stamp) * 1e-9
            if arm.cameras == "b":
                time = take.time
            _note(courses, people, filming.truth(time))
    return courses


def _pose_error(course: Course, fusion: PeopleFusion, take: Take) -> None:
    pose = fusion.correction(take.view.keypoints.camera_name).apply(take.view.pose)
    course.turns.append(float(np.degrees(pose.angle_to(take.true_pose))))
    course.shifts.append(float(np.linalg.norm(pose.translation - take.true_pose.translation)))


def _note(courses: Sequence[Course], people: Sequence[Person], truth: Floats) -> None:
    for course, true in zip(courses, truth, strict=True):
        nearest: Person | None = None
        least = _MATCH
        for person in people:
            away = float(np.linalg.norm(person.joints - true, axis=1).mean())
            if away < least:
                nearest, least = person, away
        course.truth.append(true)
        if nearest is None:
            course.told.append(np.full((17, 3), np.nan))
            course.nees.append(np.full(17, np.nan))
            course.contacts.append(np.zeros(17))
            continue
        off = nearest.joints - true
        solved = np.linalg.solve(nearest.covariances, off[..., None])[..., 0]
        course.told.append(nearest.joints)
        course.nees.append(np.sum(off * solved, axis=1))
        course.contacts.append(nearest.contacts)
        course.ids.add(nearest.id)


def measure(course: Course, rate: float = 30.0) -> dict[str, float]:
    """All figures of one course, settled: meters, degrees, shares."""
    told, truth = np.array(course.told[SETTLING:]), np.array(course.truth[SETTLING:])
    known = np.isfinite(told).all(axis=(1, 2))
    told, truth = told[known], truth[known]
    contact = np.array(course.contacts[SETTLING:])[known]
    moved = np.linalg.norm(np.diff(told[:, list(FEET)], axis=0), axis=-1)
    still = np.linalg.norm(np.diff(truth[:, list(FEET)], axis=0), axis=-1) * rate < 0.05
    ways = np.linalg.norm(np.diff(truth[:, 11:13].mean(axis=1), axis=0), axis=-1).sum()
    chunks = [slice(k, k + CHUNK) for k in range(0, len(told) - CHUNK + 1, CHUNK)]
    root = (told - truth)[:, 11:13].mean(axis=1)
    told_still = contact[1:, list(FEET)] > 0.5
    return {
        "world": float(np.linalg.norm(told - truth, axis=-1).mean()),
        "w_mpjpe": float(np.mean([_aligned(told[c], truth[c], 2) for c in chunks])),
        "wa_mpjpe": float(np.mean([_aligned(told[c], truth[c], CHUNK) for c in chunks])),
        "root_drift": float(np.mean([np.linalg.norm(root[c][-1] - root[c][0]) for c in chunks])
                            / (ways / max(len(told) - 1, 1) * CHUNK)),
        "foot_skate": float(moved[still].mean()) if still.any() else np.nan,
        "contact_recall": float(told_still[still].mean()) if still.any() else np.nan,
        "nees": float(np.nanmean(course.nees[SETTLING:])),
        "nees_median": float(np.nanmedian(course.nees[SETTLING:])),
        "turn": float(np.mean(course.turns[2 * SETTLING:])),
        "shift": float(np.mean(course.shifts[2 * SETTLING:])),
        "known": float(known.mean()),
        "ids": float(len(course.ids)),
    }  # fmt: skip


def _aligned(told: Floats, truth: Floats, frames: int) -> float:
    """Mean distance after the best rigid motion of the first frames (Kabsch 1976)."""
    a, b = told[:frames].reshape(-1, 3), truth[:frames].reshape(-1, 3)
    center_a, center_b = a.mean(axis=0), b.mean(axis=0)
    u, _, v = np.linalg.svd((a - center_a).T @ (b - center_b))
    flip = np.diag([1.0, 1.0, float(np.sign(np.linalg.det(u @ v)))])
    moved = (told - center_a) @ (u @ flip @ v) + center_b
    return float(np.linalg.norm(moved - truth, axis=-1).mean())
