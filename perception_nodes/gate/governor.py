"""The one owner of the compute budget: what may run now, and what is slowed down first.

What happens decides first: where nothing does, parts run less often though there is time. Pressure
decides next: one integrator of the load slows parts down in a stated order, `ORDER`. Its clock
ticks when something happened: subjective duration as accumulated salient change (Roseboom et al.,
Nature Communications 10:267). Tracking and events are never slowed down, nor is a rest of the
search made longer than `longest_rest` says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from perception_nodes.errors import ConfigurationError


class Part(StrEnum):
    """What a governor slows down, in the order in which it does."""

    MEMORY = "memory writes"
    FUTURES = "prediction"
    PLANNING = "planning"
    PEOPLE = "keypoints"
    SEARCH = "search for objects"


ORDER = tuple(Part)
NOMINAL: Mapping[Part, float] = {
    Part.MEMORY: 0.08, Part.FUTURES: 0.05, Part.PLANNING: 0.0, Part.PEOPLE: 0.0, Part.SEARCH: 0.7,
}  # fmt: skip
"""Shares of what a frame costs (bench/replay.py); the rest is tracking. A replay counts with these,
so that it is the same each time; a robot counts seconds."""
GAIN = 0.25
_IN_CALM: Mapping[Part, int] = {Part.MEMORY: 5, Part.FUTURES: 3, Part.PEOPLE: 2}
UNDER_PRESSURE = 4
"""Of how many frames one is left to a part that is slowed down."""
_AWAKE = 1_000_000_000
"""Nanoseconds after something happened in which all parts that are not slowed down run."""
_THRESHOLD, _LOWEST, _HIGHEST = 0.02, 0.003, 0.08
_LONGEST_DOUBLINGS = 3


@dataclass(slots=True)
class Governor:
    """Keeps the mean load at or below a budget.

    Attributes:
        budget: Load that may be spent, above 0: seconds of computing a second where seconds are
            counted, else the share of what everything at every frame costs.
        parts: Those that it has a say in, in the order of `ORDER`.
        nominal: What parts cost; None to count seconds.
        pressure: Below 0 there is time to spare, and smaller changes are searched for; from 0 on
            it says how many parts are slowed down.
        ticks: How often something happened so far: subjective time.
        load: Mean of the last frames.

    Raises:
        ConfigurationError: The budget is not above 0.
    """

    budget: float
    parts: tuple[Part, ...] = ORDER
    nominal: Mapping[Part, float] | None = None
    pressure: float = 0.0
    ticks: int = field(default=0, init=False)
    load: float = field(default=0.0, init=False)
    _stirred: int | None = None
    _ticked: int | None = None
    _spent: int | None = None
    _quiet_looks: int = 0
    _needed: dict[Part, int] = field(default_factory=dict)
    _waited: dict[Part, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.budget > 0.0:
            raise ConfigurationError(f"a load of {self.budget} can't be kept", "choose one above 0")

    @property
    def threshold(self) -> float:
        """Meters that something must move now to be searched for, 3 mm to 8 cm."""
        if self.pressure < 0.0:
            return float(_THRESHOLD * (_LOWEST / _THRESHOLD) ** min(-self.pressure, 1.0))
        last = self.pressure - (len(self.parts) - 1)
        return float(_THRESHOLD * (_HIGHEST / _THRESHOLD) ** min(max(last, 0.0), 1.0))

    def worth(self, stamp: int, change: float) -> bool:
        """Whether something moved far enough, m, by a frame at `stamp`, ns, to be searched for."""
        if change > self.threshold:
            self.stirred(stamp)
            return True
        return self._needed.get(Part.SEARCH, stamp) > stamp

    def longest_rest(self, seconds: float) -> float:
        """A longest rest in subjective time: doubled, up to three times, while nothing happens."""
        return seconds * (1 << min(self._quiet_looks, _LONGEST_DOUBLINGS))

    def looked_in_vain(self) -> None:
        """A search after the longest rest; the next rest is longer if nothing happens before."""
        self._quiet_looks += 1

    def due(self, part: Part, stamp: int) -> bool:
        """Whether a part runs for a frame; to be asked once for each."""
        waited = self._waited.get(part, 0) + 1
        calm = self._stirred is None or stamp - self._stirred > _AWAKE
        period = _IN_CALM.get(part, 1) if calm else 1
        if part in self.slowed():
            period *= UNDER_PRESSURE
        if self._needed.get(part, stamp) > stamp:
            period = 1
        runs = waited >= period
        self._waited[part] = 0 if runs else waited
        return runs

    def need(self, parts: Collection[Part], until: int) -> None:
        """A planner needs parts at their full rate until a stamp, ns, whatever the pressure."""
        for part in parts:
            self._needed[part] = max(until, self._needed.get(part, until))

    def stirred(self, stamp: int) -> None:
        """Something happened at a time, ns: the clock ticks, once for each frame."""
        if self._ticked != stamp:
            self.ticks += 1
        self._ticked = self._stirred = stamp
        self._quiet_looks = 0

    def spent(self, stamp: int, seconds: Mapping[Part, float], other: float = 0.0) -> None:
        """What the frame at hand took.

        Args:
            stamp: Of the frame, ns.
            seconds: Of the parts that ran, and of no others.
            other: Seconds of everything else.
        """
        if self.nominal is not None:
            load = 1.0 - sum(self.nominal.values()) + sum(self.nominal[part] for part in seconds)
        elif self._spent is None or stamp <= self._spent:
            self._spent = stamp
            return
        else:
            load = (sum(seconds.values()) + other) / ((stamp - self._spent) * 1e-9)
        self._spent = stamp
        self.load += 0.1 * (load - self.load)
        raised = self.pressure + GAIN * (min(load, 4.0) - self.budget)
        self.pressure = min(max(raised, -1.0), float(len(self.parts)))

    def slowed(self) -> tuple[Part, ...]:
        """The parts that are slowed down now."""
        return self.parts[: max(int(self.pressure), 0)]

    def says(self) -> str:
        """What is slowed down, in a sentence; empty if nothing is."""
        if not self.slowed():
            return ""
        return f"over the compute budget: slowed down are {', '.join(self.slowed())}"

    def facts(self) -> Mapping[str, str]:
        """Figures for diagnostics."""
        return {
            "compute": f"{100 * self.load:.0f} % of the time, {100 * self.budget:.0f} % allowed",
            "slowed down": ", ".join(self.slowed()) or "nothing",
            "subjective time": f"{self.ticks} ticks",
        }
