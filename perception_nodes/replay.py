"""Runs the pipeline over a source of frames and hands what comes out to sinks.

Replay of a recording and simulation are the same loop; they differ only in where the samples come
from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from perception_nodes.pipeline import Pipeline
from perception_nodes.scene import Sample, SceneState

_NANOSECONDS = 1e-9


class Sink(Protocol):
    """Takes what the pipeline believes after each frame: a bag, a report, a score."""

    def write(self, sample: Sample, state: SceneState, timings: Mapping[str, float]) -> None:
        """Take one frame, what is believed after it and how long each part took (s)."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run amounted to.

    Attributes:
        frames: Frames processed.
        late: Frames dropped because a newer one was due (live only).
        first, last: Stamps of the frames processed, ns; 0 without any.
        computing: Seconds spent inside the pipeline.
        elapsed: Seconds in total, with reading and writing.
    """

    frames: int
    late: int
    first: int
    last: int
    computing: float
    elapsed: float

    @property
    def duration(self) -> float:
        """Seconds that the recording spans."""
        return (self.last - self.first) * _NANOSECONDS

    @property
    def rate(self) -> float:
        """Frames per second, end to end."""
        return self.frames / self.elapsed if self.elapsed > 0 else 0.0


def run(
    samples: Iterable[Sample],
    pipeline: Pipeline,
    sinks: Sequence[Sink],
    on_frame: Callable[[], None] = lambda: None,
) -> Outcome:
    """Process samples in order.

    Args:
        samples: A recording or a simulation; wrap it in `Live` to keep pace with the clock.
        pipeline: What turns a frame into a scene state.
        sinks: Take the results in this order.
        on_frame: Called after each frame, for a progress bar.
    """
    start = time.perf_counter()
    frames = first = last = 0
    computing = 0.0
    for sample in samples:
        state = pipeline.process(sample.frame)
        for sink in sinks:
            sink.write(sample, state, pipeline.timings)
        computing += sum(pipeline.timings.values())
        first = first or sample.frame.stamp
        last = max(last, sample.frame.stamp)
        frames += 1
        on_frame()
    late = samples.late if isinstance(samples, Live) else 0
    return Outcome(frames, late, first, last, computing, time.perf_counter() - start)


class Live:
    """Delivers samples at the pace of their stamps and drops those that come too late.

    What a robot experiences: while one frame is being processed newer ones arrive, and only the
    newest is worth processing. A gap in the recording longer than `longest_wait` is skipped.

    Args:
        samples: Of a recording, in order of time.
        clock, sleep: Replaced in tests.
        longest_wait: Seconds.
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
        longest_wait: float = 5.0,
    ) -> None:
        self._samples = samples
        self._clock = clock
        self._sleep = sleep
        self._longest_wait = longest_wait
        self.late = 0

    def __iter__(self) -> Iterator[Sample]:
        offset: float | None = None
        waiting: Sample | None = None
        for sample in self._samples:
            due = sample.frame.stamp * _NANOSECONDS
            if offset is None:
                offset = self._clock() - due
            if waiting is not None:
                if self._clock() >= due + offset:
                    self.late += 1
                else:
                    yield waiting
            wait = due + offset - self._clock()
            if wait > self._longest_wait:
                offset -= wait
            elif wait > 0:
                self._sleep(wait)
            waiting = sample
        if waiting is not None:
            yield waiting
