"""Replay of 640x480 recordings end to end: frames per second, and where the time goes.

    python bench/replay.py [--frames 150]

Two recordings of `shared/data/rgbd` are converted at full size (JPEG color, PNG depth), once with
the camera's pose as /tf and once without, so that the camera is followed by its depth images.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common import SHARED_DATA, write_result

from perception_nodes.bags.plain import PlainRecording
from perception_nodes.bags.plain_to_bag import convert
from perception_nodes.bags.reader import open_bag
from perception_nodes.bags.writer import BagWriter
from perception_nodes.frames.poses import PoseOrigin
from perception_nodes.frames.source import FrameSource
from perception_nodes.memory.writer import Memory
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.recorder import Recorder
from perception_nodes.replay import Sink, run
from perception_nodes.report.sink import ReportSink
from perception_nodes.report.summary import RunSummary
from perception_nodes.scene import Sample, SceneState
from perception_nodes.viewrope.beside import beside
from perception_nodes.viewrope.depth_finder import DepthFinder

RECORDINGS = ("box", "icl_livingroom1")
FINDER = "slots"


class Stopwatch:
    """Adds up the time that parts take."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, part: str, action: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time added to a part."""

        def measured(*args: Any) -> Any:
            start = time.perf_counter()
            try:
                return action(*args)
            finally:
                self.seconds[part] += time.perf_counter() - start

        return measured

    def reading(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The same samples, the time to get them added to a part."""
        following = self.timed("reading", iter(samples).__next__)
        while True:
            try:
                yield following()
            except StopIteration:
                return


class TimedSink:
    """A sink whose time is added to a part."""

    def __init__(self, watch: Stopwatch, part: str, sink: Sink) -> None:
        self._write = watch.timed(part, sink.write)

    def write(self, sample: Sample, state: SceneState, timings: Mapping[str, float]) -> None:
        """Pass on."""
        self._write(sample, state, timings)


class PipelineTimes:
    """A sink that adds up what the pipeline says of its parts."""

    def __init__(self, watch: Stopwatch) -> None:
        self._seconds = watch.seconds

    def write(self, sample: Sample, state: SceneState, timings: Mapping[str, float]) -> None:  # noqa: ARG002 -- the protocol
        """Add the times of one frame."""
        for part, seconds in timings.items():
            self._seconds[part] += seconds


class TimedOrigin:
    """Camera poses whose time is added to "odometry" and taken off "reading"."""

    def __init__(self, watch: Stopwatch, origin: PoseOrigin) -> None:
        self.describe, self.sequential = origin.describe, origin.sequential
        self.pose = watch.timed("odometry", origin.pose)


def replay(bag_path: Path, folder: Path) -> dict[str, Any]:
    """Replay as the command does and return milliseconds a frame by part."""
    watch, start = Stopwatch(), time.perf_counter()
    with ExitStack() as stack:
        slots = stack.enter_context(beside(DepthFinder()))
        bag = stack.enter_context(open_bag(bag_path))
        source = FrameSource(bag)
        if source.pose_origin.startswith("RGB-D"):
            source._origin = TimedOrigin(watch, source._origin)
        memory = stack.enter_context(Memory(folder / "memory.db"))
        recorder = stack.enter_context(Recorder(folder / "objects.mcap"))
        report = ReportSink(folder, bag_path.name)
        pipeline = Pipeline(slots, ObjectTracker(), memory)
        sinks = [
            TimedSink(watch, "recorder", recorder),
            TimedSink(watch, "report", report),
            PipelineTimes(watch),
        ]
        opened = time.perf_counter() - start
        outcome = run(watch.reading(source), pipeline, sinks, ahead=True)
        summary = RunSummary(bag_path.name, outcome.frames, outcome.duration, 0.0, "")
        watch.timed("report", report.close)(summary)
        closing = time.perf_counter()
    watch.seconds["closing"] = time.perf_counter() - closing
    watch.seconds["opening"] = opened
    watch.seconds["reading"] -= watch.seconds["odometry"]
    elapsed = time.perf_counter() - start
    parts = {p: round(1000 * s / outcome.frames, 2) for p, s in sorted(watch.seconds.items())}
    without = sum(ms for p, ms in parts.items() if p not in (FINDER, "odometry"))
    return {
        "frames": outcome.frames,
        "frames_per_second": round(outcome.frames / elapsed, 1),
        "milliseconds_per_frame": parts,
        "without_finder_and_odometry_ms": round(without, 2),
    }


def without_poses(bag_path: Path) -> Path:
    """A copy of a recording that does not say where the camera was."""
    copy = bag_path.with_name(f"{bag_path.stem}_without_poses.mcap")
    with open_bag(bag_path) as bag, BagWriter(copy) as writer:
        for message in bag.messages(set(bag.topics) - {"/tf"}):
            writer.write(message.topic, message.data, message.log_time)
    return copy


def main() -> None:
    """Measure, print a table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=150, help="of each recording at most")
    args = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for recording in RECORDINGS:
            plain = PlainRecording(SHARED_DATA / "rgbd" / recording)
            bag = folder / f"{recording}.mcap"
            convert(plain, plain.frames[: args.frames], bag)
            for path in (bag, without_poses(bag)):
                results = folder / f"{path.stem}_results"
                results.mkdir()
                figures[path.stem] = replay(path, results)
                print(path.stem, figures[path.stem])
    write_result("replay", figures)


if __name__ == "__main__":
    main()
