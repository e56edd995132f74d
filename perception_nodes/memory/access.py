"""What all questions need of an open memory: rows, and the objects and events that they hold."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.answers import LoggedEvent
from perception_nodes.memory.rows import Record, to_record, unpack_pose
from perception_nodes.memory.store import explained

MOST_EVENTS = 1000
LARGEST = (1 << 63) - 1

_NEWEST = "SELECT max (seq) FROM observation WHERE object = {object}"
# Of sessions that overlap in message time (a recording replayed twice), the newest one counts.
# The limit that is none keeps SQLite from looking for the same row twice.
_AS_OF = """
SELECT found FROM
    (SELECT s.id, s.last_stamp,
        (SELECT seq FROM observation WHERE object = {object} AND session = s.id AND stamp <= :at
            ORDER BY stamp DESC, seq DESC LIMIT 1) AS found
    FROM session s WHERE s.first_stamp <= :at LIMIT -1)
WHERE found IS NOT NULL ORDER BY min (last_stamp, :at) DESC, id DESC LIMIT 1
"""
_ONE = "SELECT * FROM belief WHERE seq = ({seq})"
ALL = "SELECT * FROM belief WHERE seq IN (SELECT ({seq}) FROM object o)"


class MemoryAccess:
    """Reads objects and events; base of all that answers questions.

    An object is named by its id or by its label. All methods raise `MemoryStoreError` if the
    file can't be read.

    Args:
        path: The file, for messages.
        db: A connection to it.
    """

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db
        self._closed = False

    @property
    def start(self) -> int | None:
        """Stamp of the first frame of the newest session, ns; times are told from there."""
        return self._newest_session("first_stamp")

    @property
    def now(self) -> int | None:
        """The newest message time, ns; None in an empty memory."""
        return self._newest_session("last_stamp")

    def sessions(self) -> list[tuple[int, int]]:
        """First and last stamp of each unbroken stretch of message time, ns, oldest first."""
        rows = self._rows("SELECT first_stamp, last_stamp FROM session ORDER BY id")
        return [(row[0], row[1]) for row in rows]

    @property
    def map_id(self) -> str | None:
        """The map of the newest session; None in an empty memory."""
        rows = self._rows("SELECT map_id FROM session ORDER BY id DESC LIMIT 1")
        return str(rows[0][0]) if rows else None

    def records(self, at: int | None = None) -> list[Record]:
        """Every object as last believed, or as believed at a time, in order of id.

        Removed objects are among them; objects that were not known yet are not.
        """
        rows = self._rows(ALL.format(seq=seq_of("o.id", at)), at=at)
        found = [to_record(row) for row in rows]
        return sorted(found, key=lambda record: natural(record.state.id))

    def record(self, object_id: str, at: int | None = None) -> Record | None:
        """One object by its id, as last believed or as believed at a time."""
        rows = self._rows(_ONE.format(seq=seq_of(":object", at)), object=object_id, at=at)
        return to_record(rows[0]) if rows else None

    def names(self) -> dict[str, str]:
        """The label of every object by its id; empty where it has none."""
        label = "(SELECT label FROM label WHERE object = id ORDER BY seq DESC LIMIT 1)"
        rows = self._rows(f"SELECT id, coalesce ({label}, '') FROM object")  # noqa: S608
        return dict(sorted(((row[0], row[1]) for row in rows), key=lambda pair: natural(pair[0])))

    def find(self, name: str) -> list[str]:
        """Ids of the objects that are named by an id or a label, without regard to case."""
        rows = self._rows(
            "SELECT id FROM object WHERE id = :name OR :name = (SELECT label FROM label "
            "WHERE object = id ORDER BY seq DESC LIMIT 1) COLLATE NOCASE",
            name=name.strip(),
        )
        return sorted((row["id"] for row in rows), key=natural)

    def history(self, name: str) -> list[LoggedEvent]:
        """Everything that happened to an object, oldest first."""
        ids = self.find(name)
        events = [event for key in ids for event in self.events(object_id=key)]
        return sorted({event.seq: event for event in events}.values(), key=lambda e: e.seq)

    def trail(self, object_id: str) -> list[Record]:
        """The observations of an object that are kept, oldest first."""
        rows = self._rows("SELECT * FROM belief WHERE object = :o ORDER BY seq", o=object_id)
        return [to_record(row) for row in rows]

    def first_record(self, object_id: str) -> Record:
        """The first observation of an object that is known."""
        query = "SELECT * FROM belief WHERE object = :o ORDER BY seq LIMIT 1"
        return to_record(self._rows(query, o=object_id)[0])

    def events(
        self,
        since: int | None = None,
        until: int | None = None,
        kind: str | None = None,
        object_id: str | None = None,
        k: int = MOST_EVENTS,
    ) -> list[LoggedEvent]:
        """The newest events that fit all that is given, oldest first.

        Args:
            since: First message time, ns.
            until: Last message time, ns.
            kind: A value of `scene.EventKind`.
            object_id: Only events in which it took part.
            k: At most so many.
        """
        limits = {"stamp >= :since": since, "stamp <= :until": until, "kind = :kind": kind}
        wanted = [limit for limit, value in limits.items() if value is not None]
        if object_id is not None:
            conditions = " AND ".join(["object = :object", *wanted])
            query = f"""SELECT * FROM event WHERE seq IN (SELECT event FROM event_subject
                WHERE {conditions} ORDER BY event DESC LIMIT :k)"""  # noqa: S608
        else:
            # In a stretch of time the newest are found by their stamps, which have an index.
            timed = since is not None or until is not None
            query = f"""SELECT * FROM event WHERE {" AND ".join(wanted) or "true"}
                ORDER BY {"stamp DESC, " if timed else ""}seq DESC LIMIT :k"""  # noqa: S608
        given = {"object": object_id, "since": since, "until": until, "kind": kind, "k": k}
        return self._logged(sorted(self._rows(query, **given), key=lambda row: row["seq"]))

    def _logged(self, rows: Iterable[sqlite3.Row]) -> list[LoggedEvent]:
        """Rows of the table `event`, with their places on the map as it is now."""
        moved = self._moved()
        return [_event_of(row, moved.get(row["session"])) for row in rows]

    def _moved(self) -> dict[int, Pose]:
        """By session, how its map was corrected since."""
        query = "SELECT id, transform FROM session WHERE transform IS NOT NULL"
        return {row["id"]: unpack_pose(row["transform"]) for row in self._rows(query)}

    def _rows(self, query: str, /, **values: object) -> list[sqlite3.Row]:
        with explained(self.path):
            return self._db.execute(query, {k: _storable(v) for k, v in values.items()}).fetchall()

    def _newest_session(self, column: str) -> int | None:
        rows = self._rows(f"SELECT {column} FROM session ORDER BY id DESC LIMIT 1")  # noqa: S608
        return int(rows[0][0]) if rows else None

    def _newest_seq(self) -> int:
        row = self._rows(
            "SELECT max (coalesce ((SELECT max (seq) FROM event), 0), "
            "coalesce ((SELECT max (seq) FROM observation), 0))"
        )[0]
        return int(row[0])


def _storable(value: object) -> object:
    """A value of a question as SQLite takes it: valid Unicode, 64-bit numbers."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return max(-LARGEST, min(LARGEST, value)) if isinstance(value, int) else value


def seq_of(object_id: str, at: int | None) -> str:
    """SQL for the number of the belief that counts for an object, now or as of `:at`."""
    return (_NEWEST if at is None else _AS_OF).format(object=object_id)


def place_of(row: sqlite3.Row, moved: Pose | None) -> Floats | None:
    """(3,) where the event in a row of the log was, on the map as it is now."""
    if row["x"] is None:
        return None
    place = np.array([row["x"], row["y"], row["z"]])
    return place if moved is None else moved.apply(place)


def _event_of(row: sqlite3.Row, moved: Pose | None) -> LoggedEvent:
    return LoggedEvent(
        row["seq"],
        row["stamp"],
        row["kind"],
        tuple(json.loads(row["subjects"])),
        row["text"],
        tuple(json.loads(row["evidence"])),
        place_of(row, moved),
    )


def natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts o2 before o10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
