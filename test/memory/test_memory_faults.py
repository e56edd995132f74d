"""Full disks, damaged files, strangers' files, second writers and hostile text."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory import schema, store
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind

HOSTILE = (
    "'; DROP TABLE event; --",
    '" OR 1=1 --',
    "NEAR(a b) AND NOT {x} : *",
    "a\x00b\x1b[31m",
    "\ud800 lone surrogate",
    "%_\\",
    "[bold]mug[/bold]",
    "äöü 馬克杯 🫖",
    "x" * 5000,
)


def fill(path: Path, seconds: int = 300, map_id: str = "map") -> None:
    with Memory(path, map_id) as memory:
        for k in range(seconds):
            stamp, name = k * SECOND, f"o{k % 5}"
            moved = [event(stamp, EventKind.MOVED, name, text=f"move {k} of {name}")]
            memory.write(scene(stamp, *(state(f"o{i}", stamp) for i in range(5)), events=moved))


def overwrite(path: Path, page: int, data: bytes = b"\xa5" * 4096) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(data)


def root_page(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        return int(db.execute(query, (table,)).fetchone()[0])


def leaf_pages(path: Path, table: str) -> list[int]:
    """Leaf pages of a table, read from its root page as the file format documents it."""
    raw, root = path.read_bytes(), root_page(path, table)
    page = raw[(root - 1) * 4096 : root * 4096]
    assert page[0] == 5, "the table is too small for an interior root"
    cells = int.from_bytes(page[3:5], "big")
    offsets = [int.from_bytes(page[12 + 2 * i : 14 + 2 * i], "big") for i in range(cells)]
    return [int.from_bytes(page[o : o + 4], "big") for o in offsets]


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as first:
        with pytest.raises(MemoryStoreError, match=rf"being written by another.*{os.getpid()}"):
            Memory(path)
        first.write(scene(0, state("o1", 0)))
    with Memory(path) as second:
        assert [s.id for s in second.objects()] == ["o1"]


def test_readers_see_what_a_writer_writes_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.write(scene(0, state("o1", 0)))
        with MemoryReader(path) as one, MemoryReader(path) as other:
            memory.write(scene(SECOND, state("o1", SECOND, (7, 0, 0))))
            for reader in (one, other):
                assert reader.where_is("o1").states[0].position[0] == 7


def test_a_closed_memory_is_one_file_and_reading_leaves_it_so(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    fill(path, 5)
    with MemoryReader(path) as reader:
        assert reader.where_is("o1").known
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_closes_and_another_opens_while_a_reader_stays(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    fill(path, 5)
    with MemoryReader(path) as reader:
        assert reader.status().events == 5
        fill(path, 5)
        assert reader.status().events == 10
        fill(path, 5)
        assert reader.status().events == 15


def test_a_snapshot_is_a_whole_memory_and_overwrites_nothing(tmp_path: Path) -> None:
    path, copy = tmp_path / "memory.db", tmp_path / "copy.db"
    with Memory(path) as memory:
        memory.write(scene(0, state("o1", 0)))
        with MemoryReader(path) as reader:
            reader.snapshot(copy)
        memory.write(scene(SECOND, state("o1", SECOND, (3, 0, 0))))
        with pytest.raises(MemoryStoreError, match="already"):
            memory.snapshot(copy)
    with MemoryReader(copy) as reader:
        assert reader.where_is("o1").states[0].position[0] == 0


def test_a_full_disk_stops_the_writing_but_not_the_pipeline_or_the_answers(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(scene(0, state("o1", 0), events=[event(0, EventKind.APPEARED, "o1")]))
        pages = memory._db.execute("PRAGMA page_count").fetchone()[0]
        memory._db.execute(f"PRAGMA max_page_count = {pages}")
        for k in range(1, 60):
            moved = [event(k * SECOND, EventKind.MOVED, "o1", text="x" * 900)]
            memory.write(scene(k * SECOND, state("o1", k * SECOND), events=moved))
        health = memory.status().health
        assert "the disk is full" in health
        assert "events wait to be written" in health
        assert memory.where_is("o1").known
        kept = memory.status().events
        assert kept < 60

        memory._db.execute("PRAGMA max_page_count = 1000000")
        memory.write(scene(61 * SECOND, state("o1", 61 * SECOND)))
        assert memory.status().health == "ok"
        assert memory.status().events == 60


def test_closing_on_a_full_disk_says_how_much_is_lost(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.db")
    memory.write(scene(0, state("o1", 0)))
    pages = memory._db.execute("PRAGMA page_count").fetchone()[0]
    memory._db.execute(f"PRAGMA max_page_count = {pages}")
    flood = [event(SECOND, EventKind.MOVED, "o1", text="x" * 900) for _ in range(50)]
    memory.write(scene(SECOND, state("o1", SECOND), events=flood))
    with pytest.raises(MemoryStoreError, match=r"the disk is full.*50 events are lost"):
        memory.close()
    with Memory(tmp_path / "memory.db") as reopened:
        assert reopened.status().events == 0


def test_no_more_than_a_thousand_events_wait_for_a_full_disk(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.db")
    memory.write(scene(0, state("o1", 0)))
    pages = memory._db.execute("PRAGMA page_count").fetchone()[0]
    memory._db.execute(f"PRAGMA max_page_count = {pages}")
    flood = [event(SECOND, EventKind.MOVED, "o1", text="x" * 900) for _ in range(1010)]
    memory.write(scene(SECOND, state("o1", SECOND), events=flood))
    assert "1000 events wait to be written; 10 events could not be kept" in memory.status().health
    with pytest.raises(MemoryStoreError, match="1010 events are lost"):
        memory.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte, where the machine lets us make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_really_full_disk_loses_nothing_that_was_acknowledged(small_disk: Path) -> None:
    memory, path = Memory(small_disk / "memory.db"), small_disk / "memory.db"
    acknowledged = 0
    for k in range(3000):
        moved = [event(k * SECOND, EventKind.MOVED, "o1", text="x" * 900)]
        memory.write(scene(k * SECOND, state("o1", k * SECOND), events=moved))
        if memory.status().health != "ok":
            break
        acknowledged += 1
    assert "the disk is full" in memory.status().health
    assert memory.where_is("o1").known
    with pytest.raises(MemoryStoreError, match="events are lost"):
        memory.close()
    with MemoryReader(path) as reader:
        assert reader.status().events >= acknowledged > 10


def test_a_memory_on_a_read_only_disk_is_answered_from_and_not_written(small_disk: Path) -> None:
    fill(small_disk / "memory.db", 5)
    with closing(sqlite3.connect(small_disk / "memory.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")  # as the file is if it was copied from a robot
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(MemoryStoreError, match=r"can't be written: Read-only file system"):
        Memory(small_disk / "memory.db")
    with MemoryReader(small_disk / "memory.db") as reader:
        assert reader.where_is("o1").known


def test_a_damaged_page_costs_its_rows_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    fill(path)
    with MemoryReader(path) as reader:
        before = {e.seq: e.text for e in reader.events()}
    overwrite(path, leaf_pages(path, "event")[1])
    damaged = path.read_bytes()
    with Memory(path) as memory:
        loss = memory._store.loss
        assert loss is not None
        assert loss.copy.read_bytes() == damaged
        after = {e.seq: e.text for e in memory.events() if e.kind != "repaired"}
        assert after.items() <= before.items()
        assert 0 < loss.lost_events == len(before) - len(after) < 150
        assert f"{loss.lost_events} of its events are lost" in memory.status().health
        assert memory.where_is("o1").known
        assert memory.text("move") != []
        memory.write(scene(400 * SECOND, state("o1", 400 * SECOND)))
        assert memory.next_sequence > max(before)
    with MemoryReader(path) as reader:
        assert "events are lost" in reader.status().health
    with Memory(path) as memory:
        assert memory._store.loss is None


def test_damage_in_an_index_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    fill(path)
    with MemoryReader(path) as reader:
        before = [e.seq for e in reader.events()]
        rows = reader.status().observations
    overwrite(path, root_page(path, "event_subject"))
    with Memory(path) as memory:
        assert memory._store.loss is not None
        assert memory._store.loss.lost_events == 0
        assert [e.seq for e in memory.events()] == before
        assert memory.status().observations == rows
        assert len(memory.history("o1")) == 60


def test_a_damaged_first_page_is_kept_and_a_new_memory_begun(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    fill(path, 20)
    overwrite(path, 1)
    damaged = path.read_bytes()
    with pytest.raises(MemoryStoreError):
        MemoryReader(path)
    with Memory(path) as memory:
        assert "an unknown number of its events are lost" in memory.status().health
        assert (tmp_path / "memory.db.damaged-1").read_bytes() == damaged
        memory.write(scene(0, state("o1", 0)))
        assert memory.where_is("o1").known


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_truncated_file_is_repaired_as_far_as_it_goes(tmp_path: Path, share: float) -> None:
    path = tmp_path / "memory.db"
    fill(path)
    os.truncate(path, int(path.stat().st_size * share) // 4096 * 4096)
    with Memory(path) as memory:
        assert "the memory was damaged" in memory.status().health
        memory.write(scene(400 * SECOND, state("o1", 400 * SECOND)))
        assert memory.where_is("o1").known


def test_a_file_of_another_program_is_not_touched(tmp_path: Path) -> None:
    bag = tmp_path / "rosbag.db3"
    with closing(sqlite3.connect(bag)) as db:
        db.execute("CREATE TABLE messages (data BLOB)")
    notes = tmp_path / "notes.txt"
    notes.write_text("milk, eggs" * 100)
    for path, message in ((bag, "another program"), (notes, "not a memory")):
        before = path.read_bytes()
        with pytest.raises(MemoryStoreError, match=message):
            Memory(path)
        with pytest.raises(MemoryStoreError):
            MemoryReader(path)
        assert path.read_bytes() == before


def test_a_missing_or_empty_memory_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(MemoryStoreError, match="there is no memory"):
        MemoryReader(tmp_path / "none.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(MemoryStoreError, match="it is empty"):
        MemoryReader(tmp_path / "empty.db")


def test_a_memory_of_a_newer_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    fill(path, 3)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    before = path.read_bytes()
    for opened in (Memory, MemoryReader):
        with pytest.raises(MemoryStoreError, match="newer version"):
            opened(path)
    assert path.read_bytes() == before


def test_a_memory_of_an_older_version_is_brought_up_to_date_and_a_copy_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "memory.db"
    fill(path, 3)
    steps = (*schema.MIGRATIONS, "CREATE TABLE extra (id INTEGER PRIMARY KEY) STRICT;")
    for module in (schema, store):
        monkeypatch.setattr(module, "MIGRATIONS", steps)
    with pytest.raises(MemoryStoreError, match="older schema"):
        MemoryReader(path)
    with Memory(path) as memory:
        assert memory._db.execute("SELECT count(*) FROM extra").fetchone()[0] == 0
        assert memory.status().events == 3
    copy = tmp_path / f"memory.db.schema-{len(steps) - 1}"
    monkeypatch.undo()
    with MemoryReader(copy) as reader:
        assert reader.status().events == 3


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_data_and_nothing_else(tmp_path: Path, text: str) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        said = event(0, EventKind.MOVED, text, "o1", text=text)
        memory.write(scene(0, state(text, 0), state("o1", 0), events=[said]))
        memory.text(text)
        memory.find(text)
        memory.where_is(text)
        memory.history(text)
        memory.events(kind=text.encode("utf-8", "replace").decode(), object_id="o1")
        assert memory.status().events == 1
        assert memory.status().objects == 2
        assert memory.events()[0].text.isprintable()
        if text.isprintable() and len(text) <= 64:
            memory.label("o1", text)
            assert "o1" in memory.find(text)


def test_a_word_that_fts_uses_as_an_operator_is_found_as_a_word(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        said = event(0, EventKind.MOVED, "o1", text="the cup is not near the box")
        memory.write(scene(0, state("o1", 0), events=[said]))
        for words in ("NOT", "NEAR", 'near"', "(near", "text: near*"):
            assert len(memory.text(words)) == 1
