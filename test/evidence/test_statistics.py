"""The statistics find what is there, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from evidence.statistics import (
    Interval,
    false_alarms,
    paired_difference,
    paired_ratio,
    swapped,
    wilson,
)


def errors(factor: float = 1.0, seed: int = 0) -> np.ndarray:
    """[3, 200] errors that vary much over episodes and little between methods."""
    random = np.random.default_rng(seed)
    episodes = random.lognormal(size=(1, 200))
    return factor * episodes * random.uniform(0.95, 1.05, size=(3, 200))


def test_a_wilson_interval_is_that_of_the_textbook() -> None:
    interval = wilson(35, 50)
    assert interval.value == 0.7
    assert (round(interval.low, 3), round(interval.high, 3)) == (0.562, 0.809)


@pytest.mark.parametrize(("successes", "low", "high"), [(0, 0.0, 0.28), (10, 0.72, 1.0)])
def test_a_wilson_interval_is_sound_at_the_ends(successes: int, low: float, high: float) -> None:
    interval = wilson(successes, 10)
    assert interval.low == pytest.approx(low, abs=0.01)
    assert interval.high == pytest.approx(high, abs=0.01)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (5, 4), (-1, 4)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes in"):
        wilson(successes, trials)


def test_pairing_finds_a_small_effect_that_episodes_would_hide() -> None:
    a, b = errors(0.9, seed=1), errors(1.0, seed=1)
    assert paired_ratio(a, b).excludes(1.0)
    assert paired_ratio(a, b).value == pytest.approx(0.9, abs=0.01)
    unpaired = np.random.default_rng(2).permutation(b, axis=1)
    assert not paired_difference(a, unpaired).excludes(0.0)


def test_seeds_that_disagree_widen_the_interval() -> None:
    b = errors()
    agreeing = 0.8 * b
    disagreeing = b * np.array([[0.4], [0.8], [1.2]])
    assert paired_ratio(agreeing, b).excludes(1.0)
    assert not paired_ratio(disagreeing, b).excludes(1.0)


def test_the_same_figures_give_the_same_interval() -> None:
    a, b = errors(0.9), errors()
    assert paired_ratio(a, b) == paired_ratio(a, b)


def test_the_control_keeps_the_pairs_and_removes_the_effect() -> None:
    a, b = errors(0.5), errors()
    x, y = swapped(a, b)
    assert np.allclose(x + y, a + b)
    assert not paired_difference(x, y).excludes(0.0)


def test_the_bootstrap_rarely_raises_a_false_alarm() -> None:
    assert false_alarms(errors(0.5), errors(), trials=60, rounds=100).value <= 0.15


@pytest.mark.parametrize("shape", [(3,), (0, 5)])
def test_what_is_not_paired_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="pairs of"):
        paired_ratio(np.ones(shape), np.ones(shape))
    with pytest.raises(ValueError, match="pairs of"):
        paired_ratio(np.ones((3, 4)), np.ones((3, 5)))


def test_an_interval_reads_as_text() -> None:
    assert str(Interval(0.51234, 0.4, 0.6)) == "0.512 [0.4, 0.6]"
