"""Why is it so: from what an object is now back to the first cause that is known."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.answers import LoggedEvent
from perception_nodes.memory.graph import Edge, EdgeKind
from perception_nodes.memory.rows import clean
from perception_nodes.memory.vectors import Looks

_SECOND = 1_000_000_000
_LONGEST_CHAIN = 32
_OTHER = 0.5  # of the strongest cause's weight, from which another one is named too

ATTRIBUTES = {
    "position": ("moved", "moved_unseen"),
    "visibility": ("hidden", "reappeared", "appeared", "lost", "removed"),
    "existence": ("appeared", "lost", "removed", "reappeared"),
    "label": ("labeled",),
}
"""What can be explained, and the events that change it."""

_CHANGE = """
SELECT * FROM event WHERE seq = (SELECT event FROM event_subject
WHERE object = :object AND position = 0 AND stamp <= coalesce (:at, stamp)
AND kind IN ({kinds}) ORDER BY event DESC LIMIT 1)
"""


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """One event of a chain of causes.

    Attributes:
        event: It.
        weight: How sure it is that this event caused the one before it in the chain, 0..1; 1 for
            the first link, which is the effect itself.
        evidence: What that rests on.
    """

    event: LoggedEvent
    weight: float
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Why an attribute of an object is what it is.

    Attributes:
        known: Whether a cause is known.
        sentence: For a person; begins with "unknown" if none is.
        at: The message time that was asked about, ns; None for now.
        chain: The last effect first, the first known cause last. It is not empty where the effect
            is known but its cause is not.
        others: Events that may have caused the effect as well, surest first.
    """

    known: bool
    sentence: str
    at: int | None = None
    chain: tuple[Link, ...] = ()
    others: tuple[Link, ...] = ()

    @property
    def first_cause(self) -> LoggedEvent | None:
        """The event at the end of the chain; None if no cause is known."""
        return self.chain[-1].event if self.known else None

    @property
    def evidence(self) -> tuple[str, ...]:
        """Everything on which the explanation rests, in the order of the chain."""
        found: dict[str, None] = {}
        for link in self.chain:
            found |= dict.fromkeys(
                (f"event {link.event.seq}", *link.evidence, *link.event.evidence)
            )
        return tuple(found)


class Explanations(Looks):
    """Questions about causes."""

    def explain(
        self, object_id: str, at: int | None = None, attribute: str = "position"
    ) -> Explanation:
        """Why an object is where it is (or hidden, gone, called so): the chain of its causes.

        Args:
            object_id: Its id or label.
            at: Message time, ns; the newest change at or before it is explained. None for now.
            attribute: "position", "visibility", "existence" or "label".

        Raises:
            MemoryStoreError: Nothing of that name can be explained.
        """
        if attribute not in ATTRIBUTES:
            raise MemoryStoreError(
                f"{clean(attribute)!r} can't be explained", f"choose of {', '.join(ATTRIBUTES)}"
            )
        ids = self.find(object_id)
        if not ids:
            return Explanation(False, f'unknown: there is no object "{clean(object_id)}"', at)
        changes = [c for key in ids if (c := self._newest_change(key, at, attribute)) is not None]
        if not changes:
            return Explanation(False, self._unmoved(ids[0], at, attribute), at)
        return self._explain_event(max(changes, key=lambda event: event.seq), at)

    def explain_event(self, seq: int) -> Explanation:
        """As `explain`, for one event of the log."""
        found = self.event(seq)
        if found is None:
            return Explanation(False, f"unknown: there is no event {seq}")
        return self._explain_event(found, None)

    def event(self, seq: int) -> LoggedEvent | None:
        """One event by its number in the log."""
        rows = self._rows("SELECT * FROM event WHERE seq = :seq", seq=seq)
        return self._logged(rows)[0] if rows else None

    def causes(self, seq: int) -> list[Edge]:
        """What bears on an event, the surest first."""
        query = "SELECT * FROM edge WHERE target = :seq ORDER BY weight DESC, source"
        return [_edge(row) for row in self._rows(query, seq=seq)]

    def effects(self, seq: int) -> list[Edge]:
        """On what an event bears, the surest first."""
        query = "SELECT * FROM edge WHERE source = :seq ORDER BY weight DESC, target"
        return [_edge(row) for row in self._rows(query, seq=seq)]

    def _newest_change(self, key: str, at: int | None, attribute: str) -> LoggedEvent | None:
        kinds = ", ".join(f"'{kind}'" for kind in ATTRIBUTES[attribute])
        rows = self._rows(_CHANGE.format(kinds=kinds), object=key, at=at)
        return self._logged(rows)[0] if rows else None

    def _explain_event(self, effect: LoggedEvent, at: int | None) -> Explanation:
        chain = [Link(effect, 1.0, self._pictures_of([effect.seq]))]
        seen = {effect.seq}
        while len(chain) < _LONGEST_CHAIN:
            found = [edge for edge in self._parents(chain[-1].event.seq) if edge.source not in seen]
            cause = self.event(found[0].source) if found else None
            if cause is None:
                break
            evidence = (*found[0].evidence, *self._pictures_of([cause.seq]))
            chain.append(Link(cause, found[0].weight, evidence))
            seen.add(cause.seq)
        if len(chain) == 1:
            return Explanation(False, self._no_cause(effect), at, tuple(chain))
        others = self._others(effect.seq, chain[1].weight)
        return Explanation(True, self._sentence(chain), at, tuple(chain), others)

    def _parents(self, seq: int) -> list[Edge]:
        return [edge for edge in self.causes(seq) if edge.kind is EdgeKind.CAUSES]

    def _others(self, seq: int, strongest: float) -> tuple[Link, ...]:
        rest = [e for e in self._parents(seq)[1:] if e.weight >= _OTHER * strongest]
        events = ((edge, self.event(edge.source)) for edge in rest)
        return tuple(Link(event, e.weight, e.evidence) for e, event in events if event)

    def _sentence(self, chain: Sequence[Link]) -> str:
        told = [f"{self._told(chain[0].event)}"]
        told += [f"because {self._told(k.event)} (weight {k.weight:.2f})" for k in chain[1:]]
        return "\n  ".join(told)

    def _no_cause(self, effect: LoggedEvent) -> str:
        why = "nobody saw what did it" if effect.kind == "moved_unseen" else "no cause was seen"
        return f"unknown: {self._told(effect)}, but {why}"

    def _unmoved(self, key: str, at: int | None, attribute: str) -> str:
        if self.record(key, at) is None:
            return f"unknown: {key} had not been seen by then"
        if attribute == "position":
            return f"unknown: {key} was there when it was seen first and was not seen to move"
        return f"unknown: nothing is known to have changed the {attribute} of {key}"

    def _told(self, event: LoggedEvent) -> str:
        seconds = (event.stamp - (self.start or 0)) / _SECOND
        when = f"at t={seconds:.2f} s, " if seconds >= 0 else "in an earlier session, "
        return f"{event.text} ({when}event {event.seq})"


def _edge(row: sqlite3.Row) -> Edge:
    evidence = tuple(json.loads(row["evidence"]))
    return Edge(EdgeKind(row["kind"]), row["source"], row["target"], row["weight"], evidence)
