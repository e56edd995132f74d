"""A damaged memory: keep a copy, save every row that can be read, count what is lost."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.schema import (
    APPLICATION_ID,
    MIGRATIONS,
    TABLES,
    migrate,
    rebuild_indexes,
)

_HEADER = b"SQLite format 3\x00"
_LARGEST_KEY = 1 << 62


@dataclass(frozen=True, slots=True)
class Loss:
    """What a repair could and could not save.

    Attributes:
        copy: The damaged file as it was.
        events, observations: Rows that were saved.
        lost_events: Events that were not; None if even their number is lost.
    """

    copy: Path
    events: int
    observations: int
    lost_events: int | None

    @property
    def text(self) -> str:
        """One sentence for a person."""
        lost = "an unknown number" if self.lost_events is None else str(self.lost_events)
        return (
            f"the memory was damaged: {lost} of its events are lost, {self.events} events and "
            f"{self.observations} observations were saved; the damaged file is {self.copy.name}"
        )


def is_damaged(path: Path) -> bool:
    """Whether a memory has pages that can't be read or contradict each other.

    Raises:
        MemoryStoreError: The file is no memory at all, and must not be touched.
    """
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        header = file.read(100)
    if header[:16] != _HEADER:
        if path.suffix == ".db" and path.is_file():
            return True
        raise MemoryStoreError(f"{path} is not a memory", "choose another file")
    if int.from_bytes(header[68:72], "big") not in (APPLICATION_ID, 0):
        return False  # not ours to repair; opening it says so
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            return str(db.execute("PRAGMA quick_check (1)").fetchone()[0]) != "ok"
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return True
        # An interrupted change of the journal mode is rolled back by whoever opens for writing.
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            return False
        raise


def salvage(path: Path) -> Loss:
    """Replace a damaged memory by what can be read of it; the caller holds the writer's lock.

    The damaged file and its log are copied first, so that a crash or a full disk on the way
    leaves them as they were.
    """
    copy = _free_name(path)
    shutil.copy2(path, copy)
    log = Path(f"{path}-wal")
    if log.exists():
        shutil.copy2(log, f"{copy}-wal")
    repaired = path.with_name(f"{path.name}.repaired")
    repaired.unlink(missing_ok=True)
    loss = _repair(copy, repaired)
    for leftover in (log, Path(f"{path}-shm"), Path(f"{copy}-shm")):
        leftover.unlink(missing_ok=True)
    repaired.replace(path)
    return loss


def _repair(damaged: Path, repaired: Path) -> Loss:
    with (
        closing(sqlite3.connect(repaired, isolation_level=None)) as new,
        closing(sqlite3.connect(f"{damaged.resolve().as_uri()}?mode=ro", uri=True)) as old,
    ):
        saved = dict.fromkeys((table for table, _ in TABLES), 0)
        migrate(new, _readable_version(old))
        new.execute("BEGIN")
        there = {name for (name,) in new.execute("SELECT name FROM sqlite_schema")}
        for table, key in (entry for entry in TABLES if entry[0] in there):
            for row in _readable_rows(old, table, key):
                saved[table] += _insert(new, table, row)
        new.execute("COMMIT")
        migrate(new, len(MIGRATIONS))
        new.execute("BEGIN")
        rebuild_indexes(new)
        new.execute("COMMIT")
        expected = new.execute("SELECT sum (events) FROM session").fetchone()[0]
        lost = None if expected is None else max(0, int(expected) - saved["event"])
        # What is missing now was reported now; the next repair must not count it again.
        new.execute(
            "UPDATE session SET events = (SELECT count(*) FROM event WHERE session = session.id)"
        )
    return Loss(damaged, saved["event"], saved["observation"], lost)


def _readable_version(db: sqlite3.Connection) -> int:
    try:
        found = int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.DatabaseError:
        return len(MIGRATIONS)
    return found if 0 < found <= len(MIGRATIONS) else len(MIGRATIONS)


def _insert(db: sqlite3.Connection, table: str, row: tuple[object, ...]) -> int:
    """Copy one row; 0 if it has become garbage (wrong types, missing or duplicate values)."""
    marks = ", ".join("?" * len(row))
    try:
        return db.execute(f"INSERT INTO {table} VALUES ({marks})", row).rowcount  # noqa: S608
    except sqlite3.IntegrityError:
        return 0


def _readable_rows(db: sqlite3.Connection, table: str, key: str) -> Iterator[tuple[object, ...]]:
    """All rows outside damaged pages, in order of key."""
    start: int | None = 0
    while start is not None:
        query = f"SELECT * FROM {table} WHERE {key} >= ? ORDER BY {key}"  # noqa: S608
        try:
            for row in db.execute(query, (start,)):
                start = int(row[0]) + 1
                yield row
            return
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            start = _next_readable(db, query, start)


def _next_readable(db: sqlite3.Connection, query: str, start: int) -> int | None:
    """The smallest key found after `start` from which rows can be read again."""
    step = 1
    while start + step < _LARGEST_KEY:
        if _can_read(db, query, start + step):
            bad, good = start + step // 2, start + step
            while good - bad > 1:
                middle = (good + bad) // 2
                bad, good = (bad, middle) if _can_read(db, query, middle) else (middle, good)
            return good
        step *= 2
    return None


def _can_read(db: sqlite3.Connection, query: str, start: int) -> bool:
    try:
        return db.execute(query, (start,)).fetchone() is not None
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False


def _free_name(path: Path) -> Path:
    number = 1
    while (copy := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return copy
