"""Forgetting on request: what was private is gone from every page, and that it went is logged."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from perception_nodes.memory.access import LARGEST
from perception_nodes.memory.schema import rebuild_indexes

FORGOTTEN = "forgotten"
_GONE = "(forgotten)"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten.

    Attributes:
        objects: Ids of which nothing is left.
        events, observations, beliefs: How many rows are gone; beliefs are those of others.
        seq: Number of the event that says so in the log; 0 if there was nothing to forget.
        erased: Whether the bytes are gone too. A program that reads the memory at that moment can
            delay it; they go when the writer closes or forgets again.
        copies: Files beside the memory that may still hold what was forgotten: damaged files and
            those of an older schema. They are not touched.
    """

    objects: tuple[str, ...]
    events: int
    observations: int
    beliefs: int
    seq: int
    erased: bool
    copies: tuple[Path, ...]

    @property
    def text(self) -> str:
        """One sentence for a person."""
        if not self.seq:
            return "there was nothing to forget"
        told = f"forgot {self.events} events and {self.observations} observations"
        told += "" if self.erased else "; their bytes go when the programs that read now close"
        names = ", ".join(path.name for path in self.copies)
        return f"{told}; older copies may still hold them: {names}" if names else told


@dataclass(frozen=True, slots=True)
class Span:
    """What is to be forgotten: of whom, and from when to when (ns)."""

    names: tuple[str, ...]
    since: int | None
    until: int | None

    @property
    def times(self) -> tuple[int, int]:
        """First and last stamp, ns."""
        first = -LARGEST if self.since is None else self.since
        return first, LARGEST if self.until is None else self.until

    @property
    def text(self) -> str:
        """For the log, which keeps it."""
        who = ", ".join(self.names) or "everything"
        if self.since is None and self.until is None:
            return f"{who} was forgotten on request"
        first = "the beginning" if self.since is None else f"{self.since} ns"
        last = "now" if self.until is None else f"{self.until} ns"
        return f"{who} from {first} to {last} was forgotten on request"


@contextmanager
def permitted(db: sqlite3.Connection, reason: str) -> Iterator[None]:
    """Let the log be changed inside the block, which is part of a transaction."""
    db.execute("INSERT INTO permit VALUES (?)", (reason,))
    yield
    db.execute("DELETE FROM permit")


def erase(db: sqlite3.Connection, span: Span) -> tuple[int, int, int, tuple[str, ...]]:
    """Delete rows inside a transaction.

    Returns:
        How many events, observations and beliefs of others are gone, and the ids of objects of
        which nothing is left.
    """
    _choose(db, span)
    words = _words_of(db, span.names) if span.since is None and span.until is None else ()
    events, observations = (
        db.execute(f"SELECT count(*) FROM temp.gone_{table}").fetchone()[0]  # noqa: S608
        for table in ("event", "observation")
    )
    with permitted(db, FORGOTTEN):
        beliefs = _delete(db, span)
        _redact(db, words)
    left = "SELECT id FROM object WHERE NOT EXISTS (SELECT 1 FROM observation WHERE object = id)"
    objects = tuple(row[0] for row in db.execute(left))
    db.executemany("DELETE FROM object WHERE id = ?", [(key,) for key in objects])
    db.execute(
        "UPDATE object SET first_seen = max (first_seen, (SELECT min (stamp) FROM observation "
        "WHERE object = id)) WHERE id IN (SELECT object FROM temp.gone_observation)"
    )
    db.execute(
        "UPDATE session SET events = (SELECT count(*) FROM event WHERE session = session.id)"
    )
    for table in ("event", "observation"):
        db.execute(f"DROP TABLE temp.gone_{table}")
    rebuild_indexes(db)
    return events, observations, beliefs, objects


def purge(db: sqlite3.Connection) -> bool:
    """Rewrite the file without the bytes of deleted rows and empty its log; False if not now."""
    try:
        db.execute("VACUUM")
        busy, _, _ = db.execute("PRAGMA wal_checkpoint (TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return False
        raise
    return not busy


def copies_of(path: Path) -> tuple[Path, ...]:
    """Copies that this program itself may have left beside a memory."""
    kinds = re.compile(re.escape(path.name) + r"\.(damaged-\d+|schema-\d+)")
    return tuple(sorted(p for p in path.parent.iterdir() if kinds.fullmatch(p.name)))


def _choose(db: sqlite3.Connection, span: Span) -> None:
    """Write the keys of what is to go into temporary tables."""
    marks = ", ".join("?" * len(span.names))
    about = f"seq IN (SELECT event FROM event_subject WHERE object IN ({marks}))"  # noqa: S608
    whose = f"object IN ({marks})"
    db.execute(
        "CREATE TEMP TABLE gone_event AS SELECT seq FROM event WHERE stamp BETWEEN ? AND ? "  # noqa: S608
        f"AND kind NOT IN ('{FORGOTTEN}', 'repaired') AND {about if span.names else 'true'}",
        (*span.times, *span.names),
    )
    db.execute(
        "CREATE TEMP TABLE gone_observation AS SELECT seq, object FROM observation "  # noqa: S608
        f"WHERE stamp BETWEEN ? AND ? AND {whose if span.names else 'true'}",
        (*span.times, *span.names),
    )


def _delete(db: sqlite3.Connection, span: Span) -> int:
    """Delete what hangs on the chosen events, objects and times; how many beliefs there were."""
    for table in ("event", "label"):
        db.execute(f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM temp.gone_event)")  # noqa: S608
    db.execute(
        "DELETE FROM edge WHERE source IN (SELECT seq FROM temp.gone_event) "
        "OR target IN (SELECT seq FROM temp.gone_event)"
    )
    db.execute("DELETE FROM observation WHERE seq IN (SELECT seq FROM temp.gone_observation)")
    marks = ", ".join("?" * len(span.names))
    whose = f"object IN ({marks})" if span.names else "true"
    who = f"(agent IN ({marks}) OR object IN ({marks}))" if span.names else "true"
    beliefs = db.execute(
        f"DELETE FROM agent_belief WHERE stamp BETWEEN ? AND ? AND {who}",  # noqa: S608
        (*span.times, *span.names, *span.names),
    ).rowcount
    if span.since is None and span.until is None:
        db.execute(f"DELETE FROM pin WHERE object IN ({marks})", span.names)  # noqa: S608
    db.execute("DELETE FROM pin WHERE event IN (SELECT seq FROM temp.gone_event)")
    shown = f"EXISTS (SELECT 1 FROM json_each (shows) WHERE value IN ({marks}))"  # noqa: S608
    db.execute(
        "DELETE FROM keyframe WHERE event IN (SELECT seq FROM temp.gone_event) OR "  # noqa: S608
        f"(stamp BETWEEN ? AND ? AND {shown if span.names else 'true'})",
        (*span.times, *span.names),
    )
    db.execute(
        f"DELETE FROM latent WHERE stamp BETWEEN ? AND ? AND {whose}",  # noqa: S608
        (*span.times, *span.names),
    )
    return beliefs


def _words_of(db: sqlite3.Connection, names: Sequence[str]) -> tuple[str, ...]:
    """The ids and all labels of what is forgotten as a whole, the longest first."""
    marks = ", ".join("?" * len(names))
    labels = db.execute(f"SELECT DISTINCT label FROM label WHERE object IN ({marks})", names)  # noqa: S608
    words = {*names, *(row[0] for row in labels)}
    return tuple(sorted((w for w in words if w.strip()), key=lambda word: (-len(word), word)))


def _redact(db: sqlite3.Connection, words: Sequence[str]) -> None:
    """Take names out of the sentences of events that tell of others."""
    if not words:
        return
    pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, words)) + r")(?!\w)", re.IGNORECASE)
    changed = [
        (pattern.sub(_GONE, text), pattern.sub(_GONE, evidence), seq)
        for seq, text, evidence in db.execute("SELECT seq, text, evidence FROM event")
        if pattern.search(text) or pattern.search(evidence)
    ]
    # Evidence is JSON; what stands in for a name has no character that would have to be escaped.
    assert json.dumps(_GONE) == f'"{_GONE}"'
    db.executemany("UPDATE event SET text = ?, evidence = ? WHERE seq = ?", changed)
