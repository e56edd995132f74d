"""The loop over samples, and what the command makes of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from bags_for_replay import START, save, stamps, tabletop_messages
from color_finder import ColorFinder
from replaying import Replay
from tabletop import Box, observe

from perception_nodes.bags.reader import open_bag
from perception_nodes.bags.writer import BagWriter
from perception_nodes.errors import BagError
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.replay import run
from perception_nodes.scene import ObjectState, Sample, SceneState

HOUR = 3600_000_000_000
RED = Box((0.0, 0.15, 0.06), (0.12, 0.12, 0.12), (200.0, 60.0, 60.0))


def sample(number: int) -> Sample:
    return Sample(observe([RED], number * 100_000_000)[0], None)


def pipeline() -> Pipeline:
    return Pipeline(ColorFinder(), ObjectTracker())


def test_what_is_processed_is_measured() -> None:
    outcome = run([sample(i) for i in (5, 6, 9)], pipeline(), [])
    assert (outcome.frames, outcome.first, outcome.last) == (3, 500_000_000, 900_000_000)
    assert outcome.duration == pytest.approx(0.4)
    assert 0 < outcome.computing <= outcome.elapsed
    assert outcome.rate == pytest.approx(3 / outcome.elapsed)


def test_what_runs_ahead_gives_the_same_states_in_the_same_order() -> None:
    class Log:
        def __init__(self) -> None:
            self.states: list[tuple[int, tuple[ObjectState, ...], int]] = []

        def write(self, taken: Sample, state: SceneState, timings: Mapping[str, float]) -> None:
            assert set(timings) >= {"slots", "objects", "memory"}
            self.states.append((taken.frame.stamp, state.objects, len(state.slots.items)))

    ahead, behind = Log(), Log()
    samples = [sample(i) for i in range(12)]
    run(samples, pipeline(), [ahead], ahead=True)
    run(samples, pipeline(), [behind])
    assert len(ahead.states) == 12
    assert repr(ahead.states) == repr(behind.states)


def test_a_source_that_breaks_off_ahead_keeps_the_frames_before_it() -> None:
    def broken() -> Iterator[Sample]:
        yield from (sample(i) for i in range(3))
        raise BagError("the file ends here")

    outcome = run(broken(), pipeline(), [], ahead=True)
    assert outcome.frames == 3
    assert "the file ends here" in outcome.ending


def test_stopping_ends_all_threads_that_ran_ahead() -> None:
    before = threading.active_count()
    endless = (sample(i) for i in itertools.count())
    outcome = run(endless, pipeline(), [], stopped=lambda: True, ahead=True)
    assert outcome.frames == 1
    assert threading.active_count() == before


def test_an_empty_source_is_an_empty_outcome() -> None:
    outcome = run([], pipeline(), [])
    assert (outcome.frames, outcome.first, outcome.last, outcome.ending) == (0, 0, 0, "")


def test_a_recording_in_sqlite_replays_like_one_in_mcap(replay: Replay, tmp_path: Path) -> None:
    """Its database is opened in one thread and read in another."""
    messages = tabletop_messages(stamps(6))
    mcap = replay(save(tmp_path / "a.mcap", messages))
    states = mcap.stamps
    with BagWriter(tmp_path / "b", storage="sqlite3") as writer:
        for topic, message, log_time in messages:
            writer.write(topic, message, log_time)
    sqlite = replay(tmp_path / "b")
    assert (mcap.status, sqlite.status) == (0, 0)
    assert sqlite.stamps == states


def test_live_drops_are_counted_but_no_failure(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(ColorFinder):
        def find(self, frame):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            threading.Event().wait(0.25)
            return super().find(frame)

    monkeypatch.setattr("perception_nodes.viewrope.depth_finder.DepthFinder", Slow)
    ran = replay(tabletop_messages(stamps(12)), "--live")
    assert ran.status == 0
    assert "frames came too late and were dropped" in ran.out
    assert "late (live)" in ran.report()
    assert 2 <= len(ran.stamps) < 12


def test_recordings_have_the_mirrors_that_foxglove_opens(replay: Replay) -> None:
    ran = replay(tabletop_messages(stamps(6)))
    with open_bag(ran.folder / "objects.mcap") as bag:
        kinds = {t.name: t.type_name for t in bag.topics.values()}
    assert kinds["/objects"] == "permanence/msg/ObjectStateArray"
    assert kinds["/objects_markers"] == "visualization_msgs/msg/MarkerArray"
    assert kinds["/detections"] == "vision_msgs/msg/Detection3DArray"
    assert kinds["/slot_masks"] == "sensor_msgs/msg/Image"
    assert kinds["/camera/preview/compressed"] == "sensor_msgs/msg/CompressedImage"
    assert kinds["/tf"] == "tf2_msgs/msg/TFMessage"


def test_a_named_memory_goes_on_with_what_it_knows_in_the_map_that_is_named(
    replay: Replay, tmp_path: Path
) -> None:
    memory = ["--memory", str(tmp_path / "kitchen.db"), "--map-id", "kitchen"]
    replay(tabletop_messages(stamps(8)), *memory)
    again = save(tmp_path / "again.mcap", tabletop_messages(stamps(8, START + HOUR)))
    replay(again, *memory)
    with MemoryReader(tmp_path / "kitchen.db") as known:
        records = {r.state.id: r.state for r in known.records()}
        assert sorted(records) == ["o1", "o2"]
        assert {s.last_seen for s in records.values()} == {stamps(8, START + HOUR)[-1]}
        assert {s.first_seen for s in records.values()} == {START}
        assert "kitchen" in "\n".join(known.dump())
