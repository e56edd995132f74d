"""Days: the log stays bounded, and what explains the present or was pinned stays in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory import consolidation
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import Event, EventKind, SceneState

MOST = 1500
PUSH = [(EventKind.ACTION, ("o0", "robot")), (EventKind.CONTACT_ON, ("o0", "robot")),
        (EventKind.MOVED, ("o0",)), (EventKind.STOPPED, ("o0",))]  # fmt: skip


def busy(frames: int, start: int = 1) -> Iterator[SceneState]:
    """Objects hide and come back all the time; o0 is pushed once, o1 again and again."""
    for k in range(start, start + frames):
        stamp = k * 3 * SECOND
        told: list[Event] = []
        if k == 3:
            told = [event(stamp, kind, *who, text=f"first {kind.value}") for kind, who in PUSH]
        if k % 2 == 1:
            told += [event(stamp, kind, "o1", *who[1:]) for kind, who in PUSH]
        for i in range(2, 8):
            told.append(event(stamp, EventKind.HIDDEN, f"o{i}", text=f"o{i} hides {k}"))
            told.append(event(stamp, EventKind.REAPPEARED, f"o{i}"))
        objects = [state(f"o{i}", stamp, (i, 0, 0)) for i in range(8)]
        yield scene(stamp, *objects, events=told)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("days") / "memory.db"
    with Memory(file, most_events=MOST) as memory:
        for number, made in enumerate(busy(600)):
            memory.write(made)
            if number == 30:
                memory.pin(event=next(e.seq for e in memory.events(kind="moved", object_id="o1")))
                hidden = memory.events(kind="hidden", object_id="o5")
                memory.pin(event=hidden[0].seq)
    return file


def test_the_log_stays_bounded_and_nothing_goes_untold(path: Path) -> None:
    with MemoryReader(path) as memory:
        status = memory.status()
        assert status.events <= MOST + consolidation.AT_ONCE + 20
        counts: Counter[str] = Counter()
        for row in memory._rows("SELECT kind, text, evidence FROM event"):
            if row["kind"] != "episode":
                counts[row["kind"]] += 1
        for episode in memory.events(kind="episode"):
            for item in episode.evidence[1:]:
                kind, number = item.rsplit(" ", 1)
                counts[kind] += int(number)
        assert counts["hidden"] == counts["reappeared"] == 600 * 6
        assert counts["moved"] == 1 + 300
        assert memory._rows("PRAGMA integrity_check")[0][0] == "ok"
        assert memory._rows("SELECT sum (events) FROM session")[0][0] == status.events


def test_what_explains_the_present_stays(path: Path) -> None:
    with MemoryReader(path) as memory:
        found = memory.explain("o0")
        assert [link.event.text for link in found.chain] == ["first moved", "first action"]
        contact = next(e for e in found.chain[1].evidence if e.startswith("event"))
        touched = memory.event(int(contact.split()[1]))
        assert touched is not None
        assert touched.kind == "contact_on"


def test_what_was_pinned_stays_with_its_causes(path: Path) -> None:
    with MemoryReader(path) as memory:
        pins = [row["event"] for row in memory._rows("SELECT event FROM pin ORDER BY id")]
        assert [link.event.kind for link in memory.explain_event(pins[0]).chain] == [
            "moved",
            "action",
        ]
        hidden = memory.event(pins[1])
        assert hidden is not None
        assert memory.text(hidden.text, 1)[0].seq == hidden.seq


def test_what_became_an_episode_is_found_as_one(path: Path) -> None:
    with MemoryReader(path) as memory:
        assert "o2 hides 40" not in {e.text for e in memory.text("o2 hides 40", 1000)}
        first = memory.events(kind="episode")[0]
        assert first in memory.history("o2") or "o2" in first.subjects
        whole = {row["target"] for row in memory._rows("SELECT * FROM edge WHERE kind = 'part_of'")}
        assert whole <= {e.seq for e in memory.events(kind="episode")}
        orphans = memory._rows(
            "SELECT * FROM edge WHERE source NOT IN (SELECT seq FROM event) "
            "OR target NOT IN (SELECT seq FROM event)"
        )
        assert orphans == []


def test_old_episodes_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consolidation, "MOST_EPISODES", 5)
    monkeypatch.setattr(consolidation, "AT_ONCE", 64)
    with Memory(tmp_path / "memory.db", most_events=400) as memory:
        for made in busy(150):
            memory.write(made)
        told = memory.events(kind="episode")
        assert len(told) <= 6
        total = sum(int(e.text.split()[0]) for e in told)
        others = memory.status().events - len(told)
        assert total + others == sum(len(s.events) for s in busy(150))


def test_a_memory_in_which_everything_is_needed_grows(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db", most_events=100) as memory:
        memory.write(next(busy(1)))
        for i in range(8):
            memory.pin(f"o{i}")
        for made in busy(60, start=2):
            memory.write(made)
        assert memory.events(kind="episode") == []


def test_only_what_is_there_can_be_pinned(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(next(busy(1)))
        for name, number in (("o99", None), ("", 10_000)):
            with pytest.raises(MemoryStoreError):
                memory.pin(name, event=number)


def test_no_frame_makes_an_episode_of_many_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the bound was lowered, or it was closed in between; what happened is counted."""
    monkeypatch.setattr(consolidation, "MOST_EPISODES", 10)
    scenes = list(busy(220))
    counts = []
    for pauses in ((), (150, 151, 200)):
        path = tmp_path / f"{len(pauses)}.db"
        with Memory(path) as memory:
            for made in scenes[:120]:
                memory.write(made)
        for begin, end in pairwise((120, *pauses, len(scenes))):
            with Memory(path, most_events=400) as memory:
                for made in scenes[begin:end]:
                    before = memory.status().events
                    memory.write(made)
                    assert memory.status().events >= before - consolidation.AT_ONCE * len(
                        made.events
                    )
                    assert memory.status().events == memory._consolidation.count
        with MemoryReader(path) as reader:
            assert reader.status().events <= 400 + 6 * consolidation.AT_ONCE
            episodes = reader.events(kind="episode")
            told = sum(int(e.text.split()[0]) for e in episodes)
            assert len(episodes) > 1
            counts.append(told + reader.status().events - len(episodes))
    assert counts[0] == counts[1]


def test_forgetting_does_not_confuse_the_count(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db", most_events=400) as memory:
        for made in busy(60):
            memory.write(made)
        memory.forget("o2")
        for made in busy(60, start=61):
            memory.write(made)
        assert memory._consolidation.count == memory.status().events
        assert memory.events(kind="episode")
