"""Which old events may become episodes, found a piece at a time so that no frame pays for all.

What stays: the newest half of the log, what explains how every object came to be as it is now (its
causal skeleton), and what was pinned, with its causes.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator

from perception_nodes.memory.explanation import ATTRIBUTES

_DEEPEST = 32
_OBJECTS = 16  # whose newest changes are looked up in one piece
_FRONT = 128  # events whose causes are looked up in one piece
_SLICE = 256  # events that are looked through in one piece
_STRIDE = 4096  # events that are counted in one piece

_NEWEST = """(SELECT event FROM event_subject WHERE object = o.id AND position = 0
    AND kind IN ({}) ORDER BY event DESC LIMIT 1)"""
_NEWEST_CHANGES = ", ".join(
    _NEWEST.format(", ".join(f"'{kind}'" for kind in kinds))
    for name, kinds in ATTRIBUTES.items()
    if name != "label"
)
_PRESENT = (
    f"SELECT number, {_NEWEST_CHANGES} FROM object o WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608
)
_CAUSES_OF = """
SELECT source, evidence FROM edge WHERE kind != 'part_of'
    AND target IN (SELECT value FROM json_each (?))
"""
_OLD = """
SELECT seq, EXISTS (SELECT 1 FROM edge WHERE target = e.seq AND kind != 'part_of')
    OR EXISTS (SELECT 1 FROM edge WHERE source = e.seq AND kind != 'part_of') AS tied
FROM event e WHERE seq > :after AND seq < :until
    AND kind NOT IN ('episode', 'forgotten', 'repaired', 'map_corrected')
ORDER BY seq LIMIT :k
"""
_BACK = "SELECT seq FROM event WHERE seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ?"


class Selection:
    """Finds what explains the present, and chooses among the rest.

    Args:
        db: A connection to the memory.

    Attributes:
        keep: What was protected when events were chosen last.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._loose = 0  # up to where loose events were looked for
        self._until = (0, 0)  # end of the older half, and the newest event when it was
        self.keep: set[int] = set()

    def choose(self, wanted: int, half: int, newest: int) -> Iterator[list[int]]:
        """Choose events to be told no longer one by one, the oldest first.

        Args:
            wanted: How many.
            half: How many of the newest stay in any case.
            newest: Number of the newest event.

        Yields:
            Nothing, after each piece of the work; at last the events, in order, as many as found.
        """
        yield from self._protect()
        yield from self._find_older_half(half, newest)
        chosen: set[int] = set()
        for loose, after in ((True, self._loose), (False, 0)):
            while len(chosen) < wanted:
                limits = {"after": after, "until": self._until[0], "k": _SLICE}
                rows = self._db.execute(_OLD, limits).fetchall()
                for row in rows:
                    after = row["seq"]
                    if after not in self.keep and not (loose and row["tied"]):
                        chosen.add(after)
                    if len(chosen) == wanted:
                        break
                self._loose = after if loose else self._loose
                yield []
                if len(rows) < _SLICE:
                    break
        yield sorted(chosen)

    def _protect(self) -> Iterator[list[int]]:
        """Events that explain the present, and pinned ones, each with its causes."""
        keep = self._pinned()
        keep |= {seq for (seq,) in self._db.execute("SELECT max (seq) FROM label GROUP BY object")}
        yield []
        number = 0
        while rows := self._db.execute(_PRESENT, (number, _OBJECTS)).fetchall():
            number = rows[-1][0]
            keep |= {seq for row in rows for seq in row[1:] if seq is not None}
            yield []
        front = sorted(keep)
        for _ in range(_DEEPEST):
            found: set[int] = set()
            for k in range(0, len(front), _FRONT):
                found |= self._causes_of(front[k : k + _FRONT])
                yield []
            front = sorted(found - keep)
            keep |= found
        self.keep = keep

    def _pinned(self) -> set[int]:
        pins = self._db.execute("SELECT event, object FROM pin").fetchall()
        keep = {row["event"] for row in pins if row["event"] is not None}
        for row in pins:
            query = "SELECT event FROM event_subject WHERE object = ?"
            keep |= {seq for (seq,) in self._db.execute(query, (row["object"],))}
        return keep

    def _causes_of(self, seqs: Iterable[int]) -> set[int]:
        rows = self._db.execute(_CAUSES_OF, (json.dumps(list(seqs)),)).fetchall()
        named = {int(n) for row in rows for n in re.findall(r"event (\d+)", row["evidence"])}
        return {row["source"] for row in rows} | named

    def _find_older_half(self, half: int, newest: int) -> Iterator[list[int]]:
        """Where the newer half of the log begins; a little too early, as that is slow to find."""
        until, when = self._until
        if until and newest - when <= half // 10:
            return
        until, left = newest + 1, half
        while left > 0:
            stride = min(left, _STRIDE)
            row = self._db.execute(_BACK, (until, stride - 1)).fetchone()
            if row is None:
                until = 0
                break
            until, left = int(row[0]), left - stride
            yield []
        self._until = until, newest
