"""How long calls took: a histogram of fixed size, however long the run."""

from __future__ import annotations

import math

import numpy as np

_SHORTEST, _LONGEST = 1e-6, 100.0
_RATIO = 1.05
_BUCKETS = math.ceil(math.log(_LONGEST / _SHORTEST) / math.log(_RATIO)) + 2


class Latencies:
    """Seconds that calls took, in buckets 5 % wide; times outside 1 us to 100 s count as those."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, dtype=np.int64)
        self.longest = 0.0

    @property
    def count(self) -> int:
        """How many calls there were."""
        return int(self._counts.sum())

    def add(self, seconds: float) -> None:
        """Count a call."""
        place = math.ceil(math.log(max(seconds, _SHORTEST) / _SHORTEST) / math.log(_RATIO))
        self._counts[min(place, _BUCKETS - 1)] += 1
        self.longest = max(self.longest, seconds)

    def quantile(self, share: float) -> float:
        """Seconds that this share of the calls did not exceed, to 5 %; NaN without any calls."""
        total = self.count
        if not total:
            return math.nan
        reached = np.cumsum(self._counts) >= math.ceil(max(share * total, 1))
        return min(_SHORTEST * _RATIO ** int(reached.argmax()), self.longest)

    def __str__(self) -> str:
        if not self.count:
            return "no calls yet"
        parts = [
            f"p{100 * share:.0f} {1e3 * self.quantile(share):.1f}" for share in (0.5, 0.95, 0.99)
        ]
        return f"{', '.join(parts)}, max {1e3 * self.longest:.1f} ms of {self.count} calls"
