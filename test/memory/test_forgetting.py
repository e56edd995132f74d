"""What is forgotten is gone, from every page and from the log; that it was is known."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.schema import PLACE_SLACK
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind

SECRET = "Annas Tagebuch"
PLACE = (1.2345678901, -7.6543210987, 0.9182736455)
LOWEST = np.float32((PLACE[1] - PLACE_SLACK) * (1 + 2**-23))  # as SQLite rounds an end of a box
LATENT = np.linspace(0.137, 0.911, 128, dtype=np.float32)


def fill(path: Path, frames: int = 200) -> None:
    """o1 and o2 move again and again; o2 has a private name, place and looks."""
    with Memory(path) as memory:
        for k in range(1, frames):
            stamp = k * SECOND
            mine = state("o2", stamp, PLACE, latent=LATENT, model_id="m1")
            told = [event(stamp, EventKind.MOVED, f"o{1 + k % 2}")]
            if k == 20:
                memory.label("o2", SECRET)
            if k == 30:
                said = f"o1 hides behind {SECRET} (o2)"
                told.append(event(stamp, EventKind.HIDDEN, "o1", text=said))
            memory.write(scene(stamp, state("o1", stamp), mine, events=told))


def traces(folder: Path) -> list[str]:
    """What of the secret can be found in the bytes of any file."""
    needles = {
        "name": SECRET.encode(),
        "word": b"tagebuch",
        "place": struct.pack(">d", PLACE[0]),
        "place in the index": struct.pack(">f", LOWEST),
        "looks": LATENT.tobytes(),
    }
    data = [path.read_bytes() for path in folder.iterdir()]
    return [name for name, needle in needles.items() if any(needle in raw for raw in data)]


@pytest.mark.parametrize("overwriting", ["ON", "OFF"])  # SQLite is built with either
def test_a_forgotten_object_is_in_no_byte_of_any_file(tmp_path: Path, overwriting: str) -> None:
    path = tmp_path / "memory.db"
    fill(path)
    assert len(traces(tmp_path)) == 5
    with Memory(path) as memory:
        memory._db.execute(f"PRAGMA secure_delete = {overwriting}")
        done = memory.forget(SECRET)
        assert done.erased
        assert done.objects == ("o2",)
        assert done.events == 101
        assert traces(tmp_path) == []
        assert memory.find(SECRET) == memory.find("o2") == []
        assert not memory.where_is("o2").known
        assert memory.text("Tagebuch") == []
        assert memory.near(np.array(PLACE), 1.0) == []
    assert traces(tmp_path) == []


def test_what_was_forgotten_is_logged_without_what_was_private(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    fill(path)
    with Memory(path) as memory:
        before = len(memory.history("o1"))
        done = memory.forget("o2")
        said = memory.events(kind="forgotten")
        assert [e.seq for e in said] == [done.seq]
        assert said[0].text == "o2 was forgotten on request"
        assert len(memory.history("o1")) == before
        hidden = memory.events(kind="hidden")[0]
        assert hidden.text == "o1 hides behind (forgotten) ((forgotten))"
        assert memory.next_object_number() == 3
        assert memory.status().health == "ok"


def test_a_stretch_of_time_is_forgotten_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    fill(path)
    with Memory(path) as memory:
        done = memory.forget(since=50 * SECOND, until=150 * SECOND)
        assert done.objects == ()
        stamps = [e.stamp for e in memory.events() if e.kind == "moved"]
        assert not [s for s in stamps if 50 * SECOND <= s <= 150 * SECOND]
        assert len(stamps) == 199 - 101
        was = memory.where_is("o1", 100 * SECOND)
        assert was.states[0].stamp < 50 * SECOND
        assert memory.find(SECRET) == ["o2"]


def test_a_time_of_zero_is_a_time(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(scene(SECOND, state("o1", SECOND)))
        assert memory.forget(until=0).seq == 0
        assert memory.find("o1") == ["o1"]


def test_what_is_still_in_view_is_known_again_without_its_name(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        mug = state("o1", SECOND, label="mug", label_score=1.0)
        memory.write(scene(SECOND, mug))
        memory.forget("mug")
        assert memory.find("o1") == []
        later = state("o1", 2 * SECOND, label="mug", label_score=1.0)
        memory.write(scene(2 * SECOND, later))
        assert memory.find("o1") == ["o1"]
        assert memory.find("mug") == []
        memory.label("o1", "cup")
        assert memory.find("cup") == ["o1"]


def test_closing_does_not_write_the_forgotten_again(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.write(scene(SECOND, state("o1", SECOND), state("o2", SECOND)))
        memory.forget("o2")
    with MemoryReader(path) as reader:
        assert [s.id for s in reader.objects()] == ["o1"]


def test_a_person_who_took_part_can_be_forgotten(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        told = event(SECOND, EventKind.ACTION, "o1", "anna", text="take: anna takes o1")
        memory.write(scene(SECOND, state("o1", SECOND), events=[told]))
        assert memory.forget("anna").events == 1
        assert memory.events(kind="action") == []
        assert memory.find("o1") == ["o1"]


def test_causes_go_with_the_events_they_join(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        told = [
            event(SECOND, EventKind.ACTION, "o1", "anna"),
            event(SECOND, EventKind.CONTACT_ON, "o1", "anna"),
            event(SECOND, EventKind.MOVED, "o1"),
        ]
        memory.write(scene(SECOND, state("o1", SECOND), events=told))
        assert memory.explain("o1").known
        memory.forget("anna")
        assert not memory.explain("o1").known
        assert memory._rows("SELECT * FROM edge") == []


def test_a_reader_delays_the_erasing_and_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    fill(path, 60)
    with Memory(path) as memory:
        with MemoryReader(path) as reader:
            reading = reader._db.execute("SELECT * FROM observation")
            reading.fetchone()
            done = memory.forget("o2")
            assert not done.erased
            assert "their bytes go when" in done.text
            reading.close()
        assert memory.find("o2") == []
    assert traces(tmp_path) == []


def test_copies_that_may_hold_it_are_named(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    fill(path, 30)
    (tmp_path / "memory.db.schema-1").write_bytes(path.read_bytes())
    with Memory(path) as memory:
        done = memory.forget("o2")
    assert [copy.name for copy in done.copies] == ["memory.db.schema-1"]
    assert "memory.db.schema-1" in done.text


def test_nothing_or_nobody_to_forget_is_said(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(scene(SECOND, state("o1", SECOND)))
        for name, message in (("", "give a name or a time"), ("o9", "is called 'o9'")):
            with pytest.raises(MemoryStoreError, match=message):
                memory.forget(name)
        assert memory.forget(since=99 * SECOND).text == "there was nothing to forget"


def test_a_snapshot_is_a_memory_and_its_name_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.write(scene(SECOND, state("o1", SECOND)))
        made = memory.snapshot(tmp_path / "copy.db")
        memory.write(scene(3 * SECOND, state("o2", 3 * SECOND)))
        (tmp_path / "link.db").symlink_to(tmp_path / "nowhere.db")
        refused = {
            tmp_path / "copy.db": "already",
            tmp_path / "link.db": "already",
            tmp_path / "none" / "copy.db": "there is no folder",
            tmp_path / ".." / "copy.db": "plain name",
            tmp_path / "copy.sh": "plain name",
            Path("\0.db"): "plain name",
            Path("x" * 300 + ".db"): "File name too long",
        }
        for name, message in refused.items():
            with pytest.raises(MemoryStoreError, match=message):
                memory.snapshot(name)
    with MemoryReader(made) as reader:
        assert [s.id for s in reader.objects()] == ["o1"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy.db", "link.db", "memory.db"]
