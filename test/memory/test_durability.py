"""What was acknowledged is still there after kill -9, and facts after a power loss."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 20

WRITER = """
import sys
from beliefs import SECOND, event, scene, state
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind
with Memory(sys.argv[1]) as memory:
    for k in range(100_000):
        stamp, name = k * SECOND // 15, f"o{k % 7}"
        happened = [event(stamp, EventKind.MOVED, name, text=f"move {sys.argv[2]}.{k}")]
        objects = [state(f"o{i}", stamp, (k * 0.02, i, 0)) for i in range(7)]
        memory.write(scene(stamp, *objects, events=happened if k % 3 == 0 else []))
        print(k, flush=True)
"""


@pytest.mark.slow
def test_every_acknowledged_event_survives_kill_9(tmp_path: Path) -> None:
    path, dice = tmp_path / "memory.db", random.Random(5)
    paths = (ROOT, ROOT / "kernels", ROOT / "test" / "support")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    for turn in range(ROUNDS):
        command = [sys.executable, "-c", WRITER, str(path), str(turn)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
            assert writer.stdout is not None
            for _ in range(dice.randrange(1, 60)):
                acknowledged = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        with Memory(path) as memory:
            assert memory.status().health == "ok"
            texts = {e.text for e in memory.events(kind="moved")}
            wanted = {f"move {turn}.{k}" for k in range(0, acknowledged + 1, 3)}
            assert wanted <= texts
            newest = max(record.state.stamp for record in memory.records())
            assert newest >= (acknowledged - 1) * SECOND // 15
            assert len(memory.objects()) == 7


def test_every_acknowledged_fact_survives_a_power_loss_at_any_frame_of_the_log(
    tmp_path: Path,
) -> None:
    """After a sync the log is on the disk up to there; what came later may be cut anywhere."""
    path, log = tmp_path / "memory.db", tmp_path / "memory.db-wal"
    synced: list[int] = []
    memory = Memory(path)
    start = log.stat().st_size
    for k in range(12):
        stamp = k * SECOND
        facts = [event(stamp, EventKind.MOVED, "o1")] if k % 2 == 0 else []
        memory.write(scene(stamp, state("o1", stamp, (k, 0, 0)), events=facts))
        if facts:
            synced.append(log.stat().st_size)
    frame = 24 + 4096
    ends = range(start, log.stat().st_size + 1, frame)
    assert len(ends) > 12
    for end in ends:
        crashed = tmp_path / "crashed" / "memory.db"
        shutil.rmtree(crashed.parent, ignore_errors=True)
        crashed.parent.mkdir()
        shutil.copy(path, crashed)
        (crashed.parent / log.name).write_bytes(log.read_bytes()[:end])
        with Memory(crashed) as survivor:
            assert survivor.status().health == "ok"
            events = len(survivor.events())
            assert events >= sum(size <= end for size in synced)
            states = survivor.trail("o1")
            assert len(states) >= events  # a transaction is there as a whole or not at all
    memory.close()


def test_facts_are_synced_to_the_disk_and_observations_are_not(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(scene(0, state("o1", 0)))
        statements: list[str] = []
        memory._db.set_trace_callback(statements.append)

        def level() -> str:
            committed = [s for s in statements if s == "COMMIT"]
            found = memory._db.execute("PRAGMA synchronous").fetchone()[0]
            statements.clear()
            return f"{('OFF', 'NORMAL', 'FULL')[found]} {len(committed)}"

        memory.write(scene(SECOND, state("o1", SECOND)))
        assert level() == "NORMAL 1"
        moved = [event(2 * SECOND, EventKind.MOVED, "o1")]
        memory.write(scene(2 * SECOND, state("o1", 2 * SECOND), events=moved))
        assert level() == "FULL 1"
        memory.write(scene(3 * SECOND, state("o1", 3 * SECOND), state("o2", 3 * SECOND)))
        assert level() == "FULL 1"
        memory.label("o2", "mug")
        assert level() == "FULL 1"
        memory._db.set_trace_callback(None)


def test_a_change_that_was_interrupted_with_a_rollback_journal_is_undone(tmp_path: Path) -> None:
    path, crashed = tmp_path / "memory.db", tmp_path / "crashed" / "memory.db"
    with Memory(path) as memory:
        memory.write(scene(0, state("o1", 0), events=[event(0, EventKind.APPEARED, "o1")]))
    crashed.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA cache_size = 2")
        db.execute("BEGIN")
        db.execute("UPDATE observation SET x = 7")
        db.execute("CREATE TABLE large AS SELECT hex (randomblob (100000))")
        for file in (path, Path(f"{path}-journal")):
            shutil.copy(file, crashed.parent / file.name)
    with Memory(crashed) as survivor:
        assert survivor.status().health == "ok"
        assert survivor.where_is("o1").states[0].position[0] == 0


def test_the_log_refuses_to_change_or_lose_events(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(scene(0, state("o1", 0), events=[event(0, EventKind.APPEARED, "o1")]))
        for statement in ("UPDATE event SET text = ''", "DELETE FROM event"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                memory._db.execute(statement)


def test_the_log_is_folded_into_the_file_while_frames_go_on(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        before = path.stat().st_size
        for k in range(400):
            stamp = k * SECOND
            told = [event(stamp, EventKind.MOVED, "o1")]
            memory.write(scene(stamp, state("o1", stamp, (k, 0, 0)), events=told))
        deadline = time.monotonic() + 20
        while path.stat().st_size == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_size > before
        assert Path(f"{path}-wal").stat().st_size < 32_000_000
