"""Time of writes and questions at 100,000 and 1,000,000 events told one by one.

Run `python bench/memory_scale.py`; some ten minutes, mostly to fill the larger memory. With
--folder the filled memories stay there for the next run, which then takes two. The bound on events
is lifted for this, except for "at the bound": a memory as it comes tells 100,000 one by one and
makes episodes of the oldest while it is written.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result
from memory_stream import SECOND, busy_scenes

from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.consolidation import MOST_EVENTS
from perception_nodes.memory.nearest import Nearest
from perception_nodes.memory.question import recall
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import SceneState

SIZES = (100_000, 1_000_000)
OBJECTS = 200
_EVENTS_A_STORY = 0.3 * 9 + 0.7 * 2
_A_FRAME = 40.0  # stories, while filling
_FRAMES = 600
_IN_FILE, _IN_CELLS = 100_000, 1_000_000  # vectors
_SIZE, _THINGS = 128, 2000
_ASKED = 50


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Milliseconds at the 50th and 99th percentile, and the worst."""
    p50, p99 = np.percentile(np.array(seconds) * 1e3, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3),
            "max": round(max(seconds) * 1e3, 3)}  # fmt: skip


def timed(question: Callable[[int], Any], times: int = 100) -> dict[str, float]:
    """Ask a question about one object after the other."""
    seconds = []
    for turn in range(times):
        began = time.perf_counter()
        question(turn)
        seconds.append(time.perf_counter() - began)
    return percentiles(seconds)


def fill(path: Path, events: int) -> None:
    """Write until there are so many events."""
    frames = round(events / _EVENTS_A_STORY / _A_FRAME)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with Memory(part, most_events=10**9) as memory:
        for scene in busy_scenes(1, frames, OBJECTS, gap=2.0, events=_A_FRAME):
            memory.write(scene)
    part.replace(path)


def sizes_of(path: Path) -> dict[str, float]:
    """How large a memory is."""
    with MemoryReader(path) as memory:
        events = memory.status().events
        edges = memory._rows("SELECT count(*) FROM edge")[0][0]
    size = path.stat().st_size
    return {"events": events, "edges": edges, "bytes an event": round(size / events, 1),
            "megabytes": round(size / 1e6, 1)}  # fmt: skip


def carried(scene: SceneState, number: int) -> SceneState:
    """The same with its one object elsewhere in each frame."""
    (state,) = scene.objects
    place = np.array([0.03 * (number % 50), 0.0, 0.0])
    return replace(scene, objects=(replace(state, pose=Pose(np.eye(3), place)),))


def writes(filled: Path, most: int = 10**9) -> dict[str, Any]:
    """Frames of 20 objects with some stories or none, and of one that is carried about.

    One object's observation is a new row with its indexes; of 20 objects at rest, the rows of 8
    are brought up to date.
    """
    facts: list[tuple[float, float]] = []
    frames: list[tuple[float, float]] = []
    observations: list[tuple[float, float]] = []
    path = filled.with_suffix(".copy")
    shutil.copy(filled, path)
    os.sync()
    with Memory(path, most_events=most) as memory:
        start = (memory.now or 0) + 10 * SECOND

        def write(scene: SceneState, times: list[tuple[float, float]]) -> None:
            began, worked = time.perf_counter(), time.thread_time()
            memory.write(scene)
            times.append((time.perf_counter() - began, time.thread_time() - worked))

        for scene in busy_scenes(2, _FRAMES, 20, gap=1.1, events=0.5, start=start):
            write(scene, facts if scene.events else frames)
        start = (memory.now or 0) + 10 * SECOND
        for scene in busy_scenes(3, _FRAMES, 1, gap=1.1, events=0.0, start=start):
            write(carried(scene, len(observations)), observations)
    path.unlink()
    return {
        f"{name}{part}": percentiles([took[i] for took in rows[1:]])
        for name, rows in (
            ("fact", facts),
            ("observation of one object", observations),
            ("frame of 20 objects", frames),
        )
        for i, part in enumerate(("", ", processor"))
    }


def synced(path: Path, times: int = 300) -> dict[str, float]:
    """What the disk takes for the least that a fact could be: 4 kB that are there to stay."""
    page = b"x" * 4096
    with path.open("wb", buffering=0) as file:

        def append(_: int) -> None:
            file.write(page)
            os.fdatasync(file.fileno())

        found = timed(append, times)
    path.unlink()
    return found


def questions(path: Path) -> dict[str, Any]:
    """What each question takes, from another connection."""
    with MemoryReader(path) as memory:
        start, now = memory.sessions()[0][0], memory.now or 0
        random = np.random.default_rng(3)

        def name(turn: int) -> str:
            return f"o{turn % OBJECTS + 1}"

        def past() -> int:
            return int(random.uniform(start, now))

        def window() -> tuple[int, int]:
            begin = past()
            return begin, begin + 60 * SECOND

        def place() -> Any:
            return random.uniform(-2, 2, 3)

        structured: dict[str, Callable[[int], Any]] = {
            "where is": lambda turn: memory.where_is(name(turn)),
            "where was": lambda turn: memory.where_is(name(turn), past()),
            "explain": lambda turn: memory.explain(name(turn)),
            "explain, then": lambda turn: memory.explain(name(turn), past()),
            "near": lambda _: memory.near(place(), 0.5),
            "near, then": lambda _: memory.near(place(), 0.5, *window()),
            "100 events of a minute": lambda _: memory.events(*window(), k=100),
            "100 events of an object": lambda turn: memory.events(object_id=name(turn), k=100),
            "what if": lambda turn: memory.what_if("push", name(turn)),
        }
        hybrid: dict[str, Callable[[int], Any]] = {
            "rare words": lambda turn: memory.text(f"{name(turn)} moves 1.{turn * 37}"),
            "common words": lambda turn: memory.text(f"robot pushes {name(turn)}"),
            "plain words": lambda turn: recall(memory, f"why is {name(turn)} where it is?"),
            "words without an object": lambda _: recall(memory, "what did anna touch?"),
        }
        return {
            "structured": {key: timed(ask) for key, ask in structured.items()},
            "hybrid": {key: timed(ask, 30) for key, ask in hybrid.items()},
        }


def looks(count: int, *, alike: bool) -> Any:
    """(count, 128) unit vectors: each near that of one of 2,000 things, or anywhere."""
    random = np.random.default_rng(5)
    rows = random.standard_normal((count, _SIZE), dtype=np.float32)
    if alike:
        things = random.standard_normal((_THINGS, _SIZE), dtype=np.float32)
        rows = 0.7 * rows + things[random.integers(_THINGS, size=count)]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def vectors_in_file(folder: Path) -> dict[str, Any]:
    """Exact search by appearance among the key frames of a file; the first time reads them."""
    path = folder / "looks.db"
    rows = looks(_IN_FILE, alike=True)
    if not path.exists():
        with Memory(path) as memory:
            memory.write(next(busy_scenes(1, 1, 2)))
            with memory._store.transaction(durable=False) as db:
                db.executemany(
                    "INSERT INTO keyframe (event, object, shows, stamp, camera, x0, y0, x1, y1, "
                    "jpeg, model_id, vector) "
                    "VALUES (1, 'o1', '[]', ?, '', 0, 0, 1, 1, x'', 'm', ?)",
                    ((k, row.tobytes()) for k, row in enumerate(rows)),
                )
    with MemoryReader(path) as memory:
        began = time.perf_counter()
        memory.similar(rows[0], "m")
        first = time.perf_counter() - began
        again = timed(lambda turn: memory.similar(rows[turn * 7], "m"), _ASKED)
    return {"vectors": _IN_FILE, "recall at 10": 1.0, "first, ms": round(first * 1e3, 1), **again}


def vectors_in_cells(count: int, *, alike: bool) -> dict[str, Any]:
    """The search by cells against the exact one, for questions that nearly repeat a look."""
    rows, index = looks(count, alike=alike), Nearest(_SIZE)
    began = time.perf_counter()
    index.add(rows)
    made = time.perf_counter() - began
    random = np.random.default_rng(6)
    asked = rows[random.integers(count, size=_ASKED)]
    asked = asked + 0.03 * random.standard_normal(asked.shape).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    hits = 0
    for question in asked:
        best = np.argpartition(-(rows @ question), 10)[:10].tolist()
        hits += len({i for i, _ in index.search(question, 10)} & set(best))
    return {
        "vectors": count,
        "recall at 10": hits / (10 * _ASKED),
        "first, ms": round(made * 1e3, 1),
        **timed(lambda turn: index.search(asked[turn], 10), _ASKED),
        "exact": timed(lambda turn: np.argpartition(-(rows @ asked[turn]), 10)[:10], 10),
    }


def measure(path: Path) -> dict[str, Any]:
    """All figures of a filled memory."""
    figures = {"memory": sizes_of(path), "writes": writes(path), **questions(path)}
    figures["writes"]["4 kB to this disk alone"] = synced(path.with_suffix(".probe"))
    if (events := round(figures["memory"]["events"])) < 2 * MOST_EVENTS:
        figures["writes"] |= {
            f"{name}, at the bound": value for name, value in writes(path, events).items()
        }
    for group, values in figures.items():
        for name, value in values.items():
            print(f"{path.stem:>8} {group:10} {name:36} {value}", flush=True)
    return figures


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--folder", type=Path, help="where filled memories stay")
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="one for both")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        for size in args.sizes:
            if not (folder / f"{size}.db").exists():
                fill(folder / f"{size}.db", size)
        figures: dict[str, Any] = {"load": round(os.getloadavg()[0], 1)}
        figures |= {str(size): measure(folder / f"{size}.db") for size in args.sizes}
        figures["vectors"] = {
            "in the file": vectors_in_file(folder),
            "in cells": vectors_in_cells(_IN_CELLS, alike=True),
            "in cells, without structure": vectors_in_cells(2 * _IN_FILE, alike=False),
        }
        for name, values in figures["vectors"].items():
            print(f"{'vectors':>8} {name:28} {values}")
    if tuple(args.sizes) == SIZES:
        write_result("memory_scale", figures)


if __name__ == "__main__":
    main()
