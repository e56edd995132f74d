"""An hour of the whole pipeline on the wall clock: memory, handles and time per frame stay flat?

    python bench/soak.py [--minutes 60] [--rate 4]

The example recording in a loop, one stream at a steady rate: finder, tracker and memory on disk,
as on a robot, which writes neither a recording nor a report. Time per frame is also given in
seconds of the processor, which other work on the machine does not stretch. Slopes are fitted after
the first tenth.
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
from perception_nodes.memory.writer import Memory
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.replay import run
from perception_nodes.resources import resource
from perception_nodes.scene import Sample
from perception_nodes.viewrope.depth_finder import DepthFinder

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
        print(len(self.rows), {k: round(v, 1) for k, v in self.rows[-1].items()}, flush=True)
        self.cpu, self.since = cpu, now
        self.latencies.clear()


def main() -> None:
    """Run, print a table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=4.0, help="frames a second")
    args = parser.parse_args()
    with open_bag(resource("examples/data") / "box.mcap") as bag:
        images = list(FrameSource(bag))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        memory = stack.enter_context(Memory(folder / "memory.db"))
        watch = Watch([], folder / "memory.db", time.process_time())
        pipeline = Pipeline(DepthFinder(), ObjectTracker(), memory)
        stream = paced(images, args.rate, args.minutes, watch)
        outcome = run(stream, pipeline, (), watch)
    figures = {"minutes": args.minutes, "rate": args.rate, "frames": outcome.frames}
    figures |= {key: judged(watch.rows, key) for key in watch.rows[0]}
    for key, value in figures.items():
        print(f"{key:24s} {value}")
    write_result("soak", {**figures, "each_minute": watch.rows})


def judged(rows: Sequence[dict[str, float]], key: str) -> dict[str, Any]:
    """The first settled value, the last, and the slope with its standard error."""
    values = np.array([row[key] for row in rows[int(SETTLED * len(rows)) :]])
    hours = np.arange(len(values)) / 60.0
    result = {"settled": round(float(values[0]), 2), "end": round(float(values[-1]), 2)}
    if len(values) > 3:
        fit, covariance = np.polyfit(hours, values, 1, cov=True)
        result["per_hour"] = round(float(fit[0]), 2)
        result["per_hour_error"] = round(float(np.sqrt(covariance[0, 0])), 2)
    return result


if __name__ == "__main__":
    main()
