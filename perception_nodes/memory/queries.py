"""The questions that a memory answers, over one open connection."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.answers import Answer, LoggedEvent, is_known, standing_on, where
from perception_nodes.memory.rows import Record, clean, to_record
from perception_nodes.memory.schema import TABLES
from perception_nodes.memory.store import explained, keep_copy
from perception_nodes.scene import ObjectState

_MOST_EVENTS = 1000
_LARGEST = (1 << 63) - 1
_MOST_TERMS = 32  # of a text question
_EVIDENCE = 3  # newest events that an answer names

_NEWEST = "SELECT max (seq) FROM observation WHERE object = {object}"
# Of sessions that overlap in message time (a recording replayed twice), the newest one counts.
_AS_OF = """
SELECT found FROM
    (SELECT s.id, s.last_stamp,
        (SELECT seq FROM observation WHERE object = {object} AND session = s.id AND stamp <= :at
            ORDER BY stamp DESC, seq DESC LIMIT 1) AS found
    FROM session s WHERE s.first_stamp <= :at)
WHERE found IS NOT NULL ORDER BY min (last_stamp, :at) DESC, id DESC LIMIT 1
"""
_ONE = "SELECT * FROM belief WHERE seq = ({seq})"
_ALL = "SELECT * FROM belief WHERE seq IN (SELECT ({seq}) FROM object o)"
# Half the sum of its sizes bounds how far a box reaches in any direction.
_UNDER = """ AND object != :object AND z <= :z
AND max (abs (x - :x), abs (y - :y)) <= (size_x + size_y + size_z) / 2"""


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """How much is in a memory.

    Attributes:
        path: The file.
        events, observations, objects, sessions: Rows.
        bytes: Size of the file and its log.
        first_stamp, last_stamp: Message times of the newest session, ns; None in an empty memory.
        health: "ok", or what is wrong.
    """

    path: Path
    events: int
    observations: int
    objects: int
    sessions: int
    bytes: int
    first_stamp: int | None
    last_stamp: int | None
    health: str


class MemoryQueries:
    """Answers questions; base of the reader and the writer.

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

    def records(self, at: int | None = None) -> list[Record]:
        """Every object as last believed, or as believed at a time, in order of id.

        Removed objects are among them; objects that were not known yet are not.
        """
        rows = self._rows(_ALL.format(seq=_seq("o.id", at)), at=at)
        found = [to_record(row) for row in rows]
        return sorted(found, key=lambda record: _natural(record.state.id))

    def record(self, object_id: str, at: int | None = None) -> Record | None:
        """One object by its id, as last believed or as believed at a time."""
        rows = self._rows(_ONE.format(seq=_seq(":object", at)), object=object_id, at=at)
        return to_record(rows[0]) if rows else None

    def objects(self) -> list[ObjectState]:
        """The objects that are there as far as the memory knows, in order of id."""
        return [record.state for record in self.records() if record.removed is None]

    def find(self, name: str) -> list[str]:
        """Ids of the objects that are named by an id or a label, without regard to case."""
        rows = self._rows(
            "SELECT id FROM object WHERE id = :name OR :name = (SELECT label FROM label "
            "WHERE object = id ORDER BY seq DESC LIMIT 1) COLLATE NOCASE",
            name=name.strip(),
        )
        return sorted((row["id"] for row in rows), key=_natural)

    def where_is(self, name: str, at: int | None = None) -> Answer:
        """Where an object is, or was at a message time.

        Args:
            name: Its id or label; a label may name several objects.
            at: ns; the newest belief at or before it counts. None for the newest of all.
        """
        return self.where_are(self.find(name), name, at)

    def where_are(self, ids: Sequence[str], name: str, at: int | None = None) -> Answer:
        """As `where_is`, for objects that were found already; `name` is what the person said."""
        if not ids:
            return Answer(False, f'unknown: there is no object "{clean(name)}"', at)
        found = [record for key in ids if (record := self.record(key, at)) is not None]
        if not found:
            return Answer(False, f'unknown: "{clean(name)}" had not been seen by then', at)
        now = at if at is not None else max(self.now or 0, max(r.state.stamp for r in found))
        found.sort(key=lambda record: (not is_known(record, at), -record.state.last_seen))
        sentence = "\n".join(where(r, self._support(r, at), now, at) for r in found)
        events = self._newest_events([record.state.id for record in found], at)
        return Answer(
            any(is_known(record, at) for record in found),
            sentence,
            at,
            tuple(found),
            tuple(events),
            tuple(_evidence(found, events)),
        )

    def last_seen(self, name: str) -> int | None:
        """Stamp of the newest image that showed the object, ns; None if there is none."""
        found = [self.record(key) for key in self.find(name)]
        return max((record.state.last_seen for record in found if record), default=None)

    def history(self, name: str) -> list[LoggedEvent]:
        """Everything that happened to an object, oldest first."""
        ids = self.find(name)
        events = [event for key in ids for event in self.events(object_id=key)]
        return sorted({event.seq: event for event in events}.values(), key=lambda e: e.seq)

    def trail(self, object_id: str) -> list[Record]:
        """The observations of an object that are kept, oldest first."""
        rows = self._rows("SELECT * FROM belief WHERE object = :o ORDER BY seq", o=object_id)
        return [to_record(row) for row in rows]

    def events(
        self,
        since: int | None = None,
        until: int | None = None,
        kind: str | None = None,
        object_id: str | None = None,
    ) -> list[LoggedEvent]:
        """The newest events that fit all that is given, oldest first, at most a thousand.

        Args:
            since: First message time, ns.
            until: Last message time, ns.
            kind: A value of `scene.EventKind`.
            object_id: Only events in which it took part.
        """
        query = "SELECT e.* FROM event e"
        if object_id is not None:
            query += " JOIN event_subject s ON s.event = e.seq AND s.object = :object"
        limits = {
            "since": "e.stamp >= :since",
            "until": "e.stamp <= :until",
            "kind": "kind = :kind",
        }
        given = {"since": since, "until": until, "kind": kind}
        wanted = [limits[name] for name, value in given.items() if value is not None]
        query += f" WHERE {' AND '.join(wanted)}" if wanted else ""
        query += f" ORDER BY e.seq DESC LIMIT {_MOST_EVENTS}"
        rows = self._rows(query, object=object_id, **given)
        return [_logged(row) for row in reversed(rows)]

    def near(
        self, position: Floats, radius: float, since: int | None = None, until: int | None = None
    ) -> list[tuple[float, Record]]:
        """Objects within a sphere, with their distance in meters, nearest first.

        Args:
            position: (3,) center, meters, world frame.
            radius: Meters.
            since: First message time, ns. With it or `until`, the newest observation of each
                object inside the sphere in that time counts, not where the object is now.
            until: Last message time, ns.
        """
        if since is None and until is None:
            query = "SELECT * FROM current WHERE removed IS NULL"
            query += "".join(f" AND {axis} BETWEEN :{axis}0 AND :{axis}1" for axis in "xyz")
        else:
            query = """SELECT v.* FROM observation_place p JOIN belief v ON v.seq = p.seq
                WHERE p.max_x >= :x0 AND p.min_x <= :x1 AND p.max_y >= :y0 AND p.min_y <= :y1
                AND p.max_z >= :z0 AND p.min_z <= :z1 AND v.stamp BETWEEN :since AND :until
                ORDER BY v.seq"""
        ends = {
            f"{axis}0": float(value) - radius for axis, value in zip("xyz", position, strict=True)
        }
        ends |= {
            f"{axis}1": float(value) + radius for axis, value in zip("xyz", position, strict=True)
        }
        times = {
            "since": -_LARGEST if since is None else since,
            "until": _LARGEST if until is None else until,
        }
        newest = {row["object"]: row for row in self._rows(query, **ends, **times)}
        records = [to_record(row) for row in newest.values()]
        far = [(float(np.linalg.norm(r.state.position - position)), r) for r in records]
        inside = [pair for pair in far if pair[0] <= radius]
        return sorted(inside, key=lambda pair: (pair[0], _natural(pair[1].state.id)))

    def text(self, words: str, k: int = 10) -> list[LoggedEvent]:
        """The `k` events whose text fits the words best, best first. Every character is allowed."""
        terms = re.findall(r"\w+", words)[:_MOST_TERMS]
        if not terms:
            return []
        match = " OR ".join(f'"{term}"' for term in terms)  # quoted: no word is an operator
        rows = self._rows(
            "SELECT e.* FROM event_text t JOIN event e ON e.seq = t.rowid "
            "WHERE event_text MATCH :match ORDER BY bm25 (event_text), e.seq DESC LIMIT :k",
            match=match,
            k=k,
        )
        return [_logged(row) for row in rows]

    def restore(self, map_id: str) -> list[ObjectState]:
        """What was last known on a map, to be recognized again after a restart.

        Ids and covariances are those of the last belief; how much the absence adds to them is
        for `objects` to say. Removed objects are not among them.
        """
        return [
            record.state
            for record in self.records()
            if record.removed is None and record.map_id == map_id
        ]

    def next_object_number(self) -> int:
        """A number higher than any in an object's id, so that no id is given twice."""
        ids = [row["id"] for row in self._rows("SELECT id FROM object")]
        numbers = [int(match[0]) for key in ids if (match := re.search(r"\d+$", key))]
        return max(numbers, default=0) + 1

    def dump(self) -> Iterator[str]:
        """The whole truth as lines of text; equal memories give equal lines."""
        for table, key in TABLES:
            rows = self._rows(f"SELECT * FROM {table} ORDER BY {key}")  # noqa: S608
            for row in rows:
                values = (v.hex() if isinstance(v, bytes) else v for v in tuple(row))
                yield f"{table} {json.dumps(list(values), ensure_ascii=False)}"

    def snapshot(self, path: Path) -> None:
        """Write a consistent copy of the memory, also while it is being written.

        Raises:
            MemoryStoreError: There is a file at `path` already, or it can't be written.
        """
        if path.exists():
            raise MemoryStoreError(f"there is a file {path} already", "choose another name")
        with explained(path):
            keep_copy(self._db, path)

    def status(self) -> MemoryStatus:
        """How much is in the memory."""
        events, observations, objects, sessions = (
            int(self._rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608
            for table in ("event", "observation", "object", "session")
        )
        files = (self.path, Path(f"{self.path}-wal"))
        size = sum(file.stat().st_size for file in files if file.exists())
        repaired = self.events(kind="repaired")
        health = repaired[-1].text if repaired else "ok"
        times = (self.start, self.now)
        return MemoryStatus(
            self.path, events, observations, objects, sessions, size, *times, health
        )

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

    def _support(self, record: Record, at: int | None) -> Record | None:
        """The known object on which this one stands."""
        x, y, z = record.state.position.tolist()
        query = _ALL.format(seq=_seq("o.id", at)) + _UNDER
        rows = self._rows(query, at=at, object=record.state.id, x=x, y=y, z=z)
        below = [to_record(row) for row in rows]
        return standing_on(record, [other for other in below if is_known(other, at)])

    def _newest_events(self, ids: Sequence[str], at: int | None) -> list[LoggedEvent]:
        query = """SELECT e.* FROM event_subject s JOIN event e ON e.seq = s.event
            WHERE s.object = :object AND e.stamp <= coalesce (:at, e.stamp)
            ORDER BY e.seq DESC LIMIT :k"""
        rows = [row for key in ids for row in self._rows(query, object=key, at=at, k=_EVIDENCE)]
        events = {row["seq"]: _logged(row) for row in rows}
        return sorted(events.values(), key=lambda e: e.seq)[-_EVIDENCE:]

    def _label_of(self, object_id: str) -> tuple[str, float] | None:
        rows = self._rows(
            "SELECT label, score FROM label WHERE object = :o ORDER BY seq DESC LIMIT 1",
            o=object_id,
        )
        return (rows[0]["label"], rows[0]["score"]) if rows else None


def _storable(value: object) -> object:
    """A value of a question as SQLite takes it: valid Unicode, 64-bit numbers."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return max(-_LARGEST, min(_LARGEST, value)) if isinstance(value, int) else value


def _seq(object_id: str, at: int | None) -> str:
    """SQL for the number of the belief that counts for an object, now or as of `:at`."""
    return (_NEWEST if at is None else _AS_OF).format(object=object_id)


def _evidence(records: Sequence[Record], events: Sequence[LoggedEvent]) -> Iterator[str]:
    for record in records:
        yield f"observation {record.seq}"
        if record.seen_by:
            yield f"{record.seen_by}@{record.state.last_seen}"
    for event in events:
        yield f"event {event.seq}"


def _logged(row: sqlite3.Row) -> LoggedEvent:
    place = None if row["x"] is None else np.array([row["x"], row["y"], row["z"]])
    return LoggedEvent(
        row["seq"],
        row["stamp"],
        row["kind"],
        tuple(json.loads(row["subjects"])),
        row["text"],
        tuple(json.loads(row["evidence"])),
        place,
    )


def _natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts o2 before o10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
