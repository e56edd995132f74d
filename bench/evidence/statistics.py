"""What every claim is checked with: paired bootstrap, Wilson intervals, negative controls.

The rules: at least three training seeds, evaluation episodes that no training saw, differences
paired by (seed, episode), and a control that must come out as nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with the interval in which it lies at `LEVEL`.

    Attributes:
        value, low, high: In the unit of what was measured.
    """

    value: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether a value is implausible at `LEVEL`."""
        return not self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def paired_ratio(a: Floats, b: Floats, rounds: int = 2000, seed: int = 0) -> Interval:
    """How large the mean of a is as a multiple of that of b, by a paired bootstrap.

    Args:
        a: [seeds, episodes], errors of a method.
        b: Those of another on the same seeds and episodes. Both are drawn with replacement, so
            the luck of either is in the interval.
        rounds: Bootstrap samples.
        seed: Of the random numbers.
    """
    return _bootstrap(a, b, lambda x, y: float(x.mean() / y.mean()), rounds, seed)


def paired_difference(a: Floats, b: Floats, rounds: int = 2000, seed: int = 0) -> Interval:
    """Mean of a minus mean of b; see `paired_ratio`."""
    return _bootstrap(a, b, lambda x, y: float(x.mean() - y.mean()), rounds, seed)


def wilson(successes: int, trials: int) -> Interval:
    """The share of successes with its interval (Wilson, 1927), sound at 0 and 1 too.

    Raises:
        ValueError: There was no trial, or more successes than trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    z = 1.959964
    share = successes / trials
    center = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    spread = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    half = float(spread / (1 + z**2 / trials))
    return Interval(share, max(center - half, 0.0), min(center + half, 1.0))


def swapped(a: Floats, b: Floats, seed: int = 0) -> tuple[Floats, Floats]:
    """A negative control: each pair in random order, so that no difference is left to find."""
    flip = np.random.default_rng(seed).random(a.shape) < 0.5
    return np.where(flip, b, a), np.where(flip, a, b)


def false_alarms(a: Floats, b: Floats, trials: int = 100, rounds: int = 200) -> Interval:
    """How often the control shows a difference; near 1 - `LEVEL` if the statistics are sound."""
    hits = 0
    for seed in range(trials):
        x, y = swapped(a, b, seed)
        hits += paired_difference(x, y, rounds, seed).excludes(0.0)
    return wilson(hits, trials)


def _bootstrap(
    a: Floats, b: Floats, statistic: Callable[[Floats, Floats], float], rounds: int, seed: int
) -> Interval:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.ndim != 2 or a.shape != b.shape or a.size == 0:
        raise ValueError(f"pairs of [seeds, episodes] are needed, not {a.shape} and {b.shape}")
    random = np.random.default_rng(seed)
    seeds, episodes = a.shape
    values = []
    for _ in range(rounds):
        rows = random.integers(seeds, size=(seeds, 1))
        columns = random.integers(episodes, size=(1, episodes))
        values.append(statistic(a[rows, columns], b[rows, columns]))
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(statistic(a, b), float(low), float(high))
