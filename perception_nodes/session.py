"""One run from samples to files: recording, report, memory and, where there is truth, a score.

`permanence replay` and `permanence demo` are this function with different sources.
"""

from __future__ import annotations

import importlib.metadata
import platform
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from perception_nodes.cjepa.foresight import Foresight, make_foresight
from perception_nodes.commands.progress import ProgressBar
from perception_nodes.discreet import Discreet
from perception_nodes.embodmocap.interface import PeopleSource
from perception_nodes.errors import ConfigurationError, InputError
from perception_nodes.gate.source import GatedSource
from perception_nodes.memory.writer import Memory
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.recorder import Recorder
from perception_nodes.replay import Outcome, Sink, run
from perception_nodes.report.sink import ReportSink
from perception_nodes.report.summary import RunSummary
from perception_nodes.scene import Sample
from perception_nodes.score.sink import ScoreSink
from perception_nodes.viewrope.beside import beside
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.factory import make_source
from perception_nodes.viewrope.source import SlotSource, Telling


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results go.

    Attributes:
        recording: MCAP file of object states, NAME.mcap; replaced if it exists.
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
        losses: Sentences about input that could not be read.
        drops: Images and frames read but not used, by cause. Any of these or of the losses makes
            the exit status 3.
        late: Frames dropped to keep pace with the clock, as the user asked.
        input_hash: Digest of the messages that were read; empty where there are none.
    """

    pose_origin: str
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    drops: Mapping[str, int] = field(default_factory=dict)
    late: int = 0
    input_hash: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left behind.

    Attributes:
        outcome: Frames, times and rates.
        report: Path of the page.
        score: Figures against truth; None without truth.
        losses: What was not read, used or processed; empty for a clean run.
        notes: Sentences that a reader should know.
    """

    outcome: Outcome
    report: Path
    score: dict[str, Any] | None
    losses: tuple[str, ...]
    notes: tuple[str, ...] = ()


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
    slots: SlotSource | None = None,
    foresight: Foresight | None = None,
    people: PeopleSource | None = None,
    private: bool = False,
    ahead: bool = False,
) -> Result:
    """Run the pipeline over samples and write everything that it says.

    What was processed is kept when the source breaks off with an error or the user interrupts
    once; the second time the run is abandoned.

    Args:
        samples: Recording or simulation, perhaps wrapped in `Live`.
        title: Of the report.
        outputs: Where results go.
        about: Asked at the end what the source has to say.
        command: The command line that repeats the run.
        total: Frames to expect, for the progress bar; 0 if unknown.
        map_id: Names the map in which positions are valid.
        extra_sinks: Further takers of results.
        slots: What finds objects; None for the default of `viewrope.factory.make_source`.
        foresight: What foresees objects; None for the default of `make_foresight`.
        people: What finds people; None to look for nobody.
        private: Whether no picture is kept while somebody is known.
        ahead: Whether samples may be read ahead in a thread, as `run` tells; the depth finder then
            works in a process of its own.

    Raises:
        PermanenceError: Nothing could be processed, or results can't be written.
    """
    slots = make_source() if slots is None else slots
    foresight = make_foresight() if foresight is None else foresight
    _make_room(outputs)
    with ExitStack() as stack:
        # It starts while the rest is made ready; networks work outside of the interpreter anyway.
        apart = ahead and type(slots) is DepthFinder
        working = stack.enter_context(beside(slots)) if apart else slots
        memory = stack.enter_context(Memory(outputs.memory, map_id))
        first = memory.next_object_number()
        tracker = ObjectTracker(first_number=first, motion=foresight.motion)
        known = _restoring(samples, memory, tracker, map_id)
        report, score = ReportSink(outputs.report, title), ScoreSink()
        stack.callback(_remove_if_empty, outputs.report / "report.html")
        recorder = stack.enter_context(Recorder(outputs.recording))
        pipeline = Pipeline(
            working, tracker, memory, foresight.futures, foresight.events, foresight.learn,
            people, private, slots.governor if isinstance(slots, GatedSource) else None,
            foresight.meet,
        )  # fmt: skip
        sinks: list[Sink] = [recorder, report, score, *extra_sinks]
        if private:
            sinks = [Discreet(sink) for sink in sinks]
        with _interruptible() as stopped, ProgressBar(title, total) as bar:
            outcome = run(known, pipeline, sinks, bar.advance, stopped, ahead=ahead)
        told = _with_notes(about(), slots, foresight)
        if outcome.frames == 0:
            raise _nothing(title, told)
        figures = score.figures() if score.frames else None
        path = report.close(_summary(title, outcome, told, command, figures))
    return Result(outcome, path, figures, (*_unread(outcome, told), *_unused(told)), told.notes)


def _restoring(
    samples: Iterable[Sample], memory: Memory, tracker: ObjectTracker, map_id: str
) -> Iterator[Sample]:
    """The samples; with the first one it is known for how long nobody looked at what is known."""
    restored = False
    for sample in samples:
        if not restored:
            tracker.restore(memory.restore(map_id, sample.frame.stamp))
            restored = True
        yield sample


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
    """Remove what an earlier run left under these names.

    Raises:
        ConfigurationError: A name can't be used.
    """
    if outputs.recording.suffix != ".mcap":
        raise ConfigurationError(f"{outputs.recording} is not the name of an .mcap file")
    files = [outputs.recording]
    if not outputs.resume:
        files += [Path(f"{outputs.memory}{suffix}") for suffix in ("", "-wal", "-shm")]
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"{file} can't be replaced: {error.strerror}", "choose another name"
            ) from error


def _remove_if_empty(page: Path) -> None:
    """Leave no page behind that says nothing."""
    if page.exists() and not page.stat().st_size:
        page.unlink()


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Within it the first Ctrl-C only sets what is given; the second does what it always did."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted.is_set
        return
    usual = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: object) -> None:  # noqa: ARG001 -- what signal handlers are given
        interrupted.set()
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupted.is_set
    finally:
        signal.signal(signal.SIGINT, usual)


def _with_notes(told: About, slots: SlotSource, foresight: Foresight) -> About:
    """Add what the slot source and what foresees have to say."""
    said = slots.notes() if isinstance(slots, Telling) else ()
    return replace(told, notes=(*told.notes, *said, *foresight.notes))


def _nothing(title: str, told: About) -> InputError:
    reasons = (*told.losses, *_unused(told), *told.notes)
    details = "; ".join(reasons) or "the source delivered no frame"
    return InputError(f"no frame of {title} could be processed: {details}")


def _unread(outcome: Outcome, told: About) -> tuple[str, ...]:
    return (*told.losses, outcome.ending) if outcome.ending else told.losses


def _unused(told: About) -> tuple[str, ...]:
    return tuple(f"{count} x {cause}" for cause, count in told.drops.items())


def _summary(
    title: str, outcome: Outcome, told: About, command: str, figures: dict[str, Any] | None
) -> RunSummary:
    version = f"permanence {importlib.metadata.version('permanence')}"
    return RunSummary(
        source=title,
        frames=outcome.frames,
        duration=outcome.duration,
        fps=outcome.rate,
        pose_origin=told.pose_origin,
        command=command,
        version=f"{version}, Python {platform.python_version()}",
        input_hash=told.input_hash,
        notes=told.notes,
        losses=_unread(outcome, told),
        drops={**told.drops, **({"late (live)": told.late} if told.late else {})},
        score=figures,
    )
