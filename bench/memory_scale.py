"""Time of writes and questions at 100,000 and 1,000,000 events told one by one.

Run `python bench/memory_scale.py`; some ten minutes, mostly to fill the larger memory. The bound on
events is lifted for this; a memory as it comes tells 100,000 one by one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result
from memory_stream import SECOND, busy_scenes

from perception_nodes.memory.question import recall
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory

SIZES = (100_000, 1_000_000)
OBJECTS = 200
_EVENTS_A_STORY = 0.3 * 9 + 0.7 * 2
_A_FRAME = 40.0  # stories, while filling
_FRAMES = 600
_VECTORS = 100_000


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


def fill(path: Path, events: int) -> dict[str, float]:
    """Write until there are so many events; bytes an event."""
    frames = round(events / _EVENTS_A_STORY / _A_FRAME)
    began = time.perf_counter()
    with Memory(path, most_events=10**9) as memory:
        for scene in busy_scenes(1, frames, OBJECTS, gap=2.0, events=_A_FRAME):
            memory.write(scene)
        status = memory.status()
        rows = memory._rows("SELECT count(*) FROM edge")[0][0]
    return {
        "events": status.events,
        "edges": rows,
        "bytes an event": round(path.stat().st_size / status.events, 1),
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "seconds to fill": round(time.perf_counter() - began, 1),
    }


def writes(path: Path) -> dict[str, Any]:
    """Single frames with one story, and with none, on the disk that holds the memory."""
    facts: list[tuple[float, float]] = []
    observations: list[tuple[float, float]] = []
    with Memory(path, most_events=10**9) as memory:
        start = (memory.now or 0) + 10 * SECOND
        for scene in busy_scenes(2, _FRAMES, 20, gap=1.1, events=0.5, start=start):
            began, worked = time.perf_counter(), time.thread_time()
            memory.write(scene)
            took = (time.perf_counter() - began, time.thread_time() - worked)
            (facts if scene.events else observations).append(took)
    return {
        f"{name}{part}": percentiles([took[i] for took in rows[1:]])
        for name, rows in (("fact", facts), ("observation", observations))
        for i, part in enumerate(("", ", processor"))
    }


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
            "events of a minute": lambda _: memory.events(*window()),
            "newest events of an object": lambda turn: memory.events(object_id=name(turn)),
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


def vectors(folder: Path) -> dict[str, Any]:
    """Exact search by appearance among 100,000 key frames; the first time reads them."""
    path = folder / "looks.db"
    random = np.random.default_rng(5)
    with Memory(path) as memory:
        memory.write(next(busy_scenes(1, 1, 2)))
        with memory._store.transaction(durable=False) as db:
            db.executemany(
                "INSERT INTO keyframe (event, object, shows, stamp, camera, x0, y0, x1, y1, jpeg, "
                "model_id, vector) VALUES (1, 'o1', '[]', ?, '', 0, 0, 1, 1, x'', 'm', ?)",
                ((k, random.standard_normal(128).astype("<f4").tobytes())
                 for k in range(_VECTORS)),
            )  # fmt: skip
    with MemoryReader(path) as memory:
        began = time.perf_counter()
        memory.similar(random.standard_normal(128), "m")
        first = time.perf_counter() - began
        again = timed(lambda _: memory.similar(random.standard_normal(128), "m"), 30)
    return {"vectors": _VECTORS, "first_ms": round(first * 1e3, 1), "again": again}


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="one for both")
    sizes = tuple(parser.parse_args().sizes)
    figures: dict[str, Any] = {"load": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / f"{size}.db"
            figures[str(size)] = {"memory": fill(path, size), "writes": writes(path),
                                  **questions(path)}  # fmt: skip
            path.unlink()
            for group, values in figures[str(size)].items():
                for name, value in values.items():
                    print(f"{size:8} {group:10} {name:28} {value}")
        figures["vectors"] = vectors(Path(folder))
        print(figures["vectors"])
    if sizes == SIZES:
        write_result("memory_scale", figures)


if __name__ == "__main__":
    main()
