"""The relations between events: what caused, enabled or prevented what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EdgeKind(StrEnum):
    """How one event bears on another, or on an object.

    `ABOUT` (event and object) and `BEFORE` (consecutive events of an object) follow from the log
    and are not stored; the view `graph` has all six.
    """

    CAUSES = "causes"
    ENABLES = "enables"
    PREVENTS = "prevents"
    PART_OF = "part_of"
    ABOUT = "about"
    BEFORE = "before"


@dataclass(frozen=True, slots=True)
class Edge:
    """A relation that is stored.

    Attributes:
        kind: CAUSES, ENABLES, PREVENTS or PART_OF.
        source, target: Numbers of events in the log; the source came first.
        weight: How sure it is, 0..1.
        evidence: Where it can be checked: "event 12" for a contact, "influence 0.83".
    """

    kind: EdgeKind
    source: int
    target: int
    weight: float
    evidence: tuple[str, ...] = ()
