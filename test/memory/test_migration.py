"""Memories of earlier versions go on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.memory import schema
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind

_SUBJECTS = """INSERT INTO event_subject
    SELECT j.value, e.seq, j.key FROM event e, json_each (e.subjects) j"""


def first_version(path: Path) -> None:
    """A memory as version 0.1 left it: one object that appeared and moved."""
    with Memory(path) as memory:
        for k, kind in ((1, EventKind.APPEARED), (2, EventKind.MOVED)):
            told = [event(k * SECOND, kind, "o1")]
            memory.write(scene(k * SECOND, state("o1", k * SECOND), events=told))
        rows = {
            table: memory._rows(f"SELECT * FROM {table} ORDER BY {key}")
            for table, key in (("session", "id"), ("object", "number"), ("event", "seq"))
        }
        rows["observation"] = memory._rows("SELECT * FROM observation ORDER BY seq")
    path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        schema.migrate(db, 1)
        db.execute("BEGIN")
        for table, found in rows.items():
            width = len(db.execute(f"SELECT * FROM {table}").description)
            marks = ", ".join("?" * width)
            values = [tuple(row)[:width] for row in found]
            db.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
        db.execute(_SUBJECTS)
        for statement in schema._INDEXES:
            if "event_text" in statement or "observation_place" in statement:
                db.execute(statement)
        db.execute("COMMIT")


def test_a_memory_without_causes_learns_them_from_now_on(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    first_version(path)
    with Memory(path) as memory:
        assert [e.kind for e in memory.history("o1")] == ["appeared", "moved"]
        assert memory.explain("o1").sentence.startswith("unknown: o1 moved")
        told = [
            event(9 * SECOND, EventKind.ACTION, "o1", "robot"),
            event(9 * SECOND, EventKind.MOVED, "o1"),
        ]
        memory.write(scene(9 * SECOND, state("o1", 9 * SECOND), events=told))
        assert memory.explain("o1").known
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            memory._db.execute("DELETE FROM event")
        assert memory.forget("o1").objects == ("o1",)
    assert (tmp_path / "memory.db.schema-1").exists()
    with MemoryReader(path) as reader:
        assert reader.status().objects == 0


def test_a_damaged_memory_of_an_earlier_version_is_repaired_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    first_version(path)
    with closing(sqlite3.connect(path)) as db:
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'label'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xa5" * 4096)
    with Memory(path) as memory:
        assert "was damaged" in memory.status().health
        assert [e.kind for e in memory.history("o1")] == ["appeared", "moved"]
        told = [event(9 * SECOND, EventKind.REMOVED, "o1")]
        memory.write(scene(9 * SECOND, state("o1", 9 * SECOND), events=told))
        record = memory.record("o1")
        assert record is not None
        assert record.removed == 9 * SECOND
