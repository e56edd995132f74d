"""The messages of one topic: how often they come, and what is wrong with their stamps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from perception_nodes.doctor.finding import Finding

_SLOW_HZ = 5.0
_LATE_S = 0.5
_GAP = 2.5
_MUCH = 0.05


@dataclass(slots=True)
class Arrivals:
    """Stamps and times of arrival of the messages of a topic, ns, in order of arrival."""

    stamps: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def add(self, stamp: int, time: int) -> None:
        """Note a message."""
        self.stamps.append(stamp)
        self.times.append(time)

    def period(self) -> float:
        """Median time between messages by stamp, s; 0 where unknown."""
        gaps = [b - a for a, b in itertools.pairwise(self.stamps) if b > a]
        return median(gaps) * 1e-9 if gaps else 0.0

    def findings(self, subject: str) -> Iterator[Finding]:
        """Rate, losses, and stamps."""
        count = len(self.stamps)
        if count < 2:
            text = f"{count} message{'s' * (count != 1)}"
            yield Finding("BAD", subject, text, "is the driver running, and is this its topic?")
            return
        yield from self._rate(subject)
        yield from self._stamps(subject)

    def _rate(self, subject: str) -> Iterator[Finding]:
        period = self.period()
        if period == 0.0:
            return  # told with the stamps
        gaps = [(b - a) * 1e-9 for a, b in itertools.pairwise(sorted(self.stamps))]
        lost = sum(round(gap / period) - 1 for gap in gaps if gap > _GAP * period)
        share = lost / (len(self.stamps) + lost)
        text = f"{1.0 / period:.1f} Hz, {len(self.stamps)} messages"
        if share > _MUCH:
            remedy = "look for a slow network or disk; give the driver the Fast DDS profile"
            yield Finding("BAD", subject, f"{text}, about {share:.0%} lost", remedy)
        elif 1.0 / period < _SLOW_HZ:
            remedy = "what moves is followed better at 10 Hz or more"
            yield Finding("note", subject, text, remedy)
        else:
            yield Finding("ok", subject, text)

    def _stamps(self, subject: str) -> Iterator[Finding]:
        zeros = self.stamps.count(0)
        if zeros:
            remedy = "make the driver stamp its messages when they are measured"
            text = f"{zeros} of {len(self.stamps)} stamps are 0"
            yield Finding("BAD", subject, text, remedy)
            return
        backward = sum(b < a for a, b in itertools.pairwise(self.stamps))
        repeated = len(self.stamps) - len(set(self.stamps))
        if backward or repeated:
            text = f"{backward} stamps go backward, {repeated} are repeated"
            remedy = "do two drivers publish on this topic, or does a recording loop?"
            yield Finding("note", subject, text, remedy)
        delays = [(t - s) * 1e-9 for s, t in zip(self.stamps, self.times, strict=True)]
        delay = median(delays)
        if abs(delay) > 3600.0 or 0 in self.times:
            return  # recorded or simulated with another clock, or recorded with none
        if delay < -_LATE_S:
            remedy = "synchronize the clocks of the computers (chrony), see use_sim_time"
            yield Finding("BAD", subject, f"stamps lie {-delay:.1f} s in the future", remedy)
        elif delay > _LATE_S:
            remedy = "synchronize the clocks, or look for what holds messages up"
            text = f"messages come {delay:.1f} s after their stamp"
            yield Finding("note", subject, text, remedy)
