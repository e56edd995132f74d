"""What the report remembers of a run: bounded, whatever the length of the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from perception_nodes.scene import Event, Frame, ObjectState, SceneState, Visibility
from perception_nodes.score.hidden import SHORTEST_EPISODE

MAX_SPANS = 1000
MAX_EVENTS = 2000
MAX_TRACKS = 200
MAX_TIMINGS = 4000
_MAX_PATH = 600
_JUMP = 1.0
_GONE = 0.5

T = TypeVar("T")


class Point(NamedTuple):
    """A believed position at a time: seconds of the run, meters in the world."""

    t: float
    x: float
    y: float
    visibility: Visibility


class View(NamedTuple):
    """A camera seen from above at a time; `yaw` is None while it looks straight up or down."""

    t: float
    x: float
    y: float
    yaw: float | None


class Span(NamedTuple):
    """A stretch of time during which the visibility of an object did not change."""

    begin: float
    end: float
    visibility: Visibility


class Episode(NamedTuple):
    """A stretch of time during which an object was out of sight.

    Attributes:
        begin, end: Seconds of the run.
        ending: VISIBLE if it was found again, LOST if it was given up, None if the run ended first.
    """

    begin: float
    end: float
    ending: Visibility | None


class Decimated(Generic[T]):
    """An evenly thinned series that never holds more than `limit` items, plus the newest."""

    def __init__(self, limit: int = _MAX_PATH) -> None:
        self._limit = limit
        self._stride = 1
        self._count = 0
        self._kept: list[T] = []
        self._newest: list[T] = []

    def append(self, item: T) -> None:
        """Take the next item, kept or not."""
        if self._count % self._stride == 0:
            self._kept.append(item)
            self._newest = []
            if len(self._kept) > self._limit:
                self._kept = self._kept[::2]
                self._stride *= 2
        else:
            self._newest = [item]
        self._count += 1

    def __iter__(self) -> Iterator[T]:
        yield from self._kept
        yield from self._newest


class Track:
    """One object through the run.

    Attributes:
        index: Order of appearance, which gives the color.
        state: The newest belief.
        path: Where it was believed to be, thinned.
        spans: How visible it was, gapless while it was known; of very many the short ones count as
            what was before them.
    """

    def __init__(self, index: int, state: ObjectState) -> None:
        self.index = index
        self.state = state
        self.path: Decimated[Point] = Decimated()
        self.spans: list[Span] = []
        self._shortest = SHORTEST_EPISODE

    def add(self, t: float, state: ObjectState) -> None:
        """Take the belief of the next frame."""
        self.state = state
        x, y = float(state.position[0]), float(state.position[1])
        if math.isfinite(x) and math.isfinite(y):
            self.path.append(Point(t, x, y, state.visibility))
        if not self.spans:
            self.spans.append(Span(t, t, state.visibility))
            return
        last = self.spans[-1]
        self.spans[-1] = last._replace(end=t)
        if last.visibility != state.visibility:
            self.spans.append(Span(t, t, state.visibility))
            if len(self.spans) > MAX_SPANS:
                self._thin()

    def _thin(self) -> None:
        """Let flicker go, and each time longer flicker, until there is room again."""
        *past, now = self.spans
        while len(past) > MAX_SPANS // 2:
            kept = past[:1]
            for span in past[1:]:
                last = kept[-1]
                if span.end - span.begin < self._shortest or span.visibility == last.visibility:
                    kept[-1] = last._replace(end=span.end)
                else:
                    kept.append(span)
            past = kept
            self._shortest *= 2.0
        self.spans = [*past, now]

    @property
    def name(self) -> str:
        """What a person calls it, or else its id."""
        return self.state.label or self.state.id

    @property
    def life(self) -> float:
        """Seconds for which it was known."""
        return sum(span.end - span.begin for span in self.spans)

    def hidden_for(self) -> float:
        """Seconds since it was last seen; 0 while it is visible."""
        begin = None
        for span in reversed(self.spans):
            if span.visibility == Visibility.VISIBLE:
                break
            begin = span.begin
        return 0.0 if begin is None else self.spans[-1].end - begin

    def episodes(self, now: float) -> list[Episode]:
        """The times out of sight that are longer than flicker, in order.

        An object that is lost for a while and found again under its old id was found again.

        Args:
            now: Seconds of the run; an object not known any more by then was lost.
        """
        found: list[Episode] = []
        begin: float | None = None
        for span in self.spans:
            if span.visibility != Visibility.VISIBLE:
                begin = span.begin if begin is None else begin
            elif begin is not None:
                found.append(Episode(begin, span.begin, Visibility.VISIBLE))
                begin = None
        if begin is not None:
            last = self.spans[-1]
            lost = last.visibility == Visibility.LOST or last.end < now - _GONE
            found.append(Episode(begin, last.end, Visibility.LOST if lost else None))
        return [e for e in found if e.end - e.begin >= SHORTEST_EPISODE]


class RunRecord:
    """Everything that the page shows except the key frames.

    Attributes:
        tracks: By object id, in order of appearance; of very many those known longest.
        more_tracks: How many were left out for them.
        views: By camera name, the way of the camera, thinned.
        events: (seconds of the run, event), the first 2000.
        more_events: How many came after those.
        timings: By part, seconds of each frame, thinned.
        duration: Seconds from the first to the last frame.
    """

    def __init__(self) -> None:
        self.tracks: dict[str, Track] = {}
        self.more_tracks = 0
        self.views: dict[str, Decimated[View]] = {}
        self.events: list[tuple[float, Event]] = []
        self.more_events = 0
        self.timings: dict[str, Decimated[float]] = {}
        self.duration = 0.0
        self._zero: int | None = None

    def add(self, frame: Frame, state: SceneState, timings: Mapping[str, float]) -> float:
        """Take the next frame and return its time in seconds of the run."""
        t = self._time(state.stamp)
        for item in state.objects:
            if item.id not in self.tracks:
                self.tracks[item.id] = Track(len(self.tracks) + self.more_tracks, item)
            self.tracks[item.id].add(t, item)
        self._leave_out({item.id for item in state.objects})
        room = MAX_EVENTS - len(self.events)
        self.events.extend((t, event) for event in state.events[:room])
        self.more_events += max(0, len(state.events) - room)
        for part, seconds in timings.items():
            self.timings.setdefault(part, Decimated(MAX_TIMINGS)).append(seconds)
        self._add_view(t, frame)
        return t

    def _leave_out(self, known: set[str]) -> None:
        """Of too many objects drop those known for the shortest time and not any more."""
        room = MAX_TRACKS - len(self.tracks)
        if room >= 0:
            return
        gone = [(track.life, name) for name, track in self.tracks.items() if name not in known]
        for _, name in sorted(gone)[:-room]:
            del self.tracks[name]
            self.more_tracks += 1

    def _time(self, stamp: int) -> float:
        """Seconds of the run, which go on where the clock of the recording jumps back."""
        if self._zero is None:
            self._zero = stamp
        t = (stamp - self._zero) * 1e-9
        if t < self.duration - _JUMP:
            self._zero = stamp - round(self.duration * 1e9)
        self.duration = max(self.duration, t)
        return self.duration

    def _add_view(self, t: float, frame: Frame) -> None:
        if frame.pose is None:
            return
        x, y = (float(v) for v in frame.pose.translation[:2])
        ahead = frame.pose.rotation[:2, 2]
        yaw = math.atan2(ahead[1], ahead[0]) if math.hypot(*ahead) > 0.1 else None
        self.views.setdefault(frame.camera_name, Decimated()).append(View(t, x, y, yaw))
