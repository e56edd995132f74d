"""Cost of the memory over 20 minutes of 20 objects at 15 Hz, in message time.

Run `python bench/memory.py`. Objects rest, wander, are hidden and reappear; the stream has the
events that a tracker would give. Measured: memory of the process, size of the file, time of a
write with facts (synced to disk) and of one with observations only, time of questions. Times of
the processor do not depend on what else the machine does; the others do.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import Event, EventKind, ObjectState, SceneState, Slots, Visibility

OBJECTS, RATE, MINUTES = 20, 15, 20
NOTHING, ROWS, FACT = 0, 1, 2
PERIOD = 1_000_000_000 // RATE


def stream(minutes: float) -> Iterator[SceneState]:
    """Scene states as a tracker gives them, the same ones every time."""
    random = np.random.default_rng(1)
    position = random.uniform(-2, 2, (OBJECTS, 3))
    velocity = np.zeros((OBJECTS, 3))
    visibility = [Visibility.VISIBLE] * OBJECTS
    last_seen = [0] * OBJECTS
    latents = random.standard_normal((OBJECTS, 128)).astype(np.float32)
    for frame in range(int(minutes * 60 * RATE)):
        stamp = frame * PERIOD
        events = []
        for i in range(OBJECTS):
            name, roll = f"o{i + 1}", random.random()
            if frame == 0:
                events.append(Event(stamp, EventKind.APPEARED, (name,), f"{name} appeared"))
            elif roll < 0.001:
                hidden = visibility[i] == Visibility.VISIBLE
                visibility[i] = Visibility.OCCLUDED if hidden else Visibility.VISIBLE
                kind = EventKind.HIDDEN if hidden else EventKind.REAPPEARED
                events.append(Event(stamp, kind, (name,), f"{name} {kind.value}"))
            elif roll < 0.003:
                moving = velocity[i].any()
                velocity[i] = 0 if moving else random.uniform(-0.3, 0.3, 3)
                kind = EventKind.STOPPED if moving else EventKind.MOVED
                events.append(Event(stamp, kind, (name,), f"{name} {kind.value}"))
            if visibility[i] == Visibility.VISIBLE:
                last_seen[i] = stamp
        position += velocity / RATE
        noise = random.normal(0, 0.002, (OBJECTS, 3))
        objects = tuple(
            ObjectState(
                id=f"o{i + 1}",
                stamp=stamp,
                pose=Pose(np.eye(3), position[i] + noise[i]),
                pose_covariance=np.eye(6) * 1e-5,
                velocity=velocity[i].copy(),
                angular_velocity=np.zeros(3),
                twist_covariance=np.eye(6) * 1e-2,
                size=np.full(3, 0.1),
                visibility=visibility[i],
                first_seen=0,
                last_seen=last_seen[i],
                existence=0.99,
                latent=latents[i],
                model_id="bench",
            )
            for i in range(OBJECTS)
        )
        slots = Slots(stamp, "camera", "camera", np.zeros((1, 1), np.uint8), (), "bench")
        yield SceneState(stamp, slots, objects, tuple(events))


def resident() -> float:
    """Memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def percentiles(seconds: Floats | list[float]) -> dict[str, float]:
    """Milliseconds at the 50th and 99th percentile, and the worst."""
    values = np.array(seconds) * 1e3
    p50, p99 = np.percentile(values, [50, 99])
    return {
        "p50": round(float(p50), 3),
        "p99": round(float(p99), 3),
        "max": round(float(values.max()), 3),
    }


def timed(question: Callable[[], Any], times: int = 200) -> dict[str, float]:
    """Ask a question again and again."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        question()
        seconds.append(time.perf_counter() - began)
    return percentiles(seconds)


def measure_writes(path: Path, minutes: float) -> dict[str, Any]:
    """Write the stream; the figures of the process, the file and each kind of write."""
    frames = int(minutes * 60 * RATE)
    took, work, kind = np.ones((3, frames))  # filled once, so that measuring takes no memory
    sizes, used = [], []
    with Memory(path) as memory:
        for number, scene in enumerate(stream(minutes)):
            before = memory.next_sequence
            began, began_work = time.perf_counter(), time.thread_time()
            memory.write(scene)
            took[number] = time.perf_counter() - began
            work[number] = time.thread_time() - began_work
            kind[number] = FACT if scene.events else memory.next_sequence > before
            if number % (RATE * 60) == RATE * 30:
                used.append(round(resident(), 1))
                sizes.append(round(memory.status().bytes / 1e6, 2))
        status = memory.status()
    return {
        "fact_ms": percentiles(took[kind == FACT]),
        "fact_processor_ms": percentiles(work[kind == FACT]),
        "observation_ms": percentiles(took[kind == ROWS]),
        "observation_processor_ms": percentiles(work[kind == ROWS]),
        "frame_without_rows_ms": percentiles(took[kind == NOTHING]),
        "resident_mb_each_minute": used,
        "file_mb_each_minute": sizes,
        "file_mb_closed": round(path.stat().st_size / 1e6, 2),
        "events": status.events,
        "observations": status.observations,
        "frames": frames,
    }


def measure_sync(folder: Path) -> dict[str, float]:
    """What the disk alone needs to make 4 kB durable: the floor under every fact."""
    with (folder / "sync").open("wb") as file:

        def sync() -> None:
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())

        return timed(sync)


def measure_questions(path: Path) -> dict[str, Any]:
    """Ask a memory as another program would."""
    with MemoryReader(path) as memory:
        middle = ((memory.start or 0) + (memory.now or 0)) // 2
        origin = np.zeros(3)
        return {
            "where_is_ms": timed(lambda: memory.where_is("o7")),
            "where_was_ms": timed(lambda: memory.where_is("o7", middle)),
            "record_ms": timed(lambda: memory.record("o7")),
            "history_ms": timed(lambda: memory.history("o7")),
            "near_ms": timed(lambda: memory.near(origin, 1.0)),
            "text_ms": timed(lambda: memory.text("reappeared o7")),
            "restore_ms": timed(lambda: memory.restore("map")),
        }


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of message time")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.db"
        load = os.getloadavg()[0]
        machine = {"sync_ms": measure_sync(path.parent), "load_average": round(load, 1)}
        figures: dict[str, Any] = {"machine": machine, "writes": measure_writes(path, minutes)}
        figures["questions"] = measure_questions(path)
    for group, values in figures.items():
        for name, value in values.items():
            print(f"{group:10} {name:28} {value}")
    if minutes == MINUTES:
        write_result("memory", figures)


if __name__ == "__main__":
    main()
