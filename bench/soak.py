"""An hour of the whole pipeline on the wall clock: memory, handles and time per frame stay flat?

    python bench/soak.py [--minutes 60] [--rate 4] [--gate]    (writes soak_gate.json with --gate)

The example recording in a loop, one stream at a steady rate: finder, tracker and memory on disk,
as on a robot, which writes neither a recording nor a report. Time per frame is also given in
seconds of the processor, which other work on the machine does not stretch. Slopes are fitted after
the first tenth and over the second half. The result is written each minute, so that an
interruption loses nothing.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result
from long_run import resident

from perception_nodes.bags.reader import open_bag
from perception_nodes.frames.source import FrameSource
from perception_nodes.gate.governor import Governor
from perception_nodes.gate.source import GatedSource
from perception_nodes.memory.writer import Memory
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.replay import run
from perception_nodes.resources import resource
from perception_nodes.scene import Sample
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.source import SlotSource

SETTLED = 0.1


def paced(samples: Sequence[Sample], rate: float, minutes: float, watch: Watch) -> Iterator[Sample]:
    """The same images again and again, stamped and handed out by the clock."""
    first, began = samples[0].frame.stamp, time.monotonic()
    for number, sample in enumerate(itertools.cycle(samples)):
        due = began + number / rate
        if due > began + 60.0 * minutes:
            return
        time.sleep(max(0.0, due - time.monotonic()))
        watch.given = time.monotonic(), time.process_time()
        yield Sample(replace(sample.frame, stamp=first + round(number * 1e9 / rate)), None)


@dataclass(slots=True)
class Watch:
    """Notes what each minute costs; called after each frame."""

    rows: list[dict[str, float]]
    memory: Path
    rate: float
    name: str
    cpu: float = 0.0
    since: float = 0.0
    given: tuple[float, float] = (0.0, 0.0)
    latencies: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self) -> None:
        """After a frame."""
        now, cpu = time.monotonic(), time.process_time()
        self.since = self.since or now
        self.latencies.append((now - self.given[0], cpu - self.given[1]))
        if now - self.since < 60.0:
            return
        middle, most = 1e3 * np.percentile(self.latencies, (50, 95), axis=0)
        self.rows.append(
            {
                "resident_mb": resident(),
                "handles": float(len(list(Path("/proc/self/fd").iterdir()))),
                "threads": float(threading.active_count()),
                "python_objects": float(len(gc.get_objects())),
                "cpu_ms_per_frame": 1e3 * (cpu - self.cpu) / len(self.latencies),
                "latency_p50_ms": float(middle[0]),
                "latency_p95_ms": float(most[0]),
                "latency_p50_cpu_ms": float(middle[1]),
                "latency_p95_cpu_ms": float(most[1]),
                "memory_file_mb": self.memory.stat().st_size / 1e6,
            }
        )
        write_result(self.name, {**summary(self.rows, self.rate), "each_minute": self.rows})
        self.cpu, self.since = cpu, now
        self.latencies.clear()


def main() -> None:
    """Run, print a table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=4.0, help="frames a second")
    parser.add_argument("--gate", action="store_true", help="with gate and governor")
    parser.add_argument("--tier", default="cpu")
    args = parser.parse_args()
    governor = Governor(0.8) if args.gate else None
    source: SlotSource = DepthFinder()
    if args.gate:
        source = GatedSource(source, governor=governor)
    with open_bag(resource("examples/data") / "box.mcap") as bag:
        images = list(FrameSource(bag))
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        memory = stack.enter_context(Memory(folder / "memory.db"))
        name = "soak_gate" if args.gate else "soak"
        watch = Watch([], folder / "memory.db", args.rate, name, time.process_time())
        pipeline = Pipeline(source, ObjectTracker(), memory, governor=governor)
        stream = paced(images, args.rate, args.minutes, watch)
        run(stream, pipeline, (), watch)
    for key, value in summary(watch.rows, args.rate).items():
        print(f"{key:24s} {value}")


def summary(rows: Sequence[dict[str, float]], rate: float) -> dict[str, Any]:
    """What the minutes so far say."""
    figures: dict[str, Any] = {"minutes": len(rows), "rate": rate}
    return figures | {key: judged(rows, key) for key in rows[0]}


def judged(rows: Sequence[dict[str, float]], key: str) -> dict[str, Any]:
    """The median of every ten minutes, and slopes with their standard errors."""
    values = np.array([row[key] for row in rows])
    tens = [np.median(values[at : at + 10]) for at in range(0, len(values), 10)]
    result: dict[str, Any] = {"each_ten_minutes": [round(float(value), 2) for value in tens]}
    for name, first in (("settled", int(SETTLED * len(rows))), ("second_half", len(rows) // 2)):
        if len(values) - first > 3:
            hours = np.arange(first, len(values)) / 60.0
            fit, covariance = np.polyfit(hours, values[first:], 1, cov=True)
            error = float(np.sqrt(covariance[0, 0]))
            result[name] = {"per_hour": round(float(fit[0]), 2), "error": round(error, 2)}
    return result


if __name__ == "__main__":
    main()
