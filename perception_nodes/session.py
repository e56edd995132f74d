"""One run from samples to files: recording, report, memory and, where there is truth, a score.

`permanence replay` and `permanence demo` are this function with different sources.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perception_nodes.commands.progress import ProgressBar
from perception_nodes.errors import InputError, PermanenceError
from perception_nodes.memory.writer import Memory
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.recorder import Recorder
from perception_nodes.replay import Live, Outcome, Sink, run
from perception_nodes.report.sink import ReportSink
from perception_nodes.report.summary import RunSummary
from perception_nodes.scene import Sample
from perception_nodes.score.sink import ScoreSink
from perception_nodes.viewrope.depth_finder import DepthFinder


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results go.

    Attributes:
        recording: MCAP file of object states; replaced if it exists.
        report: Folder of report.html.
        memory: SQLite file.
        resume: Go on with what the memory file knows; otherwise it is replaced.
    """

    recording: Path
    report: Path
    memory: Path
    resume: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """What a source can say of itself once it has been read.

    Attributes:
        pose_origin: Where the camera's pose comes from.
        notes: Sentences that a reader should know.
        losses: Sentences about input that could not be used; any makes the exit status 3.
        drops: Frames not delivered, by cause.
    """

    pose_origin: str
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    drops: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left behind.

    Attributes:
        outcome: Frames, times and rates.
        report: Path of the page.
        score: Figures against truth; None without truth.
        losses: What could not be used; empty for a clean run.
    """

    outcome: Outcome
    report: Path
    score: dict[str, Any] | None
    losses: tuple[str, ...]


def run_session(
    samples: Iterable[Sample],
    title: str,
    outputs: Outputs,
    about: Callable[[], About],
    *,
    command: str = "",
    total: int = 0,
    map_id: str = "map",
    extra_sinks: Iterable[Sink] = (),
) -> Result:
    """Run the pipeline over samples and write everything that it says.

    What was processed is kept when the source breaks off with an error or the user interrupts.

    Args:
        samples: Recording or simulation, perhaps wrapped in `Live`.
        title: Of the report.
        outputs: Where results go.
        about: Asked at the end what the source has to say.
        command: The command line that repeats the run.
        total: Frames to expect, for the progress bar; 0 if unknown.
        map_id: Names the map in which positions are valid.
        extra_sinks: Further takers of results.

    Raises:
        PermanenceError: Nothing could be processed, or results can't be written.
    """
    _make_room(outputs)
    with ExitStack() as stack:
        memory = stack.enter_context(Memory(outputs.memory, map_id))
        tracker = ObjectTracker(first_number=memory.next_object_number())
        tracker.restore(memory.restore(map_id))
        report, score = ReportSink(outputs.report, title), ScoreSink()
        recorder = stack.enter_context(Recorder(outputs.recording))
        pipeline = Pipeline(DepthFinder(), tracker, memory)
        sinks: list[Sink] = [recorder, report, score, *extra_sinks]
        guarded = _Guarded(samples)
        with ProgressBar(title, total) as bar:
            outcome = run(guarded, pipeline, sinks, bar.advance)
        told = about()
        losses = told.losses + guarded.broken
        if outcome.frames == 0:
            raise _nothing(title, losses, told)
        figures = score.figures() if score.frames else None
        path = report.close(_summary(title, outcome, told, losses, command, figures))
    return Result(outcome, path, figures, losses)


@contextmanager
def rerun_sinks(path: Path | None) -> Iterator[list[Sink]]:
    """The sinks of a Rerun recording, if one is wanted.

    Raises:
        ConfigurationError: It is wanted, but the Rerun SDK is not installed.
    """
    if path is None:
        yield []
        return
    from perception_nodes.report.rerun import RerunSink

    sink = RerunSink(path)
    yield [sink]
    sink.close()


def _make_room(outputs: Outputs) -> None:
    outputs.recording.unlink(missing_ok=True)
    if not outputs.resume:
        for suffix in ("", "-wal", "-shm"):
            outputs.memory.with_name(outputs.memory.name + suffix).unlink(missing_ok=True)


class _Guarded:
    """Ends a source that breaks off, and remembers why."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples
        self.broken: tuple[str, ...] = ()

    @property
    def late(self) -> int:
        return self._samples.late if isinstance(self._samples, Live) else 0

    def __iter__(self) -> Any:
        delivered = False
        try:
            for sample in self._samples:
                yield sample
                delivered = True
        except PermanenceError as error:
            if not delivered:
                raise
            self.broken = (f"the source broke off: {error}",)
        except KeyboardInterrupt:
            self.broken = ("interrupted by the user: later frames were not processed",)


def _nothing(title: str, losses: tuple[str, ...], told: About) -> InputError:
    causes = [f"{count} x {cause}" for cause, count in told.drops.items()]
    details = "; ".join((*causes, *losses, *told.notes)) or "the source delivered no frame"
    return InputError(f"no frame of {title} could be processed: {details}")


def _summary(
    title: str,
    outcome: Outcome,
    told: About,
    losses: tuple[str, ...],
    command: str,
    figures: dict[str, Any] | None,
) -> RunSummary:
    versions = f"permanence {importlib.metadata.version('permanence')}"
    return RunSummary(
        source=title,
        frames=outcome.frames,
        duration=outcome.duration,
        fps=outcome.rate,
        pose_origin=told.pose_origin,
        command=command,
        version=f"{versions}, Python {platform.python_version()}",
        notes=told.notes,
        losses=losses,
        drops={**told.drops, **({"late (live)": outcome.late} if outcome.late else {})},
        score=figures,
    )
