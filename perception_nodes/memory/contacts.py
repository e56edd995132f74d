"""Who touches whom, from the boxes of objects and the hands of people.

The tracker tells of single objects. That two of them came together is told here, if at least one of
them moves: what stands beside each other and rests causes nothing. Where the scene already tells of
contacts of objects, as a simulator does, only hands are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats, Ints
from perception_nodes.memory.entry import Entry
from perception_nodes.memory.rows import clean
from perception_nodes.scene import EventKind, ObjectState, Person, SceneState, Visibility

TOUCHES, PARTS = 0.015, 0.04  # m between two boxes; between the two a contact goes on
_REACH = 0.12  # m from a wrist to the fingertips that may touch
_Pair = tuple[str, str]
_WRISTS = ("left_wrist", "right_wrist")
_MOVES = 0.05  # m/s
_RECENT = 1_000_000_000  # ns for which a motion that was told, or a touch in one frame, counts
_PARTED_FOR = 200_000_000  # ns; contacts flicker
_AGAIN = 1_000_000_000  # ns after which two that parted may be said to touch again


@dataclass(slots=True)
class ContactFinder:
    """Compares each scene with the ones before."""

    _touching: dict[_Pair, int] = field(default_factory=dict)
    _parted: dict[_Pair, int] = field(default_factory=dict)
    _close: dict[_Pair, int] = field(default_factory=dict)  # when boxes were lately
    _moved: dict[str, int] = field(default_factory=dict)
    _told_by_others: bool = False

    def find(self, scene: SceneState) -> list[Entry]:
        """The contacts that began or ended with this scene."""
        known = {state.id for state in scene.objects}
        for event in scene.events:
            contact = event.kind in (EventKind.CONTACT_ON, EventKind.CONTACT_OFF)
            self._told_by_others |= contact and known.issuperset(event.subjects)
            if event.kind == EventKind.MOVED and event.subjects:
                self._moved[event.subjects[0]] = scene.stamp
        self._moved = {k: at for k, at in self._moved.items() if scene.stamp - at <= _RECENT}
        seen = [s for s in scene.objects if s.visibility == Visibility.VISIBLE and _finite(s)]
        hands = dict(_hands(scene.people, seen))
        boxes = {} if self._told_by_others else dict(self._boxes(seen))
        close = {pair for pair, gap in boxes.items() if gap <= TOUCHES}
        # Where things stand close, boxes touch for a frame when one is seen in part.
        self._close = {k: at for k, at in self._close.items() if scene.stamp - at <= _RECENT}
        now = {pair for pair, gap in hands.items() if gap <= TOUCHES} | (close & self._close.keys())
        self._close |= dict.fromkeys(close, scene.stamp)
        self._parted = {k: at for k, at in self._parted.items() if scene.stamp - at < _AGAIN}
        began = sorted(now - self._touching.keys() - self._parted.keys())
        gaps = boxes | hands
        on = [pair for pair in self._touching if gaps.get(pair, np.inf) <= PARTS]
        self._touching |= dict.fromkeys((*on, *began), scene.stamp)
        ended = [p for p, last in self._touching.items() if scene.stamp - last > _PARTED_FOR]
        for pair in ended:
            del self._touching[pair]
            self._parted[pair] = scene.stamp
        places = {state.id: state.position for state in seen}
        told = [(pair, EventKind.CONTACT_ON, "touch") for pair in began]
        told += [(pair, EventKind.CONTACT_OFF, "part") for pair in ended]
        evidence = (f"{clean(scene.slots.camera_name)}@{scene.stamp}",)
        return [
            Entry(scene.stamp, kind.value, p, f"{p[0]} and {p[1]} {word}", evidence,
                  places.get(p[0]))
            for p, kind, word in told
        ]  # fmt: skip

    def restart(self) -> None:
        """The clock jumped."""
        for kept in (self._touching, self._parted, self._close, self._moved):
            kept.clear()

    def _boxes(self, seen: list[ObjectState]) -> Iterator[tuple[_Pair, float]]:
        """Pairs of objects that are close, of which one moves or that touched before."""
        if len(seen) < 2:
            return
        boxes = Boxes.of(seen)
        radii = np.linalg.norm(boxes.sizes, axis=1) / 2
        far = np.linalg.norm(boxes.centers[:, None] - boxes.centers[None], axis=2)
        beside = np.argwhere(np.triu(far <= radii[:, None] + radii[None] + PARTS, 1))
        moves = [self._moves(state) for state in seen]
        names = [clean(state.id) for state in seen]
        near = [
            (i, j)
            for i, j in beside.tolist()
            if moves[i] or moves[j] or (names[i], names[j]) in self._touching
        ]
        if not near:
            return
        first, second = np.array(near).T
        gaps = box_gaps(boxes, first, second)
        slim = boxes.sizes.min(axis=1)
        # Two boxes in one place are one thing that was found twice, not a contact.
        apart = gaps > -np.minimum(slim[first], slim[second]) / 2
        for (i, j), gap in zip(np.array(near)[apart].tolist(), gaps[apart].tolist(), strict=True):
            yield (names[i], names[j]), gap

    def _moves(self, state: ObjectState) -> bool:
        return state.id in self._moved or math.hypot(*state.velocity.tolist()) > _MOVES


def _hands(people: tuple[Person, ...], seen: list[ObjectState]) -> Iterator[tuple[_Pair, float]]:
    """Objects and people whose hands are at them, and how far from touching, meters."""
    for person in people:
        rows = [k for k, name in enumerate(person.joint_names) if name in _WRISTS]
        wrists = person.joints[rows]
        wrists = wrists[np.isfinite(wrists).all(axis=1)]
        for state in seen if len(wrists) else ():
            local = np.abs((wrists - state.position) @ state.pose.rotation) - state.size / 2
            gap = float(np.linalg.norm(np.maximum(local, 0.0), axis=1).min()) - _REACH
            if gap <= PARTS:
                yield (clean(state.id), clean(person.id)), max(gap, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """N boxes: their centers (N, 3), axes (N, 3, 3), which are columns, and sizes (N, 3)."""

    centers: Floats
    axes: Floats
    sizes: Floats

    @classmethod
    def of(cls, states: Sequence[ObjectState]) -> Boxes:
        """The boxes of objects."""
        return cls(
            np.array([state.position for state in states]),
            np.array([state.pose.rotation for state in states]),
            np.array([state.size for state in states]),
        )


def box_gaps(boxes: Boxes, first: Ints, second: Ints) -> Floats:
    """Gaps between pairs of boxes along the best separating axis, meters; negative in overlap.

    Boxes are apart if and only if one of 15 axes separates them (Gottschalk, Lin, Manocha,
    OBBTree, SIGGRAPH 1996). The gap along it is at most the distance of the boxes.

    Args:
        boxes: The boxes.
        first: (N,) index of one of each pair.
        second: (N,) index of the other.

    Returns:
        (N,) gaps.
    """
    a, b = boxes.axes[first], boxes.axes[second]
    rows_a, rows_b = a.transpose(0, 2, 1), b.transpose(0, 2, 1)
    crosses = np.cross(rows_a[:, :, None], rows_b[:, None]).reshape(-1, 9, 3)
    lengths = np.linalg.norm(crosses, axis=2)
    parallel = lengths <= 1e-6
    crosses /= np.where(parallel, 1.0, lengths)[..., None]
    axes = np.concatenate((rows_a, rows_b, crosses), axis=1)  # (N, 15, 3)
    sizes = boxes.sizes[:, :, None] / 2
    reach = np.abs(axes @ a) @ sizes[first] + np.abs(axes @ b) @ sizes[second]
    between = (boxes.centers[second] - boxes.centers[first])[:, :, None]
    gaps = (np.abs(axes @ between) - reach)[..., 0]
    gaps[:, 6:][parallel] = -np.inf
    return np.asarray(gaps.max(axis=1))


def _finite(state: ObjectState) -> bool:
    return math.isfinite(sum(state.position.tolist()) + sum(state.size.tolist()))
