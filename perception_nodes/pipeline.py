"""The whole flow in one process: frame -> slots -> object states, futures -> memory.

Replay, simulation, evaluation and benchmarks run this class. On a robot the same parts run as
ROS nodes, cut at the seams between the lines of `Pipeline.process`. No part knows which.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from perception_nodes.cjepa.kalman_futures import KalmanFutures
from perception_nodes.cjepa.source import EventSource, Futures, FutureSource
from perception_nodes.embodmocap.interface import PeopleSource
from perception_nodes.gate.governor import Governor, Part
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.scene import Frame, ObjectState, Person, SceneState, Slots
from perception_nodes.viewrope.source import Learning, SlotSource

_NOBODY: tuple[Person, ...] = ()
_TIMED = {
    Part.SEARCH: "slots",
    Part.PEOPLE: "people",
    Part.FUTURES: "futures",
    Part.MEMORY: "memory",
}


class SceneMemory(Protocol):
    """What the pipeline asks of a memory."""

    def write(self, state: SceneState, frame: Frame | None = None) -> None:
        """Keep what was believed after a frame, and what the frame shows of it."""
        ...


class Look(NamedTuple):
    """A frame, what it shows, and how many seconds finding that took."""

    frame: Frame
    slots: Slots
    seconds: float


class Pipeline:
    """Owns the parts in order and turns one frame into one scene state.

    Args:
        slots: Finds objects in a frame.
        objects: Owns the object states.
        memory: Keeps them; None to run without.
        futures: Foresees what they will do; None for the Kalman filter.
        events: Tells what the tracker can't, such as contacts; None to do without.
        physics: Gives the states with what is believed of mass and friction; None to do without.
        people: Finds people; None to do without.
        meet: Is told of them before objects are moved, since hands move things; None: of nobody.
        private: Whether the memory gets no picture of a frame while somebody is known.
        governor: Says which parts run for a frame, and is told what they took; None to run all.
    """

    def __init__(
        self,
        slots: SlotSource,
        objects: ObjectTracker,
        memory: SceneMemory | None = None,
        futures: FutureSource | None = None,
        events: EventSource | None = None,
        physics: Callable[[Sequence[ObjectState]], tuple[ObjectState, ...]] | None = None,
        people: PeopleSource | None = None,
        private: bool = False,
        governor: Governor | None = None,
        meet: Callable[[int, Sequence[Person]], None] | None = None,
    ) -> None:
        self._slots = slots
        self._objects = objects
        self._futures = futures or KalmanFutures()
        self._events = events
        self._physics = physics
        self._people, self._meet = people, meet
        self._private = private
        self._memory = memory
        self._governor = governor
        self._ran: set[Part] = set()
        self._expected, self._present = Futures(), _NOBODY
        self._timings: dict[str, float] = {}

    @property
    def timings(self) -> Mapping[str, float]:
        """Seconds that each part took for the last frame."""
        return self._timings

    def process(self, frame: Frame) -> SceneState:
        """Take one frame through all parts.

        Frames of one camera come in order of time; a step back resets what is short-term.
        """
        return self.believe(self.look(frame))

    def look(self, frame: Frame) -> Look:
        """The first part of `process`: it asks nothing of the others, so it may run ahead."""
        start = time.perf_counter()
        slots = self._slots.find(frame)
        return Look(frame, slots, time.perf_counter() - start)

    def believe(self, look: Look) -> SceneState:
        """The rest of `process`; looks come in the order of their frames."""
        frame, slots, looking = look
        began = time.perf_counter()
        if self._people is not None and self._runs(Part.PEOPLE, frame):
            self._present = self._people.find(frame)
        people = self._present
        if self._people is not None and self._meet is not None:
            self._meet(frame.stamp, people)
        clock = [time.perf_counter()]
        objects, events = self._objects.update(frame, slots)
        if isinstance(self._slots, Learning):
            self._slots.learn(frame.stamp, objects)
        if self._physics is not None:
            objects = self._physics(objects)
        clock.append(time.perf_counter())
        if self._runs(Part.FUTURES, frame):
            self._expected = self._futures.foresee(frame.stamp, objects)
        if self._events is not None:
            events += self._events.tell(frame.stamp, objects)
        if events and self._governor is not None:
            self._governor.stirred(frame.stamp)
        clock.append(time.perf_counter())
        state = SceneState(frame.stamp, slots, objects, events, people, *self._expected)
        if self._memory is not None and (self._runs(Part.MEMORY, frame) or events):
            self._ran.add(Part.MEMORY)
            self._memory.write(state, None if self._private and people else frame)
        clock.append(time.perf_counter())
        times = (b - a for a, b in itertools.pairwise(clock))
        parts = ("objects", "futures", "memory")
        self._timings = {
            "slots": looking,
            "people": clock[0] - began,
            **dict(zip(parts, times, strict=True)),
        }
        self._account(frame.stamp, slots.rested)
        return state

    def _runs(self, part: Part, frame: Frame) -> bool:
        """Whether a part runs for a frame; what it said last stands otherwise."""
        runs = self._governor is None or self._governor.due(part, frame.stamp)
        if runs:
            self._ran.add(part)
        return runs

    def _account(self, stamp: int, rested: bool) -> None:
        """Tell the governor what the frame took."""
        if self._governor is not None:
            ran = self._ran if rested else {*self._ran, Part.SEARCH}
            seconds = {part: self._timings[_TIMED[part]] for part in sorted(ran)}
            rest = sum(self._timings.values()) - sum(seconds.values())
            self._governor.spent(stamp, seconds, rest)
        self._ran.clear()

    def reset(self) -> None:
        """Drop what is short-term (as when the clock jumps back); the memory keeps everything."""
        self._expected, self._present = Futures(), _NOBODY
        self._slots.reset()
        self._objects.reset()
        self._futures.reset()
        if self._people is not None:
            self._people.reset()
        if self._events is not None:
            self._events.reset()
