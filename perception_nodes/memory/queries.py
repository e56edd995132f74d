"""The questions that a memory answers, over one open connection."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.memory.access import ALL, LARGEST, natural, seq_of
from perception_nodes.memory.answers import Answer, LoggedEvent, is_known, standing_on, where
from perception_nodes.memory.minds import Minds
from perception_nodes.memory.rows import Record, clean, to_record, unpack_pose
from perception_nodes.memory.schema import TABLES
from perception_nodes.memory.store import checked_copy_path, explained, keep_copy
from perception_nodes.scene import ObjectState

_DRIFT = 0.02  # m, standard deviation after an hour of absence
_FARTHEST = 0.1  # m; beyond, an object was carried, which the tracker recognizes by its looks
_MOST_TERMS = 32  # of a text question
_EVIDENCE = 3  # newest events that an answer names

_COMMON = 2000  # events that contain a word, from which it is no longer rare
_HITS = """SELECT count(*) FROM
    (SELECT 1 FROM event_text WHERE event_text MATCH :match LIMIT :limit)"""
_BEST = """SELECT e.* FROM event_text t JOIN event e ON e.seq = t.rowid
    WHERE event_text MATCH :match ORDER BY bm25 (event_text), e.seq DESC LIMIT :k"""
_NEWEST_WITH = """SELECT e.* FROM event_text t JOIN event e ON e.seq = t.rowid
    WHERE event_text MATCH :match ORDER BY t.rowid DESC LIMIT :k"""
_NOW_NEAR = """SELECT * FROM current WHERE removed IS NULL AND map_id = :map
    AND transform IS :frame AND x BETWEEN :x0 AND :x1 AND y BETWEEN :y0 AND :y1
    AND z BETWEEN :z0 AND :z1"""
# A short time is looked through object by object, a long one place by place.
_IN_SHORT_TIME = """session s CROSS JOIN object o CROSS JOIN observation b
    ON b.object = o.id AND b.session = s.id AND s.first_stamp <= :until AND s.last_stamp >= :since
    WHERE """
_IN_LONG_TIME = """observation_place p CROSS JOIN observation b ON b.seq = p.seq
    JOIN session s ON s.id = b.session
    WHERE p.max_x >= :x0 AND p.min_x <= :x1 AND p.max_y >= :y0 AND p.min_y <= :y1
    AND p.max_z >= :z0 AND p.min_z <= :z1 AND """
_ONCE_NEAR = """SELECT * FROM belief WHERE seq IN (SELECT max (b.seq) FROM {rows}
    b.stamp BETWEEN :since AND :until AND s.map_id = :map AND s.transform IS :frame
    AND b.x BETWEEN :x0 AND :x1 AND b.y BETWEEN :y0 AND :y1 AND b.z BETWEEN :z0 AND :z1
    AND (b.x - :x) * (b.x - :x) + (b.y - :y) * (b.y - :y) + (b.z - :z) * (b.z - :z) <= :square
    GROUP BY b.object)"""
_SHORT = 0.1  # of all the time that the memory knows
_THERE = """SELECT * FROM belief WHERE transform IS :frame AND map_id = :map AND seq IN
    (SELECT b.seq FROM object o JOIN observation b ON b.seq = ({seq})
    WHERE b.x BETWEEN :x0 AND :x1 AND b.y BETWEEN :y0 AND :y1 AND b.z BETWEEN :z0 AND :z1)"""
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


class MemoryQueries(Minds):
    """Answers questions; base of the reader and the writer."""

    def objects(self) -> list[ObjectState]:
        """The objects that are there as far as the memory knows, in order of id."""
        return [record.state for record in self.records() if record.removed is None]

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
            (*_evidence(found, events), *self._pictures_of([event.seq for event in events])),
        )

    def last_seen(self, name: str) -> int | None:
        """Stamp of the newest image that showed the object, ns; None if there is none."""
        found = [self.record(key) for key in self.find(name)]
        return max((record.state.last_seen for record in found if record), default=None)

    def near(
        self, position: Floats, radius: float, since: int | None = None, until: int | None = None
    ) -> list[tuple[float, Record]]:
        """Objects within a sphere on the newest map, with distances in meters, nearest first.

        Args:
            position: (3,) center, meters, world frame.
            radius: Meters.
            since: First message time, ns. With it or `until`, the newest observation of each
                object inside the sphere in that time counts, not where the object is now.
            until: Last message time, ns.
        """
        times = {
            "since": -LARGEST if since is None else since,
            "until": LARGEST if until is None else until,
        }
        query = _NOW_NEAR
        if since is not None or until is not None:
            short = self._share_of_time(times["since"], times["until"]) < _SHORT
            query = _ONCE_NEAR.format(rows=_IN_SHORT_TIME if short else _IN_LONG_TIME)
        newest: dict[str, sqlite3.Row] = {}
        now_on = self.map_id
        cubes = [(blob, _sphere(center, radius)) for blob, center in self._frames(position)]
        for blob, cube in cubes:
            for row in self._rows(query, map=now_on, frame=blob, **cube, **times):
                if row["object"] not in newest or row["seq"] > newest[row["object"]]["seq"]:
                    newest[row["object"]] = row
        records = [to_record(row) for row in newest.values()]
        if since is not None:  # what had been there before and rested has no row in that time
            query = _THERE.format(seq=seq_of("o.id", since))
            for blob, cube in cubes:
                rows = self._rows(query, at=since, map=now_on, frame=blob, **cube)
                rested = [to_record(row) for row in rows if row["object"] not in newest]
                records += [record for record in rested if is_known(record, since)]
        far = [(float(np.linalg.norm(r.state.position - position)), r) for r in records]
        inside = [pair for pair in far if pair[0] <= radius]
        return sorted(inside, key=lambda pair: (pair[0], natural(pair[1].state.id)))

    def _share_of_time(self, since: int, until: int) -> float:
        """How much of the time that the memory knows lies between two stamps."""
        spans = self.sessions()
        within = sum(max(0, min(last, until) - max(first, since)) for first, last in spans)
        return within / max(1, sum(last - first for first, last in spans))

    def _frames(self, position: Floats) -> list[tuple[bytes | None, list[float]]]:
        """A place in the coordinates of each session before the map was corrected."""
        rows = self._rows("SELECT DISTINCT transform FROM session WHERE map_id = :m", m=self.map_id)
        return [
            (
                blob,
                (
                    position if blob is None else unpack_pose(blob).inverse().apply(position)
                ).tolist(),
            )
            for (blob,) in rows
        ]

    def text(self, words: str, k: int = 10) -> list[LoggedEvent]:
        """The `k` events whose text fits the words best, best first. Every character is allowed.

        Words that occur in thousands of events tell little: they count where there is no rarer
        one, and then the newest events come first.
        """
        terms = list(dict.fromkeys(re.findall(r"\w+", words.lower())))[:_MOST_TERMS]
        quoted = [f'"{term}"' for term in terms]  # quoted: no word is an operator
        rare = [term for term in quoted if self._hits(term) <= _COMMON]
        found: dict[int, sqlite3.Row] = {}
        if rare:
            rows = self._rows(_BEST, match=" OR ".join(rare), k=k)
            found = {row["seq"]: row for row in rows}
        for joint in (" AND ", " OR ") if quoted and not rare else ():
            if len(found) < k:
                rows = self._rows(_NEWEST_WITH, match=joint.join(quoted), k=k)
                found = dict(list((found | {row["seq"]: row for row in rows}).items())[:k])
        return self._logged(found.values())

    def _hits(self, term: str) -> int:
        """In how many events a word is; counted no further than needed."""
        return int(self._rows(_HITS, match=term, limit=_COMMON + 1)[0][0])

    def restore(self, map_id: str, now: int | None = None) -> list[ObjectState]:
        """What was last known on a map, to be recognized again after a restart.

        Removed objects are not among them. Positions are on the map as it was corrected last.

        Args:
            map_id: The map.
            now: Message time at which it begins again, ns. The variance of positions grows with
                the time since: by (2 cm)^2 an hour, to (10 cm)^2 at most. None if the time is not
                known yet: nothing is added.
        """
        states = [
            record.state
            for record in self.records()
            if record.removed is None and record.map_id == map_id
        ]
        return states if now is None else [_after(state, now) for state in states]

    def next_object_number(self) -> int:
        """A number higher than any in an object's id, so that no id is given twice."""
        told = "SELECT text FROM event WHERE kind = 'forgotten'"
        ids = [row["id"] for row in self._rows("SELECT id FROM object")]
        ids += [word for row in self._rows(told) for word in re.findall(r"\w+", row["text"])]
        numbers = [int(match[0]) for key in ids if (match := re.search(r"\d+$", key))]
        return max(numbers, default=0) + 1

    def dump(self) -> Iterator[str]:
        """The whole truth as lines of text; equal memories give equal lines."""
        for table, key in TABLES:
            rows = self._rows(f"SELECT * FROM {table} ORDER BY {key}")  # noqa: S608
            for row in rows:
                values = (v.hex() if isinstance(v, bytes) else v for v in tuple(row))
                yield f"{table} {json.dumps(list(values), ensure_ascii=False)}"

    def snapshot(self, path: Path | str) -> Path:
        """Write a consistent copy of the memory, also while it is being written.

        Args:
            path: The new file, with the suffix ".db", in a folder that exists.

        Returns:
            Its absolute path. It is there as a whole or not at all.

        Raises:
            MemoryStoreError: There is a file of that name already, the name is no file name, or
                it can't be written.
        """
        target = checked_copy_path(Path(path))
        with explained(target):
            keep_copy(self._db, target)
        return target

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

    def _support(self, record: Record, at: int | None) -> Record | None:
        """The known object on which this one stands."""
        x, y, z = record.state.position.tolist()
        query = ALL.format(seq=seq_of("o.id", at))
        if len(self._frames(record.state.position)) == 1:  # else rows have other coordinates
            query += _UNDER
        rows = self._rows(query, at=at, object=record.state.id, x=x, y=y, z=z)
        below = [to_record(row) for row in rows]
        return standing_on(record, [other for other in below if is_known(other, at)])

    def _newest_events(self, ids: Sequence[str], at: int | None) -> list[LoggedEvent]:
        query = """SELECT * FROM event WHERE seq IN (SELECT event FROM event_subject
            WHERE object = :object AND stamp <= coalesce (:at, stamp)
            ORDER BY event DESC LIMIT :k)"""
        rows = [row for key in ids for row in self._rows(query, object=key, at=at, k=_EVIDENCE)]
        events = {event.seq: event for event in self._logged(rows)}
        return sorted(events.values(), key=lambda e: e.seq)[-_EVIDENCE:]

    def _label_of(self, object_id: str) -> tuple[str, float] | None:
        rows = self._rows(
            "SELECT label, score FROM label WHERE object = :o ORDER BY seq DESC LIMIT 1",
            o=object_id,
        )
        return (rows[0]["label"], rows[0]["score"]) if rows else None


def _sphere(center: Sequence[float], radius: float) -> dict[str, float]:
    """A sphere and the cube around it, as queries name them."""
    found = {"square": radius * radius}
    for axis, value in zip("xyz", center, strict=True):
        found |= {axis: value, f"{axis}0": value - radius, f"{axis}1": value + radius}
    return found


def _after(state: ObjectState, now: int) -> ObjectState:
    """A belief that has grown less sure while nobody looked."""
    hours = max(0, now - state.stamp) / 3.6e12
    covariance = state.pose_covariance.copy()
    covariance[:3, :3] += np.eye(3) * min(_DRIFT**2 * hours, _FARTHEST**2)
    return replace(state, pose_covariance=covariance)


def _evidence(records: Sequence[Record], events: Sequence[LoggedEvent]) -> Iterator[str]:
    for record in records:
        yield f"observation {record.seq}"
        if record.seen_by:
            yield f"{record.seen_by}@{record.state.last_seen}"
    for event in events:
        yield f"event {event.seq}"
