"""Pairs the color and depth images of a camera by their stamps, and says why none come out.

Images are one pair when each is the other's nearest neighbor and they lie closer than half a
period of the faster input: with more slop, the wrong images would be paired silently.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Generic, NamedTuple, TypeVar

from perception_nodes.geometry.transforms import BACKWARD_JUMP_NS

MAX_TOLERANCE_NS = 50_000_000
RATE_SAMPLES = 50

A = TypeVar("A")
B = TypeVar("B")


class Pair(NamedTuple, Generic[A, B]):
    """Two images that belong together; `stamp` is that of the first input, ns."""

    stamp: int
    first: A
    second: B


@dataclass
class InputStatistics:
    """What arrived on one input.

    Attributes:
        name: Of the input, such as "depth".
        count: How many messages arrived.
        first, last: The smallest and largest stamp, ns.
        unpaired: How many were dropped without a partner.
        outside: Of these, how many came in the second before the first or after the last message
            of the other input: recorders do not start and stop all topics at once.
    """

    name: str
    count: int = 0
    first: int = 0
    last: int = 0
    unpaired: int = 0
    outside: int = 0
    trailing: int = 0
    periods: deque[int] = field(default_factory=lambda: deque(maxlen=RATE_SAMPLES))

    @property
    def period(self) -> int | None:
        """Median time between messages, ns; None while fewer than three have arrived."""
        return round(median(self.periods)) if len(self.periods) >= 2 else None

    def describe(self) -> str:
        """Such as "12 depth messages at 30.0 Hz, 0.0..1.2 s"."""
        if not self.count:
            return f"no {self.name} messages"
        rate = f" at {1e9 / self.period:.1f} Hz" if self.period else ""
        span = f"{self.first * 1e-9:.1f}..{self.last * 1e-9:.1f} s"
        messages = "message" if self.count == 1 else "messages"
        return f"{self.count} {self.name} {messages}{rate}, {span}"


class _Input:
    """The messages of one input that still wait for a partner, in order of stamp."""

    def __init__(self, name: str) -> None:
        self.statistics = InputStatistics(name)
        self.stamps: list[int] = []
        self.items: dict[int, object] = {}
        self.newest: int | None = None
        self.recent: deque[int] = deque(maxlen=RATE_SAMPLES)

    def add(self, stamp: int, item: object) -> bool:
        """Keep a message; False if one with this stamp waits already."""
        seen = self.statistics
        seen.first = min(seen.first, stamp) if seen.count else stamp
        seen.last = max(seen.last, stamp) if seen.count else stamp
        seen.count += 1
        self.recent.append(stamp)
        if self.newest is not None and stamp > self.newest:
            seen.periods.append(stamp - self.newest)
        self.newest = stamp if self.newest is None else max(self.newest, stamp)
        if stamp in self.items:
            seen.unpaired += 1
            return False
        insort(self.stamps, stamp)
        self.items[stamp] = item
        return True

    def nearest(self, stamp: int) -> int | None:
        i = bisect_left(self.stamps, stamp)
        around = self.stamps[max(i - 1, 0) : i + 1]
        return min(around, key=lambda s: abs(s - stamp)) if around else None

    def take(self, stamp: int) -> object:
        self.stamps.remove(stamp)
        return self.items.pop(stamp)

    def drop(self, stamp: int) -> None:
        self.take(stamp)
        self.statistics.unpaired += 1


class Synchronizer(Generic[A, B]):
    """Pairs two inputs by stamp.

    Args:
        first, second: What the inputs are called in explanations.
        newest_only: For live use: pair at once, and of several pairs that become ready together
            give only the newest. Otherwise every pair is given, each when it is certain.
        capacity: How many messages of an input may wait for a partner.
    """

    def __init__(
        self, first: str, second: str, newest_only: bool = False, capacity: int = 30
    ) -> None:
        self._inputs = (_Input(first), _Input(second))
        self._newest_only = newest_only
        self._capacity = capacity
        self._offsets: deque[int] = deque(maxlen=RATE_SAMPLES)
        self._emitted: int | None = None
        self.pairs = 0
        self.superseded = 0
        self.jumps = 0

    @property
    def statistics(self) -> tuple[InputStatistics, InputStatistics]:
        """What arrived on each input."""
        return self._inputs[0].statistics, self._inputs[1].statistics

    @property
    def tolerance(self) -> int | None:
        """How far apart a pair may be, ns; None until the rate of both inputs is known."""
        periods = [i.statistics.period for i in self._inputs]
        known = [p for p in periods if p is not None]
        if len(known) < len(periods):
            return None
        return min(min(known) // 2, MAX_TOLERANCE_NS)

    def add_first(self, stamp: int, item: A) -> list[Pair[A, B]]:
        """Take a message of the first input; return the pairs that are ready, oldest first."""
        return self._add(0, stamp, item)

    def add_second(self, stamp: int, item: B) -> list[Pair[A, B]]:
        """Take a message of the second input; return the pairs that are ready, oldest first."""
        return self._add(1, stamp, item)

    def flush(self) -> list[Pair[A, B]]:
        """Pair what still waits, at the end of a recording; the rest counts as unpaired."""
        pairs = self._match(final=True)
        for waiting in self._inputs:
            for stamp in list(waiting.stamps):
                self._drop(waiting, stamp)
            waiting.newest = None
            waiting.statistics.outside += waiting.statistics.trailing
            waiting.statistics.trailing = 0
        self._emitted = None
        return pairs

    def explain(self) -> str:
        """One sentence on what came out and, if too little did, why."""
        first, second = self.statistics
        heard = f"{first.describe()}; {second.describe()}"
        if not first.count or not second.count:
            return f"nothing can be paired: {heard}"
        a, b = sorted((first, second), key=lambda s: s.first)
        if not self.pairs and b.first > a.last + MAX_TOLERANCE_NS:
            gap = (b.first - a.last) * 1e-9
            return f"{first.name} and {second.name} never overlap: {heard}, gap {gap:.1f} s"
        text = f"{self.pairs} pairs from {heard}"
        if self._offsets:
            tolerance = self.tolerance if self.tolerance is not None else MAX_TOLERANCE_NS
            text += (
                f"; the {first.unpaired + second.unpaired} without a partner were "
                f"{median(self._offsets) * 1e-6:.0f} ms (median) from the nearest one, the "
                f"tolerance is {tolerance * 1e-6:.0f} ms"
            )
        return text

    def _add(self, index: int, stamp: int, item: object) -> list[Pair[A, B]]:
        waiting = self._inputs[index]
        pairs: list[Pair[A, B]] = []
        if waiting.newest is not None and stamp < waiting.newest - BACKWARD_JUMP_NS:
            self.jumps += 1
            pairs = self.flush()
        self._inputs[1 - index].statistics.trailing = 0  # what trailed lies between messages
        if waiting.add(stamp, item):
            pairs += self._match(final=False)
        self._expire()
        return pairs

    def _match(self, final: bool) -> list[Pair[A, B]]:
        first, second = self._inputs
        limit = self.tolerance
        if limit is None:
            limit = MAX_TOLERANCE_NS if final else 0
        pairs: list[Pair[A, B]] = []
        for stamp in list(first.stamps):
            other = second.nearest(stamp)
            if other is None or abs(other - stamp) > limit or first.nearest(other) != stamp:
                continue
            if final or self._newest_only or self._is_certain(stamp, other):
                pairs.append(Pair(stamp, first.take(stamp), second.take(other)))  # type: ignore[arg-type]
        return self._count(pairs)

    def _is_certain(self, stamp: int, other: int) -> bool:
        """Whether no message that is still to come (in order) can be a nearer partner."""
        first, second = self._inputs
        reach = abs(other - stamp)
        assert first.newest is not None
        assert second.newest is not None
        return first.newest >= other + reach and second.newest >= stamp + reach

    def _count(self, pairs: list[Pair[A, B]]) -> list[Pair[A, B]]:
        if self._newest_only and pairs:
            fresh = [p for p in pairs if self._emitted is None or p.stamp > self._emitted][-1:]
            self.superseded += len(pairs) - len(fresh)
            pairs = fresh
        if pairs:
            self._emitted = pairs[-1].stamp
        self.pairs += len(pairs)
        return pairs

    def _expire(self) -> None:
        """Drop what can't be paired any more, and what is more than the capacity."""
        for waiting, other in (self._inputs, self._inputs[::-1]):
            passed = None if other.newest is None else other.newest - BACKWARD_JUMP_NS
            while waiting.stamps and (
                len(waiting.stamps) > self._capacity
                or (passed is not None and waiting.stamps[0] < passed)
            ):
                self._drop(waiting, waiting.stamps[0])

    def _drop(self, waiting: _Input, stamp: int) -> None:
        other = self._inputs[1] if waiting is self._inputs[0] else self._inputs[0]
        if other.recent:
            self._offsets.append(min(abs(recent - stamp) for recent in other.recent))
        seen, partner = waiting.statistics, other.statistics
        if partner.count:
            seen.outside += 0 < partner.first - stamp <= BACKWARD_JUMP_NS
            seen.trailing += 0 < stamp - partner.last <= BACKWARD_JUMP_NS
        waiting.drop(stamp)
