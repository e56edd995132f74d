"""What a tracker would tell of a simulated episode: scene states with noise and events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from memory_world import PERSON, RATE, ROBOT, SECOND, Course, Step

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Event, EventKind, ObjectState, SceneState, Slots, Visibility

_NOISE = 0.002  # m
_MOVED, _RESTS = 0.01, 0.01  # m from the anchor; m within the last half second
_UNSEEN = 0.03  # m that count as moved while nobody looked


@dataclass(slots=True)
class _Track:
    size: Floats
    anchor: Floats
    first_seen: int
    last_seen: int
    recent: list[Floats] = field(default_factory=list)
    moving: bool = False
    gone: bool = False


class Observer:
    """Turns steps into scene states.

    Args:
        sizes: Of the objects, (3,) each.
        seed: Of the noise.
    """

    def __init__(self, sizes: dict[str, Floats], seed: int) -> None:
        self._sizes = sizes
        self._rng = np.random.default_rng((seed, 1))
        self._tracks: dict[str, _Track] = {}
        self._looked = True
        self._touching: set[tuple[str, str]] = set()

    def watch(self, step: Step, path: Course) -> Iterator[SceneState]:
        """The scene states of a step, in order of time."""
        waiting = sorted(step.actions, key=lambda action: action.stamp)
        for index, time in enumerate(path.times.tolist()):
            stamp = round(time * SECOND)
            if stamp <= step.start and index:
                continue
            told: list[Event] = []
            while waiting and waiting[0].stamp <= stamp:
                action = waiting.pop(0)
                verb = action.name.split("_")[0]
                text = f"{verb}: {action.agent} does {action.name} to {action.target}"
                if action.told:
                    told.append(_event(action.stamp, EventKind.ACTION, text, action.target,
                                       action.agent))  # fmt: skip
            touched = {(name, ROBOT) for name in path.pushed[index] & path.positions.keys()}
            touched |= self._held(step, stamp) if step.seen else set()
            told += self._contacts(stamp, touched)
            places = {name: rows[index] for name, rows in path.positions.items()}
            told += self._see(stamp, places) if step.seen else []
            self._looked = step.seen
            states = tuple(self._states(stamp, seen=step.seen))
            slots = Slots(stamp, "camera", "camera", np.zeros((1, 1), np.uint8), (), "")
            moved = {e.subjects[0] for e in told if e.kind.value.startswith("moved")}
            shares = tuple(s for s in step.shares if s.target in moved) if step.seen else ()
            yield SceneState(stamp, slots, states, tuple(told), influences=shares)

    def _held(self, step: Step, stamp: int) -> set[tuple[str, str]]:
        return {
            (a.target, PERSON)
            for a in step.actions
            if a.agent == PERSON and a.stamp <= stamp <= a.stamp + (4 if a.acts else 1) * SECOND
        }

    def _contacts(self, stamp: int, touched: set[tuple[str, str]]) -> list[Event]:
        on, off = sorted(touched - self._touching), sorted(self._touching - touched)
        self._touching = touched
        told = [_event(stamp, EventKind.CONTACT_ON, f"{b} touches {a}", a, b) for a, b in on]
        told += [_event(stamp, EventKind.CONTACT_OFF, f"{b} lets go of {a}", a, b) for a, b in off]
        return told

    def _see(self, stamp: int, places: dict[str, Floats]) -> list[Event]:
        told: list[Event] = []
        for name in self._tracks:
            if name not in places and not self._tracks[name].gone:
                self._tracks[name].gone = True
                told.append(_event(stamp, EventKind.LOST, f"{name} is no longer there", name))
                told.append(_event(stamp, EventKind.REMOVED, f"{name} is gone", name))
        for name, place in places.items():
            seen = place + self._rng.normal(0, _NOISE, 3)
            track = self._tracks.get(name)
            if track is None:
                self._tracks[name] = _Track(self._sizes[name], seen, stamp, stamp)
                told.append(_event(stamp, EventKind.APPEARED, f"{name} appeared", name))
                continue
            told += self._moves(stamp, name, track, seen)
        return told

    def _moves(self, stamp: int, name: str, track: _Track, seen: Floats) -> Iterator[Event]:
        if not self._looked:
            moved = float(np.linalg.norm(seen - track.anchor))
            track.recent = []
            track.anchor, track.moving = seen, False
            if moved > _UNSEEN:
                text = f"{name} was moved {moved:.2f} m while nobody looked"
                yield _event(stamp, EventKind.MOVED_UNSEEN, text, name)
        track.last_seen = stamp
        track.recent = [*track.recent, seen][-RATE // 2 :]
        if not track.moving and float(np.linalg.norm(seen - track.anchor)) > _MOVED:
            track.moving = True
            yield _event(stamp, EventKind.MOVED, f"{name} moves", name)
        elif track.moving and len(track.recent) == RATE // 2:
            spread = np.ptp(np.array(track.recent), axis=0).max()
            if spread < _RESTS:
                track.moving, track.anchor = False, np.mean(track.recent, axis=0)
                yield _event(stamp, EventKind.STOPPED, f"{name} came to rest", name)

    def _states(self, stamp: int, *, seen: bool) -> Iterator[ObjectState]:
        for name, track in self._tracks.items():
            if track.gone:
                continue
            recent = track.recent[-2:] or [track.anchor]
            place = recent[-1] if track.moving else track.anchor
            velocity = (recent[-1] - recent[0]) * RATE if track.moving else np.zeros(3)
            yield ObjectState(
                id=name,
                stamp=stamp,
                pose=Pose(np.eye(3), place),
                pose_covariance=np.eye(6) * _NOISE**2,
                velocity=velocity,
                angular_velocity=np.zeros(3),
                twist_covariance=np.eye(6) * 1e-3,
                size=track.size,
                visibility=Visibility.VISIBLE if seen else Visibility.OUT_OF_VIEW,
                first_seen=track.first_seen,
                last_seen=track.last_seen,
                existence=0.99,
            )


def _event(stamp: int, kind: EventKind, text: str, *who: str) -> Event:
    return Event(stamp, kind, who, text, (f"camera@{stamp}",))
