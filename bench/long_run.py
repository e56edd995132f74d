"""Memory in use over twenty minutes: the example recording in a loop, all outputs on.

    python bench/long_run.py [--minutes 20]

Everything runs but the finder, whose slots of the 50 frames are found once and given again.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import write_result

from perception_nodes.bags.reader import open_bag
from perception_nodes.frames.source import FrameSource
from perception_nodes.memory.writer import Memory
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.recorder import Recorder
from perception_nodes.replay import run
from perception_nodes.report.sink import ReportSink
from perception_nodes.report.summary import RunSummary
from perception_nodes.resources import resource
from perception_nodes.scene import Frame, Sample, Slots
from perception_nodes.viewrope.depth_finder import DepthFinder

PERIOD = 66_666_667
SETTLED = 0.1  # share of the run after which nothing new is loaded or cached


class KnownSlots:
    """Gives the slots that were found once, again and again."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        finder = DepthFinder()
        self.model_id = finder.model_id
        self._slots = itertools.cycle([finder.find(sample.frame) for sample in samples])

    def find(self, frame: Frame) -> Slots:
        """The slots of the next frame of the loop."""
        return replace(next(self._slots), stamp=frame.stamp)

    def reset(self) -> None:
        """Nothing depends on the past."""


def loop(samples: Sequence[Sample], frames: int) -> Iterator[Sample]:
    """The same images again and again, as one stream without a jump of the clock."""
    stamps = itertools.count(samples[0].frame.stamp, PERIOD)
    for sample in itertools.islice(itertools.cycle(samples), frames):
        yield Sample(replace(sample.frame, stamp=next(stamps)), None)


def resident() -> float:
    """Memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Run, print a table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="of recording")
    args = parser.parse_args()
    with open_bag(resource("examples/data") / "box.mcap") as bag:
        images = list(FrameSource(bag))
    frames = round(args.minutes * 60e9 / PERIOD)
    samples: list[float] = []
    count, every = itertools.count(1), max(1, frames // 100)

    def watch() -> None:
        if next(count) % every == 0:
            samples.append(resident())

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, start = Path(name), time.perf_counter()
        memory = stack.enter_context(Memory(folder / "memory.db"))
        recorder = stack.enter_context(Recorder(folder / "objects.mcap"))
        report = ReportSink(folder, "loop")
        pipeline = Pipeline(KnownSlots(images), ObjectTracker(), memory)
        outcome = run(loop(images, frames), pipeline, [recorder, report], watch)
        page = report.close(RunSummary("loop", outcome.frames, outcome.duration, 0.0, ""))
        settled = np.array(samples[int(SETTLED * len(samples)) :])
        minutes = np.linspace(SETTLED * args.minutes, args.minutes, len(settled))
        figures = {
            "minutes": round(outcome.duration / 60, 1),
            "frames": outcome.frames,
            "resident_mb": {
                "settled": round(float(settled[0]), 1),
                "end": round(float(settled[-1]), 1),
                "most": round(float(settled.max()), 1),
            },
            "growth_mb_per_hour": round(60 * float(np.polyfit(minutes, settled, 1)[0]), 1),
            "memory_file_mb": round((folder / "memory.db").stat().st_size / 1e6, 2),
            "report_mb": round(page.stat().st_size / 1e6, 2),
            "seconds": round(time.perf_counter() - start, 1),
        }
    for key, value in figures.items():
        print(f"{key:24s} {value}")
    write_result("long_run", figures)


if __name__ == "__main__":
    main()
