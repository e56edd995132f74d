"""Days: what happened long ago becomes episodes, so that the file stays bounded.

First go events that caused nothing and were caused by nothing, then the rest, always the oldest.
What stays: the newest half of the log, what explains how every object came to be as it is now (its
causal skeleton), and what was pinned, with its causes. Each time an episode says how much of what
happened is no longer told one by one.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perception_nodes.memory.batch import Batch
from perception_nodes.memory.entry import Entry
from perception_nodes.memory.explanation import ATTRIBUTES
from perception_nodes.memory.forgetting import FORGOTTEN, permitted

EPISODE = "episode"
MOST_EVENTS = 100_000
MOST_EPISODES = 500
MOST_PICTURES = 10_000
MOST_BELIEFS = 50_000
AT_ONCE = 32  # events that become one episode, so that no frame pays for many
_MOST_AT_ONCE = 256  # where a frame brings more than that

_STAY = f"kind NOT IN ('{EPISODE}', '{FORGOTTEN}', 'repaired', 'map_corrected')"
_MOST_NAMED = 16
_DEEPEST = 32
_SECOND = 1_000_000_000

_OLD = f"SELECT seq FROM event e WHERE seq > :after AND seq < :until AND {_STAY}"  # noqa: S608
_ANY = _OLD + " ORDER BY seq LIMIT :k"
_ALONE = """
AND NOT EXISTS (SELECT 1 FROM edge WHERE target = e.seq AND kind != 'part_of')
AND NOT EXISTS (SELECT 1 FROM edge WHERE source = e.seq AND kind != 'part_of')
ORDER BY seq LIMIT :k"""
_LOOSE = _OLD + _ALONE
_NEWEST_OF = """
SELECT (SELECT event FROM event_subject WHERE object = o.id AND position = 0
    AND kind IN ({kinds}) ORDER BY event DESC LIMIT 1) FROM object o
"""

Told = tuple[int, int, Counter[str], Counter[str]]
"""Beginning and end of an episode, ns, how many events of each kind, and who took part."""


@dataclass(slots=True)
class Consolidation:
    """Keeps the log near a number of events, a small step at a time.

    Attributes:
        most: How many events are told one by one.
        count: How many there are.
    """

    most: int
    count: int
    _loose: int = 0  # up to where loose events were looked for
    _until: tuple[int, int] = (0, 0)  # end of the older half, and the newest event when it was
    _episodes: dict[int, Told] | None = None

    @classmethod
    def of(cls, db: sqlite3.Connection, most: int) -> Consolidation:
        """Go on with a memory."""
        return cls(most, int(db.execute("SELECT count(*) FROM event").fetchone()[0]))

    def step(self, db: sqlite3.Connection, batch: Batch, added: int) -> None:
        """After `added` events were written, inside their transaction: forget as much as is due."""
        self.count += added
        if self.count <= self.most + AT_ONCE:
            return
        keep = _protected(db)
        victims = self._victims(db, keep, batch.sequence)
        if not victims:
            self.most += self.most // 10  # all of it is needed; look again when there is more
            return
        self._drop(db, batch, victims)
        self._merge(db, batch)
        _bound_pictures(db, keep)
        _bound_beliefs(db)

    def reload(self, db: sqlite3.Connection) -> None:
        """Events came or went in another way, or a transaction was undone."""
        self.count = int(db.execute("SELECT count(*) FROM event").fetchone()[0])
        self._episodes, self._until = None, (0, 0)

    def _victims(self, db: sqlite3.Connection, keep: set[int], newest: int) -> list[int]:
        wanted = min(self.count - self.most, _MOST_AT_ONCE)
        for query, after in ((_LOOSE, self._loose), (_ANY, 0)):
            until = self._older_half(db, newest)
            limits = {"after": after, "until": until, "k": wanted + len(keep)}
            found = [seq for (seq,) in db.execute(query, limits) if seq not in keep][:wanted]
            if len(found) == wanted:
                if query == _LOOSE:
                    self._loose = found[-1]
                return found
        return found

    def _older_half(self, db: sqlite3.Connection, newest: int) -> int:
        """Where the newer half of the log begins; a little too early, as that is slow to find."""
        until, when = self._until
        if newest - when > self.most // 20:
            query = "SELECT seq FROM event ORDER BY seq DESC LIMIT 1 OFFSET ?"
            row = db.execute(query, (self.most // 2,)).fetchone()
            self._until = until, _ = (0 if row is None else int(row[0]), newest)
        return until

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
    with permitted(db, "consolidation"):
        for row in rows:
            seq = row["seq"]
            for subject in json.loads(row["subjects"]):
                db.execute(
                    "DELETE FROM event_subject WHERE object = ? AND event = ?", (subject, seq)
                )
                db.execute("DELETE FROM removal WHERE object = ? AND event = ?", (subject, seq))
            db.execute(
                "INSERT INTO event_text (event_text, rowid, text) VALUES ('delete', ?, ?)",
                (seq, row["text"]),
            )
            db.execute("DELETE FROM edge WHERE source = ? OR target = ?", (seq, seq))
            db.execute("DELETE FROM keyframe WHERE event = ?", (seq,))
            db.execute("DELETE FROM label WHERE seq = ?", (seq,))
            db.execute("DELETE FROM event WHERE seq = ?", (seq,))
            db.execute("UPDATE session SET events = events - 1 WHERE id = ?", (row["session"],))


def _protected(db: sqlite3.Connection) -> set[int]:
    """Events that explain the present, and pinned ones, each with its causes."""
    pins = db.execute("SELECT event, object FROM pin").fetchall()
    keep = {row["event"] for row in pins if row["event"] is not None}
    for row in pins:
        query = "SELECT event FROM event_subject WHERE object = ?"
        keep |= {seq for (seq,) in db.execute(query, (row["object"],))}
    keep |= {seq for (seq,) in db.execute("SELECT max (seq) FROM label GROUP BY object")}
    groups = [kinds for name, kinds in ATTRIBUTES.items() if name != "label"]
    for kinds in groups:
        query = _NEWEST_OF.format(kinds=", ".join(f"'{kind}'" for kind in kinds))
        keep |= {seq for (seq,) in db.execute(query) if seq is not None}
    front = set(keep)
    for _ in range(_DEEPEST):
        query = """SELECT source, evidence FROM edge WHERE kind != 'part_of'
            AND target IN (SELECT value FROM json_each (?))"""
        rows = db.execute(query, (json.dumps(sorted(front)),)).fetchall()
        named = {int(n) for row in rows for n in re.findall(r"event (\d+)", row["evidence"])}
        front = ({row["source"] for row in rows} | named) - keep
        keep |= front
        if not front:
            break
    return keep


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
