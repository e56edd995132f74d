"""How a node is doing, as numbers and one sentence: inputs, outputs, drops, errors.

ROS-free; `diagnostics.py` publishes it. Silence is measured on a steady clock, since the ROS clock
stops with a simulation.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from statistics import median

import numpy as np

_RECENT_S = 3.0
_PERIODS_OF_SILENCE = 3.0


class Level(IntEnum):
    """Levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass
class Arrivals:
    """What came in on a topic, or went out.

    Attributes:
        required: Whether the node is stale without it.
        since: When waiting began, s on the steady clock.
        count: Messages so far.
    """

    required: bool
    since: float
    count: int = 0
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=30))

    def note(self, now: float) -> None:
        """Count a message."""
        self.count += 1
        self._times.append(now)

    def silence(self, now: float) -> float:
        """Seconds since the last message, or since waiting began."""
        return now - max(self._times[-1] if self._times else self.since, self.since)

    def period(self) -> float:
        """Median seconds between messages; NaN while unknown."""
        times = list(self._times)
        gaps = [b - a for a, b in itertools.pairwise(times)]
        return median(gaps) if gaps else math.nan

    def rate(self, now: float) -> float:
        """Messages a second over the last seconds; 0 when they stopped."""
        recent = [t for t in self._times if t >= now - _RECENT_S]
        return (len(recent) - 1) / (now - recent[0]) if len(recent) > 1 and now > recent[0] else 0.0


class Health:
    """Collects what happens in a node; safe to use from its threads.

    Args:
        clock: Steady seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._inputs: dict[str, Arrivals] = {}
        self._outputs = Arrivals(required=False, since=clock())
        self._drops: Counter[str] = Counter()
        self._errors = 0
        self._jumps = 0
        self._trouble = ("", -math.inf)
        self._latencies: deque[float] = deque(maxlen=300)
        self._processing: deque[float] = deque(maxlen=300)

    def expect(self, topic: str, required: bool) -> None:
        """Declare an input; silence counts from now."""
        with self._lock:
            self._inputs[topic] = Arrivals(required, self._clock())

    def forget_inputs(self) -> None:
        """Expect nothing any more."""
        with self._lock:
            self._inputs.clear()

    def activated(self) -> None:
        """Count silence from now."""
        with self._lock:
            for entry in (*self._inputs.values(), self._outputs):
                entry.since = self._clock()

    def arrived(self, topic: str) -> None:
        """Count a message of an input."""
        with self._lock:
            if topic in self._inputs:
                self._inputs[topic].note(self._clock())

    def published(self, latency_ms: float, processing_ms: float) -> None:
        """Count a result: age of its image when it left, time that was worked on it."""
        with self._lock:
            self._outputs.note(self._clock())
            self._latencies.append(latency_ms)
            self._processing.append(processing_ms)

    def dropped(self, cause: str, number: int = 1, detail: str = "") -> None:
        """Count messages that were not processed; a detail makes it a warning."""
        with self._lock:
            self._drops[cause] += number
            if detail:
                self._trouble = (detail, self._clock())

    def failed(self, text: str) -> None:
        """Count a callback that raised."""
        with self._lock:
            self._errors += 1
            self._trouble = (text, self._clock())

    def jumped(self) -> None:
        """Count a jump of the clock."""
        with self._lock:
            self._jumps += 1

    def silent(self, timeout: float) -> list[str]:
        """Required inputs that are silent for longer than a timeout and their usual period."""
        with self._lock:
            now = self._clock()
            return [n for n, a in self._inputs.items() if a.required and _late(a, now, timeout)]

    def fruitless(self, timeout: float) -> bool:
        """Whether nothing comes out although required inputs come in."""
        with self._lock:
            fed = any(entry.required for entry in self._inputs.values())
            return fed and _late(self._outputs, self._clock(), 2.0 * timeout)

    def judge(self, timeout: float, stale_after: float) -> tuple[Level, str]:
        """The level and one sentence; the sentence is empty where all is well."""
        silent = self.silent(timeout)
        with self._lock:
            now = self._clock()
            if silent:
                worst = max(self._inputs[name].silence(now) for name in silent)
                text = ", ".join(
                    f"{n} silent for {self._inputs[n].silence(now):.1f} s" for n in silent
                )
                return Level.STALE if worst > stale_after else Level.WARN, text
            trouble, when = self._trouble
            if now - when < _RECENT_S:
                return Level.WARN, trouble
            return Level.OK, ""

    def values(self) -> Mapping[str, str]:
        """All figures as text, in a fixed order."""
        with self._lock:
            now = self._clock()
            figures: dict[str, str] = {}
            for name, entry in self._inputs.items():
                figures[f"input {name}"] = (
                    f"{entry.count} messages, {entry.rate(now):.1f} Hz, "
                    f"last {entry.silence(now):.2f} s ago"
                )
            figures["output"] = f"{self._outputs.count} messages, {self._outputs.rate(now):.1f} Hz"
            figures["latency p50/p95/p99 ms"] = _percentiles(self._latencies)
            figures["processing p50/p95/p99 ms"] = _percentiles(self._processing)
            for cause, number in sorted(self._drops.items()):
                figures[f"dropped, {cause}"] = str(number)
            figures["errors"] = str(self._errors)
            figures["clock jumps"] = str(self._jumps)
            return figures


def _late(entry: Arrivals, now: float, timeout: float) -> bool:
    usual = entry.period()
    limit = timeout if math.isnan(usual) else max(timeout, _PERIODS_OF_SILENCE * usual)
    return entry.silence(now) > limit


def _percentiles(samples: deque[float]) -> str:
    if not samples:
        return "none"
    return " / ".join(f"{v:.1f}" for v in np.percentile(list(samples), (50, 95, 99)))
