"""Days: what happened long ago becomes episodes, so that the file stays bounded.

First go events that caused nothing and were caused by nothing, then the rest, always the oldest.
`selection` says what stays. Each time an episode says how much of what happened is no longer told
one by one.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from perception_nodes.memory.batch import Batch
from perception_nodes.memory.entry import Entry
from perception_nodes.memory.forgetting import permitted
from perception_nodes.memory.selection import Selection

EPISODE = "episode"
MOST_EVENTS = 100_000
MOST_EPISODES = 500
MOST_PICTURES = 10_000
MOST_BELIEFS = 50_000
AT_ONCE = 16  # events that become one episode, so that no frame pays for many

_MOST_AT_ONCE = 4096  # where frames brought more than were forgotten
_SPARE = 256  # events that are forgotten ahead of time, so that choosing is worth its while
_A_PIECE = 5  # events that are written for each piece of work
_OWED = 3  # pieces, of which a frame does one: a frame of many events leaves some to later ones
_MOST_NAMED = 16
_SECOND = 1_000_000_000

Told = tuple[int, int, Counter[str], Counter[str]]
"""Beginning and end of an episode, ns, how many events of each kind, and who took part."""


@dataclass(slots=True)
class Consolidation:
    """Keeps the log near a number of events, a small piece at a time.

    The pieces are part of frames in which something happens, so that observations never wait.

    Attributes:
        most: How many events are told one by one.
        count: How many there are.
    """

    most: int
    count: int
    _selection: Selection
    _owed: float = 0.0
    _round: Iterator[list[int]] | None = None
    _episodes: dict[int, Told] | None = None

    @classmethod
    def of(cls, db: sqlite3.Connection, most: int) -> Consolidation:
        """Go on with a memory."""
        return cls(most, _count(db), Selection(db))

    def step(self, db: sqlite3.Connection, batch: Batch, added: int) -> None:
        """After `added` events were written, inside their transaction: forget what is due."""
        self.count += added
        self._owed += added / _A_PIECE
        for _ in range(math.ceil(self._owed / _OWED) if added else 0):
            if self._round is None:
                if self.count <= self.most:
                    self._owed = 0.0
                    return
                self._round = self._a_round(batch.sequence)
            self._owed -= 1.0
            victims = next(self._round, None)
            if victims is None:
                self._round = None
            elif victims:
                self._drop(db, batch, victims)
                self._merge(db, batch)
                _bound_pictures(db, self._selection.keep)
                _bound_beliefs(db)

    def reload(self, db: sqlite3.Connection) -> None:
        """Events came, went or were pinned in another way, or a transaction was undone."""
        self.count, self._selection = _count(db), Selection(db)
        self._episodes, self._round = None, None

    def _a_round(self, newest: int) -> Iterator[list[int]]:
        """Choose events, then give them out; an empty list after each piece of the choice."""
        spare = min(_SPARE, self.most // 32)
        wanted = min(self.count - self.most + spare, _MOST_AT_ONCE)
        chosen: list[int] = []
        for found in self._selection.choose(wanted, self.most // 2, newest):
            chosen = found
            yield []
        if not chosen:
            self.most += self.most // 10  # all of it is needed; look again when there is more
        for k in range(0, len(chosen), AT_ONCE):
            yield chosen[k : k + AT_ONCE]

    def _drop(self, db: sqlite3.Connection, batch: Batch, victims: Sequence[int]) -> None:
        keys = json.dumps(victims)
        chosen = "(SELECT value FROM json_each (?))"
        rows = db.execute(f"SELECT * FROM event WHERE seq IN {chosen}", (keys,)).fetchall()  # noqa: S608
        counts = Counter(row["kind"] for row in rows)
        who = Counter(name for row in rows for name in json.loads(row["subjects"]))
        stamps = [row["stamp"] for row in rows]
        episode = self._log(db, batch, (min(stamps), max(stamps), counts, who))
        db.execute(
            "INSERT OR IGNORE INTO edge (kind, source, target, weight, evidence) "
            "SELECT DISTINCT 'part_of', x.target, ?, 1.0, '[]' FROM edge x "
            "WHERE x.kind = 'causes' AND x.target BETWEEN ? AND ?",
            (episode, victims[0], victims[-1]),
        )
        self._delete(db, rows)

    def _merge(self, db: sqlite3.Connection, batch: Batch) -> None:
        """Make one of two small old neighbors where there are too many episodes."""
        known = self._known_episodes(db)
        if len(known) <= MOST_EPISODES:
            return
        seqs = sorted(known, key=lambda seq: (known[seq][1], seq))
        newest = known[seqs[-1]][1] + 1
        sizes = [known[seq][2].total() for seq in seqs]
        costs = [
            (sizes[i] + sizes[i + 1]) / (newest - known[seqs[i + 1]][1])
            for i in range(len(seqs) - 1)
        ]
        i = min(range(len(costs)), key=costs.__getitem__)
        pair = seqs[i : i + 2]
        (since, _, counts, who), (_, until, more, others) = (known[seq] for seq in pair)
        episode = self._log(db, batch, (since, until, counts + more, who + others))
        for seq in pair:
            db.execute(
                "UPDATE OR IGNORE edge SET target = ? WHERE target = ? AND kind = 'part_of'",
                (episode, seq),
            )
        query = "SELECT * FROM event WHERE seq IN (?, ?)"
        self._delete(db, db.execute(query, pair).fetchall())

    def _known_episodes(self, db: sqlite3.Connection) -> dict[int, Told]:
        if self._episodes is None:
            rows = db.execute("SELECT * FROM event WHERE kind = ?", (EPISODE,)).fetchall()
            self._episodes = {row["seq"]: _read(row) for row in rows}
        return self._episodes

    def _log(self, db: sqlite3.Connection, batch: Batch, told: Told) -> int:
        seq = _log(batch, told)
        self.count += 1
        since, until, counts, who = told
        self._known_episodes(db)[seq] = since, until, counts, Counter(_names(who))
        return seq

    def _delete(self, db: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> None:
        delete(db, rows)
        self.count -= len(rows)
        for row in rows:
            self._known_episodes(db).pop(row["seq"], None)


def delete(db: sqlite3.Connection, rows: Iterable[sqlite3.Row]) -> None:
    """Take events out of the log and out of everything that hangs on them."""
    rows = list(rows)
    keys = json.dumps([row["seq"] for row in rows])
    told = [(subject, row["seq"]) for row in rows for subject in json.loads(row["subjects"])]
    sessions = Counter(row["session"] for row in rows)
    with permitted(db, "consolidation"):
        for table in ("event_subject", "removal"):
            db.executemany(f"DELETE FROM {table} WHERE object = ? AND event = ?", told)  # noqa: S608
        db.executemany(
            "INSERT INTO event_text (event_text, rowid, text) VALUES ('delete', ?, ?)",
            [(row["seq"], row["text"]) for row in rows],
        )
        for table, column in (
            ("edge", "source"),
            ("edge", "target"),
            ("keyframe", "event"),
            ("label", "seq"),
            ("event", "seq"),
        ):
            chosen = "(SELECT value FROM json_each (?))"
            db.execute(f"DELETE FROM {table} WHERE {column} IN {chosen}", (keys,))  # noqa: S608
        db.executemany(
            "UPDATE session SET events = events - ? WHERE id = ?",
            [(count, session) for session, count in sessions.items()],
        )


def _count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM event").fetchone()[0])


def _log(batch: Batch, told: Told) -> int:
    since, until, counts, who = told
    kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items()))
    length = (until - since) / _SECOND
    text = f"{counts.total()} events in {length:.0f} s: {kinds}"
    evidence = (f"since {since}", *(f"{kind} {n}" for kind, n in sorted(counts.items())))
    return batch.event(Entry(until, EPISODE, _names(who), text, evidence))


def _names(who: Counter[str]) -> tuple[str, ...]:
    """Who took part most often."""
    ranked = sorted(who.items(), key=lambda item: (-item[1], item[0]))
    return tuple(name for name, _ in ranked[:_MOST_NAMED])


def _read(row: sqlite3.Row) -> Told:
    evidence = json.loads(row["evidence"])
    counts: Counter[str] = Counter()
    for item in evidence[1:]:
        kind, number = item.rsplit(" ", 1)
        counts[kind] += int(number)
    return int(evidence[0].split()[1]), row["stamp"], counts, Counter(json.loads(row["subjects"]))


def _bound_pictures(db: sqlite3.Connection, keep: set[int]) -> None:
    """The oldest key frames go, unless their event is protected."""
    over = db.execute("SELECT count(*) FROM keyframe").fetchone()[0] - MOST_PICTURES
    if over > 0:
        rows = db.execute(
            "SELECT id FROM keyframe WHERE event NOT IN (SELECT value FROM json_each (?)) "
            "ORDER BY id LIMIT ?",
            (json.dumps(sorted(keep)), over),
        ).fetchall()
        db.executemany("DELETE FROM keyframe WHERE id = ?", [tuple(row) for row in rows])


def _bound_beliefs(db: sqlite3.Connection) -> None:
    """The oldest beliefs of others go, unless they are the last ones of their kind."""
    over = db.execute("SELECT count(*) FROM agent_belief").fetchone()[0] - MOST_BELIEFS
    if over > 0:
        db.execute(
            "DELETE FROM agent_belief WHERE id IN (SELECT b.id FROM agent_belief b WHERE EXISTS "
            "(SELECT 1 FROM agent_belief n WHERE n.agent = b.agent AND n.object = b.object "
            "AND n.stamp > b.stamp) ORDER BY b.id LIMIT ?)",
            (over,),
        )
