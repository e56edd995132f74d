from __future__ import annotations

import numpy as np
import pytest

from perception_kernels.sinks import SinkCache, sink_attention_reference


@pytest.mark.parametrize(("sinks", "window"), [(0, 5), (1, 4), (4, 7), (3, 1)])
def test_the_ring_equals_lists_made_anew_at_every_step_through_several_wraps(
    sinks: int, window: int
) -> None:
    rng = np.random.default_rng(1)
    query, key, value = rng.normal(size=(3, 2, 40, 8)).astype(np.float32)
    cache = SinkCache(2, 8, sinks, window)
    expected = sink_attention_reference(query, key, value, sinks, window)
    for t in range(40):
        cache.push(key[:, t], value[:, t])
        np.testing.assert_allclose(cache.attend(query[:, t]), expected[:, t], atol=2e-6)
        assert len(cache) == min(t + 1, sinks + window)


def test_sinks_stay_for_ever_and_others_do_not() -> None:
    cache = SinkCache(1, 2, 1, 3)
    still = np.zeros((1, 2))
    for t in range(500):
        cache.push(still, np.full((1, 2), 100.0 if t == 0 else 1000.0 if t == 400 else 0.0))
    np.testing.assert_allclose(cache.attend(still), np.full((1, 2), 25.0))


def test_a_cache_takes_the_same_memory_after_any_number_of_steps() -> None:
    cache = SinkCache(2, 8, 2, 6)
    before = cache.nbytes
    for _ in range(1000):
        cache.push(np.ones((2, 8)), np.ones((2, 8)))
    assert cache.nbytes == before == 2 * 2 * 8 * 8 * 4


def test_impossible_caches_are_refused() -> None:
    with pytest.raises(ValueError, match="no cache"):
        SinkCache(1, 3, 1, 4)
    with pytest.raises(ValueError, match="empty"):
        SinkCache(1, 2, 1, 4).attend(np.zeros((1, 2)))
