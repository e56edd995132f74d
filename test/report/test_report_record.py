from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.report.record import (
    MAX_EVENTS,
    MAX_SPANS,
    MAX_TIMINGS,
    MAX_TRACKS,
    Decimated,
    Episode,
    RunRecord,
)
from perception_nodes.report.story import headline
from perception_nodes.report.summary import RunSummary
from perception_nodes.report.timeline import draw_timelines
from perception_nodes.scene import EventKind, Frame, Visibility

VISIBLE, OCCLUDED, OUT_OF_VIEW, LOST = Visibility
SUMMARY = RunSummary("source", 10, 10.0, 30.0, "poses")


def frame(stamp: int) -> Frame:
    camera = Camera(8, 6, 8.0, 8.0, 3.5, 2.5)
    color, depth = np.zeros((6, 8, 3), np.uint8), np.ones((6, 8), np.float32)
    return Frame(stamp, "camera", "optical", camera, color, depth, Pose.identity())


def record(*visibilities: Visibility | None) -> RunRecord:
    """One object, a second a frame; None for a frame in which it is not known."""
    run = RunRecord()
    for k, visibility in enumerate(visibilities):
        known = [] if visibility is None else [state("o1", k * SECOND, visibility=visibility)]
        run.add(frame(k * SECOND), scene(k * SECOND, *known), {"slots": 0.01})
    return run


def episodes(run: RunRecord) -> list[Episode]:
    return run.tracks["o1"].episodes(run.duration)


def told(run: RunRecord) -> str:
    return headline(run, list(run.tracks.values()), SUMMARY).replace("\N{NO-BREAK SPACE}", " ")


def test_an_episode_out_of_sight_lasts_until_the_object_is_seen_again() -> None:
    run = record(VISIBLE, OCCLUDED, OUT_OF_VIEW, VISIBLE, VISIBLE)
    assert episodes(run) == [Episode(1.0, 3.0, VISIBLE)]
    assert told(run) == "1 object; the one that went out of sight stayed known — longest 2.0 s."


def test_an_object_that_is_lost_or_dropped_did_not_stay_known() -> None:
    for ending in ((LOST, LOST), (None, None)):
        run = record(VISIBLE, OCCLUDED, OCCLUDED, *ending)
        assert [e.ending for e in episodes(run)] == [LOST]
        assert "none of them was found again" in told(run)


def test_an_object_lost_for_a_while_and_found_under_its_old_id_stayed_known() -> None:
    run = record(VISIBLE, OCCLUDED, LOST, VISIBLE)
    assert episodes(run) == [Episode(1.0, 3.0, VISIBLE)]


def test_an_object_still_out_of_sight_at_the_end_proves_nothing() -> None:
    run = record(VISIBLE, OCCLUDED, OCCLUDED)
    assert [e.ending for e in episodes(run)] == [None]
    assert told(run) == "1 object, 1 of them out of sight at the end."


def test_the_headline_counts_only_objects_whose_fate_is_known() -> None:
    run = RunRecord()
    fates = {
        "found": (VISIBLE, OCCLUDED, VISIBLE),
        "lost": (VISIBLE, OCCLUDED, LOST),
        "unseen": (VISIBLE, OCCLUDED, OCCLUDED),
        "seen": (VISIBLE, VISIBLE, VISIBLE),
    }
    for k in range(3):
        beliefs = [state(name, 0, visibility=fate[k]) for name, fate in fates.items()]
        run.add(frame(k * SECOND), scene(k * SECOND, *beliefs), {})
    assert told(run) == "4 objects; 1 of 2 that went out of sight stayed known — longest 1.0 s."


def test_flicker_is_no_episode() -> None:
    run = RunRecord()
    for k in range(10):
        visibility = OCCLUDED if k == 5 else VISIBLE
        run.add(
            frame(k * SECOND // 10),
            scene(k * SECOND // 10, state("o1", 0, visibility=visibility)),
            {},
        )
    assert episodes(run) == []
    assert "none of them ever out of sight" in told(run)


def test_endless_flicker_takes_bounded_room_and_true_episodes_stay() -> None:
    run, step = RunRecord(), SECOND // 20
    for k in range(3 * MAX_SPANS):
        hidden = 500 <= k < 600 or (k % 2 and not 400 <= k < 700)
        known = state("o1", k * step, visibility=OCCLUDED if hidden else VISIBLE)
        run.add(frame(k * step), scene(k * step, known), {})
    spans = run.tracks["o1"].spans
    assert len(spans) <= MAX_SPANS
    assert all(a.end == b.begin for a, b in itertools.pairwise(spans))
    assert spans[-1].end == run.duration
    (kept,) = (e for e in episodes(run) if e.end - e.begin > 4.0)
    assert (kept.begin, kept.end) == pytest.approx((25.0, 30.0))


def test_time_goes_on_where_the_clock_jumps_back() -> None:
    run = RunRecord()
    times = [run.add(frame(t * SECOND), scene(t * SECOND), {}) for t in (100, 101, 105, 3, 4)]
    assert times == [0.0, 1.0, 5.0, 5.0, 6.0]


def test_a_thinned_series_is_bounded_even_and_ends_with_the_newest() -> None:
    series: Decimated[int] = Decimated(limit=100)
    for k in range(10_001):
        series.append(k)
    kept = list(series)
    assert len(kept) <= 101
    assert kept[0] == 0
    assert kept[-1] == 10_000
    assert len({b - a for a, b in itertools.pairwise(kept[:-1])}) == 1


def test_more_events_than_can_be_kept_are_counted() -> None:
    run = RunRecord()
    many = [event(0, EventKind.MOVED, "o1") for _ in range(MAX_EVENTS + 7)]
    run.add(frame(0), scene(0, events=many), {})
    assert len(run.events) == MAX_EVENTS
    assert run.more_events == 7


def test_of_endless_objects_the_newest_and_the_longest_known_stay_and_the_rest_is_told() -> None:
    run = RunRecord()
    for k in range(3 * MAX_TRACKS):
        known = [state(f"o{k}", k * SECOND), *([state("kept", k * SECOND)] if k < 9 else [])]
        run.add(frame(k * SECOND), scene(k * SECOND, *known), {})
    tracks = list(run.tracks.values())
    assert len(tracks) == MAX_TRACKS
    assert run.more_tracks == 3 * MAX_TRACKS + 1 - MAX_TRACKS
    assert {"kept", f"o{3 * MAX_TRACKS - 1}"} <= set(run.tracks)
    assert len({track.index for track in tracks}) == MAX_TRACKS
    page = draw_timelines(run, tracks, []).replace("\N{NO-BREAK SPACE}", " ")
    assert f"{run.more_tracks} objects known for the shortest time" in page


def test_times_of_an_endless_run_take_bounded_room() -> None:
    run = RunRecord()
    for k in range(3 * MAX_TIMINGS):
        run.add(frame(k), scene(k), {"slots": float(k)})
    kept = list(run.timings["slots"])
    assert len(kept) <= MAX_TIMINGS + 2
    assert np.median(kept) == pytest.approx(1.5 * MAX_TIMINGS, rel=0.01)


def test_beliefs_that_are_not_finite_leave_no_path() -> None:
    run = RunRecord()
    broken = replace(state("o1", 0), pose=Pose(np.eye(3), np.array([np.nan, 0.0, 0.0])))
    run.add(frame(0), scene(0, broken), {})
    assert list(run.tracks["o1"].path) == []


@pytest.mark.parametrize("count", [0, 3])
def test_identity_switches_are_told_only_where_there_is_truth(count: int) -> None:
    run = record(VISIBLE, VISIBLE)
    known = replace(SUMMARY, score={"all": {"id_switches": count}})
    assert f"; {count} identity switches." in headline(run, list(run.tracks.values()), known)
    assert "switch" not in told(run)
