from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.geometry.synchronizer import MAX_TOLERANCE_NS, Synchronizer

MS = 1_000_000
Sync = Synchronizer[str, str]


def feed(sync: Sync, color: list[int], depth: list[int]) -> list[tuple[str, str]]:
    """Deliver stamps (ms) of both inputs in order of time; return the pairs as (color, depth)."""
    messages = sorted([(s, 0) for s in color] + [(s, 1) for s in depth])
    pairs = []
    for stamp, index in messages:
        add = sync.add_second if index else sync.add_first
        pairs += add(stamp * MS, f"{'d' if index else 'c'}{stamp}")
    pairs += sync.flush()
    return [(p.first, p.second) for p in pairs]


def test_equal_stamps_are_paired_at_once() -> None:
    sync = Sync("color", "depth")
    assert sync.add_first(5 * MS, "c") == []
    (pair,) = sync.add_second(5 * MS, "d")
    assert pair == (5 * MS, "c", "d")


def test_every_image_of_a_camera_with_a_constant_offset_is_paired_with_its_own() -> None:
    stamps = list(range(0, 1000, 33))
    pairs = feed(Sync("color", "depth"), stamps, [s + 12 for s in stamps])
    assert pairs == [(f"c{s}", f"d{s + 12}") for s in stamps]


def test_the_tolerance_is_half_a_period_of_the_faster_input_and_at_most_50_ms() -> None:
    fast = Sync("color", "depth")
    feed(fast, list(range(0, 1000, 20)), list(range(0, 1000, 100)))
    assert fast.tolerance == 10 * MS
    slow = Sync("color", "depth")
    feed(slow, list(range(0, 9000, 1000)), list(range(0, 9000, 1000)))
    assert slow.tolerance == MAX_TOLERANCE_NS == 50 * MS


def test_images_further_apart_than_the_tolerance_are_never_paired() -> None:
    sync = Sync("color", "depth")
    color = list(range(0, 3000, 200))
    assert feed(sync, color, [s + 60 for s in color]) == []
    assert "60 ms (median) from the nearest one, the tolerance is 50 ms" in sync.explain()
    assert [s.unpaired for s in sync.statistics] == [15, 15]


def test_with_a_slower_depth_each_depth_gets_its_nearest_color() -> None:
    color = list(range(0, 1000, 33))
    depth = [s + 5 for s in color[::2]]
    pairs = feed(Sync("color", "depth"), color, depth)
    assert pairs == [(f"c{s - 5}", f"d{s}") for s in depth]


def test_a_nearer_color_that_comes_later_wins() -> None:
    sync = Sync("color", "depth")
    feed(sync, list(range(0, 660, 33)), list(range(0, 660, 33)))
    sync.add_first(1000 * MS, "far")
    assert sync.add_second(1014 * MS, "d") == []
    (pair,) = sync.add_first(1018 * MS, "near") + sync.flush()
    assert (pair.first, pair.second) == ("near", "d")


def test_pairs_go_on_after_the_clock_jumps_back() -> None:
    jumped = Sync("color", "depth")
    pairs = []
    for start in (5000, 0):
        for stamp in range(start, start + 1000, 100):
            pairs += jumped.add_first(stamp * MS, "c")
            pairs += jumped.add_second(stamp * MS, "d")
    assert len(pairs) == 20
    assert jumped.jumps == 1


def test_a_burst_gives_only_the_newest_pair_when_live_and_all_of_them_in_replay() -> None:
    delivered = {}
    for newest_only in (True, False):
        sync = Sync("color", "depth", newest_only=newest_only)
        stamps = [s * MS for s in range(0, 300, 100)]
        for stamp in stamps:
            sync.add_first(stamp, f"c{stamp // MS}")
        pairs = []
        for stamp in stamps:
            pairs += sync.add_second(stamp + 3 * MS, "d")
        pairs += sync.flush()
        delivered[newest_only] = [p.first for p in pairs]
        assert sync.superseded == (2 if newest_only else 0)
    assert delivered == {True: ["c200"], False: ["c0", "c100", "c200"]}


def test_live_pairs_never_go_back_in_time() -> None:
    sync = Sync("color", "depth", newest_only=True)
    sync.add_first(100 * MS, "old")
    sync.add_first(200 * MS, "new")
    assert [p.first for p in sync.add_second(200 * MS, "d")] == ["new"]
    assert sync.add_second(100 * MS, "d") == []
    assert sync.superseded == 1


def test_messages_that_wait_are_bounded_and_counted() -> None:
    sync = Sync("color", "depth", capacity=10)
    for i in range(100):
        sync.add_first(i * MS, "c")
    color, depth = sync.statistics
    assert (color.count, color.unpaired, depth.count) == (100, 90, 0)


def test_a_repeated_stamp_is_counted_and_not_paired_twice() -> None:
    sync = Sync("color", "depth")
    sync.add_first(MS, "c")
    sync.add_first(MS, "again")
    (pair,) = sync.add_second(MS, "d")
    assert pair.first == "c"
    assert sync.statistics[0].unpaired == 1


def test_a_silent_input_is_named() -> None:
    sync = Sync("color", "depth")
    feed(sync, [0, 100, 200, 300], [])
    text = "nothing can be paired: 4 color messages at 10.0 Hz, 0.0..0.3 s; no depth messages"
    assert sync.explain() == text


def test_inputs_that_never_overlap_are_explained_with_their_times_and_the_gap() -> None:
    sync = Sync("color", "depth")
    assert feed(sync, [5000, 6100], [0, 1200]) == []
    assert sync.explain() == (
        "color and depth never overlap: 2 color messages, 5.0..6.1 s; "
        "2 depth messages, 0.0..1.2 s, gap 3.8 s"
    )


@pytest.mark.parametrize("seed", range(5))
def test_jitter_and_losses_never_pair_images_of_different_moments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    moments = np.arange(60) * 33
    color = [int(m + rng.integers(-4, 5)) for m in moments if rng.random() > 0.3]
    depth = [int(m + rng.integers(-4, 5)) for m in moments if rng.random() > 0.3]
    sync = Sync("color", "depth")
    pairs = feed(sync, color, depth)
    moment = [tuple(round(int(name[1:]) / 33) for name in pair) for pair in pairs]
    assert all(c == d for c, d in moment)
    both = {round(c / 33) for c in color} & {round(d / 33) for d in depth}
    assert {c for c, _ in moment} == both


def test_images_outside_the_other_input_are_told_from_those_that_lost_their_partner() -> None:
    stamps = list(range(0, 3000, 100))
    sync = Sync("color", "depth")
    feed(sync, stamps, [s for s in stamps if 300 <= s < 2700 and s != 1500])
    color, _ = sync.statistics
    assert color.unpaired == 7
    assert color.outside == 6


def test_images_long_after_the_other_input_ended_did_lose_their_partner() -> None:
    stamps = list(range(0, 5000, 100))
    sync = Sync("color", "depth")
    feed(sync, stamps, [s for s in stamps if s < 1000])
    color, _ = sync.statistics
    assert color.unpaired == 40
    assert 0 < color.outside <= 10
