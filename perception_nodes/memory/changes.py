"""What changed while nobody asked: the difference between two beliefs about the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.memory.access import natural
from perception_nodes.memory.answers import Answer, LoggedEvent, deviation, is_known, name_of
from perception_nodes.memory.outcomes import Precedents
from perception_nodes.memory.rows import Record

_SMALLEST = 0.03  # m that count as moved
_SIGMAS = 3.0
_TOLD = 20  # newest events of each object that is different


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """How one object differs.

    Attributes:
        kind: "new", "gone", "moved" or "found" (it was gone).
        before, after: The beliefs that were compared; `before` is None for a new object.
        distance: Meters.
    """

    kind: str
    before: Record | None
    after: Record
    distance: float

    @property
    def text(self) -> str:
        """For a person."""
        name = name_of(self.after.state)
        x, y, z = self.after.state.position
        place = f"({x:.2f}, {y:.2f}, {z:.2f})"
        return {
            "new": f"{name} is new, at {place}",
            "gone": f"{name} is gone; it was at {place}",
            "moved": f"{name} moved {self.distance:.2f} m, to {place}",
            "found": f"{name} is there again, at {place}",
        }[self.kind]


class Changes(Precedents):
    """Questions about differences."""

    def changes(self, since: int | None = None, until: int | None = None) -> Answer:
        """What changed while the asker was away.

        Args:
            since: Message time, ns. None for the end of the session before the newest: what
                changed while the robot was off; in the first session, what differs from how each
                object was seen first.
            until: Message time, ns; None for now.
        """
        prefix = ""
        since = self._end_of_last_session() if since is None else since
        if since is None and self.start is not None:
            found, since = self._since_first_seen(until), self.start
            prefix = "this is the first session; compared with how each was seen first:\n"
        elif since is None or not self.records(since):
            return Answer(False, "unknown: nothing was known at that time", until)
        else:
            found = self.differences(since, until)
        events = self._events_of(found, since, until)
        evidence = [f"observation {change.after.seq}" for change in found]
        evidence += [f"event {event.seq}" for event in events]
        sentence = prefix + ("\n".join(change.text for change in found) or "nothing changed")
        records = tuple(change.after for change in found)
        return Answer(True, sentence, until, records, tuple(events), tuple(evidence))

    def differences(self, since: int, until: int | None = None) -> list[Change]:
        """The objects that differ between two message times (ns), in order of id."""
        before = {record.state.id: record for record in self.records(since)}
        found = [
            change
            for after in self.records(until)
            if (change := _compare(before.get(after.state.id), after, since, until)) is not None
        ]
        return sorted(found, key=lambda change: natural(change.after.state.id))

    def _since_first_seen(self, until: int | None) -> list[Change]:
        """How objects differ from their first observation."""
        found = []
        for after in self.records(until):
            first = self.first_record(after.state.id)
            change = _compare(first, after, first.state.stamp, until)
            found += [] if change is None else [change]
        return sorted(found, key=lambda change: natural(change.after.state.id))

    def _end_of_last_session(self) -> int | None:
        rows = self._rows("SELECT last_stamp FROM session ORDER BY id DESC LIMIT 1 OFFSET 1")
        return int(rows[0][0]) if rows else None

    def _events_of(
        self, found: Sequence[Change], since: int, until: int | None
    ) -> list[LoggedEvent]:
        events = [
            event
            for change in found
            for event in self.events(since, until, object_id=change.after.state.id, k=_TOLD)
        ]
        return sorted({e.seq: e for e in events}.values(), key=lambda e: e.seq)


def _compare(before: Record | None, after: Record, since: int, until: int | None) -> Change | None:
    known = is_known(after, until)
    if before is None:
        return Change("new", None, after, 0.0) if known else None
    was_known = is_known(before, since)
    distance = float(np.linalg.norm(after.state.position - before.state.position))
    if was_known != known:
        return Change("found" if known else "gone", before, after, distance)
    spread = float(np.hypot(deviation(before.state), deviation(after.state)))
    if known and distance > max(_SMALLEST, _SIGMAS * spread):
        return Change("moved", before, after, distance)
    return None
