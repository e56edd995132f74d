"""Runs the pipeline over a source of frames and hands what comes out to sinks.

Replay of a recording and simulation are the same loop; they differ only in where the samples come
from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from perception_nodes.errors import PermanenceError
from perception_nodes.pipeline import Look, Pipeline
from perception_nodes.prefetch import prefetch
from perception_nodes.scene import Sample, SceneState

_NANOSECONDS = 1e-9
_JUMP = 1.0


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
        first, last: Stamps of the first frame and of the newest one, ns; 0 without any.
        computing: Seconds spent inside the pipeline.
        elapsed: Seconds in total, with reading and writing.
        ending: Why it ended before the source did; empty for a complete run.
    """

    frames: int
    first: int
    last: int
    computing: float
    elapsed: float
    ending: str = ""

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
    stopped: Callable[[], bool] = lambda: False,
    *,
    ahead: bool = False,
) -> Outcome:
    """Process samples in order.

    What was processed stays processed when the source breaks off: `Outcome.ending` says why.

    Args:
        samples: A recording or a simulation; wrap it in `Live` to keep pace with the clock.
        pipeline: What turns a frame into a scene state.
        sinks: Take the results in this order.
        on_frame: Called after each frame, for a progress bar.
        stopped: Asked before each frame whether the user wants no more.
        ahead: Read samples and find what they show in threads of their own while earlier frames
            are tracked and written; the result is the same. Not for `Live`, nor for a source that
            must be asked in the thread that made it.

    Raises:
        PermanenceError: The source fails before the first frame, or a sink can't write.
    """
    start = time.perf_counter()
    frames, stamps, computing, ending = 0, (0, 0), 0.0, ""
    with closing(_looks(samples, pipeline, ahead)) as looks:
        while not ending:
            try:
                sample, look = next(looks)
            except StopIteration:
                break
            except PermanenceError as error:
                if not frames:
                    raise
                ending = f"the source broke off: {error}"
                break
            state = pipeline.believe(look)
            for sink in sinks:
                sink.write(sample, state, pipeline.timings)
            computing += sum(pipeline.timings.values())
            stamp = sample.frame.stamp
            stamps = (stamps[0], max(stamps[1], stamp)) if frames else (stamp, stamp)
            frames += 1
            on_frame()
            if stopped():
                ending = "interrupted by the user: later frames were not processed"
    return Outcome(frames, *stamps, computing, time.perf_counter() - start, ending)


def _looks(
    samples: Iterable[Sample], pipeline: Pipeline, ahead: bool
) -> Generator[tuple[Sample, Look]]:
    """Samples and what they show, in order."""
    source = prefetch(samples) if ahead else samples
    looks = ((sample, pipeline.look(sample.frame)) for sample in source)
    yield from prefetch(looks) if ahead else looks


class Live:
    """Delivers samples at the pace of their stamps and drops those that come too late.

    What a robot experiences: while one frame is being processed newer ones arrive, and only the
    newest is worth processing. A gap in the recording longer than `longest_wait` is skipped, and a
    clock that jumps back starts anew.

    Args:
        samples: Of a recording, in order of time.
        clock, sleep: Replaced in tests.
        longest_wait: Seconds.

    Attributes:
        late: How many were dropped so far.
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
        offset = newest = 0.0
        waiting: Sample | None = None
        for sample in self._samples:
            due = sample.frame.stamp * _NANOSECONDS
            if waiting is not None and due < newest - _JUMP:
                yield waiting
                waiting = None
            if waiting is None:
                offset = self._clock() - due
            newest = due
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
