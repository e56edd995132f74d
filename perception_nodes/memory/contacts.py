"""Who touches whom, from the boxes of objects and the hands of people.

The tracker tells of single objects. That two of them came together is told here, if at least one of
them moves: what stands beside each other and rests causes nothing. Where the scene already tells of
contacts of objects, as a simulator does, only hands are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.memory.entry import Entry
from perception_nodes.memory.rows import clean
from perception_nodes.scene import EventKind, ObjectState, Person, SceneState, Visibility

TOUCHES, PARTS = 0.015, 0.04  # m between two boxes; between the two a contact goes on
_REACH = 0.12  # m from a wrist to the fingertips that may touch
_WRISTS = ("left_wrist", "right_wrist")
_MOVES = 0.05  # m/s
_RECENT = 1_000_000_000  # ns for which a motion that was told counts
_PARTED_FOR = 200_000_000  # ns; contacts flicker


@dataclass(slots=True)
class ContactFinder:
    """Compares each scene with the ones before."""

    _touching: dict[tuple[str, str], int] = field(default_factory=dict)
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
        close = dict(_hands(scene.people, seen))
        if not self._told_by_others:
            close |= self._boxes(seen)
        began = [
            pair for pair, gap in close.items() if gap <= TOUCHES and pair not in self._touching
        ]
        self._touching |= {
            pair: scene.stamp
            for pair, gap in close.items()
            if gap <= (PARTS if pair in self._touching else TOUCHES)
        }
        ended = [p for p, last in self._touching.items() if scene.stamp - last > _PARTED_FOR]
        for pair in ended:
            del self._touching[pair]
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
        self._touching.clear()
        self._moved.clear()

    def _boxes(self, seen: list[ObjectState]) -> Iterator[tuple[tuple[str, str], float]]:
        """Pairs of objects that are close, of which one moves or that touched before."""
        if len(seen) < 2:
            return
        centers = np.array([state.position for state in seen])
        radii = np.array([float(np.linalg.norm(state.size)) / 2 for state in seen])
        far = np.linalg.norm(centers[:, None] - centers[None], axis=2)
        near = np.argwhere(np.triu(far <= radii[:, None] + radii[None] + PARTS, 1))
        moves = [self._moves(state) for state in seen]
        for i, j in near.tolist():
            pair = (clean(seen[i].id), clean(seen[j].id))
            if moves[i] or moves[j] or pair in self._touching:
                gap = box_gap(seen[i], seen[j])
                # Two boxes in one place are one thing that was found twice, not a contact.
                if gap > -min(float(seen[i].size.min()), float(seen[j].size.min())) / 2:
                    yield pair, gap

    def _moves(self, state: ObjectState) -> bool:
        return state.id in self._moved or float(np.linalg.norm(state.velocity)) > _MOVES


def _hands(
    people: tuple[Person, ...], seen: list[ObjectState]
) -> Iterator[tuple[tuple[str, str], float]]:
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


def box_gap(one: ObjectState, other: ObjectState) -> float:
    """Gap between two boxes along the best separating axis, meters; negative if they overlap.

    Boxes are apart if and only if one of 15 axes separates them (Gottschalk, Lin, Manocha,
    OBBTree, SIGGRAPH 1996). The gap along it is at most the distance of the boxes.
    """
    a, b = one.pose.rotation, other.pose.rotation
    crosses = np.cross(a.T[:, None, :], b.T[None, :, :]).reshape(9, 3)
    lengths = np.linalg.norm(crosses, axis=1)
    axes: Floats = np.vstack([a.T, b.T, crosses[lengths > 1e-6] / lengths[lengths > 1e-6, None]])
    reach = np.abs(axes @ a) @ (one.size / 2) + np.abs(axes @ b) @ (other.size / 2)
    return float((np.abs(axes @ (other.position - one.position)) - reach).max())


def _finite(state: ObjectState) -> bool:
    return bool(np.isfinite(state.position).all() and np.isfinite(state.size).all())
