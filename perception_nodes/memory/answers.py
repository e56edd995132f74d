"""What the memory answers, and how it says it to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.memory.rows import Record
from perception_nodes.scene import ObjectState, Visibility

_SECOND = 1_000_000_000
_TOUCHING = 0.03  # m between a surface and what stands on it
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


@dataclass(frozen=True, slots=True, eq=False)
class LoggedEvent:
    """An event as the log holds it: `scene.Event` with its number and place.

    Attributes:
        seq: Number in the log; orders events when stamps start again.
        stamp: ns.
        kind: A value of `scene.EventKind`, or "repaired".
        subjects, text, evidence: As in `scene.Event`.
        place: (3,) where its first subject was, world frame; None if that is unknown.
    """

    seq: int
    stamp: int
    kind: str
    subjects: tuple[str, ...]
    text: str
    evidence: tuple[str, ...]
    place: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer with the ground on which it stands.

    Attributes:
        known: False if the memory does not know.
        sentence: The answer for a person, one line for each object.
        at: The message time that was asked about, ns; None for now.
        records: The object states that it speaks of, as they were at the time asked about.
        events: What happened to them, newest last.
        evidence: Where it can be checked: "event 12", "observation 34", "camera@1234567890".
    """

    known: bool
    sentence: str
    at: int | None = None
    records: tuple[Record, ...] = ()
    events: tuple[LoggedEvent, ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def states(self) -> tuple[ObjectState, ...]:
        """The object states alone."""
        return tuple(record.state for record in self.records)


def name_of(state: ObjectState) -> str:
    """`mug (o3)`, or `o3` while nobody has named it."""
    return f"{state.label} ({state.id})" if state.label else state.id


def duration(nanoseconds: int) -> str:
    """A length of time for a person: `12.4 s`, `3.2 min`, `5.1 h`, `2.3 d`."""
    seconds = nanoseconds / _SECOND
    for size, unit in _UNITS:
        if abs(seconds) >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def place_of(record: Record) -> str:
    """`(0.42, -0.10, 0.75) ± 0.02 m in map`; the deviation is that of one axis."""
    x, y, z = record.state.position
    return f"({x:.2f}, {y:.2f}, {z:.2f}) ± {deviation(record.state):.2f} m in {record.map_id}"


def deviation(state: ObjectState) -> float:
    """The standard deviation of one axis of the position, meters."""
    return float(np.sqrt(max(0.0, np.trace(state.pose_covariance[:3, :3]) / 3.0)))


def seen(record: Record, now: int, *, past: bool = False) -> str:
    """When an object was seen last, relative to `now`, and at which time of the recording."""
    state = record.state
    age = now - state.last_seen
    if age < 0:
        return "last seen in an earlier session"
    since = f"last seen {duration(age)} {'before' if past else 'ago'}"
    start = record.session_start
    if state.last_seen < start:
        return since
    return f"{since} at t={(state.last_seen - start) / _SECOND:.2f} s"


def is_known(record: Record, at: int | None) -> bool:
    """Whether the memory claims to know the place: the object was not found gone."""
    removed = record.removed is not None and (at is None or record.removed <= at)
    return not removed and record.state.visibility != Visibility.LOST


_VISIBLE_AS = {
    Visibility.VISIBLE: "visible",
    Visibility.OCCLUDED: "hidden",
    Visibility.OUT_OF_VIEW: "out of view",
    Visibility.LOST: "lost",
}


def visibility_of(record: Record, at: int | None = None) -> str:
    """`visible`, `hidden`, `out of view`, `lost` or `removed`."""
    if record.removed is not None and (at is None or record.removed <= at):
        return "removed"
    return _VISIBLE_AS[record.state.visibility]


def where(record: Record, support: Record | None, now: int, at: int | None) -> str:
    """The sentence that says where one object is, or was at the time `at`, and what carries it."""
    name, place = name_of(record.state), place_of(record)
    past = at is not None
    last = seen(record, now, past=past)
    if not is_known(record, at):
        gone = "was not there any more" if past else "is not there any more"
        return f"unknown: {name} was at {place}, but {gone}; {last}"
    on = f"on {name_of(support.state)} " if support else ""
    return f"{name} {'was' if past else 'is'} {on}at {place}; {visibility_of(record, at)}; {last}"


def standing_on(record: Record, others: Sequence[Record]) -> Record | None:
    """The object whose top carries this one, from the boxes alone; z is up (REP-103)."""
    bottom = record.state.position[2] - _reach(record.state)[2]
    best: tuple[float, Record] | None = None
    for other in others:
        if other.state.id == record.state.id or other.map_id != record.map_id:
            continue
        reach = _reach(other.state)
        offset = record.state.position - other.state.position
        gap = abs(float(bottom - other.state.position[2] - reach[2]))
        inside = bool(np.all(np.abs(offset[:2]) <= reach[:2]))
        if inside and gap <= _TOUCHING and (best is None or gap < best[0]):
            best = (gap, other)
    return best[1] if best else None


def _reach(state: ObjectState) -> Floats:
    """(3,) half extents of the upright box around an object, along the world axes."""
    reach: Floats = np.abs(state.pose.rotation) @ (state.size / 2.0)
    return reach
