"""Which states become rows, which rows stay, and that the same input gives the same memory."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.memory import observations
from perception_nodes.memory.observations import MOST_ROWS
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind, Visibility

FRAME = SECOND // 15
MEMORY_CODE = tracemalloc.Filter(True, "*/perception_nodes/memory/*")


def stamps(path: Path, object_id: str = "o1") -> list[int]:
    with MemoryReader(path) as memory:
        return [record.state.stamp for record in memory.trail(object_id)]


def test_an_hour_of_rest_costs_a_dozen_rows_and_the_newest_is_fresh(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.write(scene(0, state("o1", 0)))
        ticks = memory.next_sequence
        for second in range(1, 3601):
            stamp = second * SECOND
            memory.write(scene(stamp, state("o1", stamp)))
            if second == 1800:
                with MemoryReader(path) as reader:
                    assert reader.where_is("o1").states[0].last_seen >= stamp - SECOND
        assert memory.next_sequence - ticks <= 14
        near = memory.near(np.zeros(3), 1.0, since=3000 * SECOND, until=3010 * SECOND)
        assert [r.state.id for _, r in near] == ["o1"]
        moved = state("o1", 3700 * SECOND, (1, 0, 0))
        memory.write(scene(3700 * SECOND, moved))
        memory.write(scene(3702 * SECOND, state("o1", 3702 * SECOND, (1, 0, 0))))
    kept = stamps(path)
    gaps = np.diff(kept[1:12]) / SECOND
    assert np.allclose(gaps[1:] / gaps[:-1], 2.0, atol=0.5)
    assert kept[-2:] == [3700 * SECOND, 3702 * SECOND]


def test_a_move_is_kept_only_if_the_covariance_does_not_explain_it(tmp_path: Path) -> None:
    for name, deviation, rows in (("sharp", 0.001, 3), ("vague", 0.1, 2)):
        path = tmp_path / f"{name}.db"
        with Memory(path) as memory:
            for frame in range(9):
                stamp, x = frame * FRAME, 0.05 if frame >= 4 else 0.0
                covariance = np.eye(6) * deviation**2
                memory.write(
                    scene(stamp, state("o1", stamp, (x, 0, 0), pose_covariance=covariance))
                )
        assert len(stamps(path)) == rows  # the first, the last and the move


def test_a_change_of_visibility_is_kept_at_its_frame(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        for frame in range(9):
            hidden = frame >= 4
            visibility = Visibility.OCCLUDED if hidden else Visibility.VISIBLE
            stamp = frame * FRAME
            memory.write(scene(stamp, state("o1", stamp, visibility=visibility)))
    assert 4 * FRAME in stamps(path)


def test_an_event_keeps_the_states_of_its_subjects(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        for frame in range(9):
            stamp = frame * FRAME
            touched = [event(stamp, EventKind.CONTACT_ON, "o1", "o2")] if frame == 5 else []
            objects = [state(name, stamp) for name in ("o1", "o2", "o3")]
            memory.write(scene(stamp, *objects, events=touched))
    assert 5 * FRAME in stamps(path, "o1")
    assert 5 * FRAME in stamps(path, "o2")
    assert 5 * FRAME not in stamps(path, "o3")


def test_no_frame_pays_for_the_routine_of_all_objects(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        for frame in range(15 * 4):
            stamp, before = frame * FRAME, memory.next_sequence
            memory.write(scene(stamp, *(state(f"o{i}", stamp) for i in range(64))))
            assert frame == 0 or memory.next_sequence - before <= 8
        trails = [len(memory.trail(f"o{i}")) for i in range(64)]
    assert min(trails) >= 3


def test_trails_stay_bounded_while_everything_moves_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observations, "MOST_ROWS", 40)
    with Memory(tmp_path / "memory.db") as memory:
        for tick in range(100):
            stamp = tick * SECOND
            moving = [state(f"o{k}", stamp, (0.03 * tick, k, 0)) for k in range(50)]
            memory.write(scene(stamp, *moving))
        rows = [len(memory.trail(f"o{k}")) for k in range(50)]
    assert max(rows) <= 40 + 2 * 16


def test_the_trail_of_an_object_is_bounded_and_sparser_with_age(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        for tick in range(4000):
            memory.write(scene(tick * SECOND, state("o1", tick * SECOND, (0.03 * tick, 0, 0))))
    kept = stamps(path)
    assert len(kept) <= MOST_ROWS + 16
    assert kept[0] == 0
    assert kept[-1] == 3999 * SECOND
    gaps = np.diff(kept) / SECOND
    ages = (kept[-1] - np.array(kept[1:])) / SECOND
    assert gaps[ages < 60].max() == 1
    assert np.all(gaps <= np.maximum(2, 0.05 * (ages + gaps)))


def test_thinning_spares_changes_of_visibility(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    changed = []
    with Memory(path) as memory:
        for tick in range(2000):
            hidden = tick // 100 % 2 == 1
            visibility = Visibility.OCCLUDED if hidden else Visibility.VISIBLE
            memory.write(scene(tick * SECOND, state("o1", tick * SECOND, visibility=visibility)))
            if tick % 100 == 0:
                changed.append(tick * SECOND)
    assert set(changed) <= set(stamps(path))


def test_the_place_index_forgets_what_is_thinned(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        for tick in range(1000):
            memory.write(scene(tick * SECOND, state("o1", tick * SECOND)))
        (places,) = memory._db.execute("SELECT count(*) FROM observation_place").fetchone()
        assert places == memory.status().observations


def test_the_process_does_not_grow_with_the_stream(tmp_path: Path) -> None:
    used = []
    with Memory(tmp_path / "memory.db") as memory:
        tracemalloc.start()
        for frame in range(1501):
            stamp = frame * FRAME
            name = f"o{frame // 2}"  # objects come and go
            happened = [event(stamp, EventKind.APPEARED, name)] if frame % 2 == 0 else []
            memory.write(scene(stamp, state(name, stamp, (frame * 0.02, 0, 0)), events=happened))
            if frame % 500 == 0 and frame:
                gc.collect()
                ours = tracemalloc.take_snapshot().filter_traces([MEMORY_CODE])
                used.append(sum(trace.size for trace in ours.traces))
        tracemalloc.stop()
    assert used[2] - used[0] < 50_000, used  # bytes, over a thousand frames


def test_a_clock_that_jumps_back_begins_a_new_session(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        for stamp in (10 * SECOND, 11 * SECOND, 2 * SECOND, 3 * SECOND):
            memory.write(scene(stamp, state("o1", stamp)))
        assert memory.status().sessions == 2
        assert memory.now == 3 * SECOND
        assert memory.start == 2 * SECOND
    assert stamps(path) == [10 * SECOND, 11 * SECOND, 2 * SECOND, 3 * SECOND]


def test_two_cameras_a_little_out_of_order_stay_in_one_session(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        for stamp in (100, 90, 110):
            memory.write(scene(stamp * SECOND // 1000, state("o1", stamp * SECOND // 1000)))
        assert memory.status().sessions == 1


def test_the_camera_that_saw_an_object_last_is_remembered_across_restarts(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.write(scene(0, state("o1", 0), camera="left"))
    with Memory(path) as memory:
        unseen = state("o1", SECOND, visibility=Visibility.OUT_OF_VIEW, last_seen=0)
        memory.write(scene(SECOND, unseen, camera="right"))
        assert "left@0" in memory.where_is("o1").evidence


def test_a_state_with_numbers_that_are_not_finite_is_left_out_and_counted(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        broken = state("o1", 0, (np.nan, 0, 0))
        memory.write(scene(0, broken, state("o2", 0)))
        assert [s.id for s in memory.objects()] == ["o2"]
        assert "1 object states had numbers that are not finite" in memory.status().health


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_input_gives_the_same_memory(tmp_path: Path, seed: int) -> None:
    dumps = []
    for name in ("a", "b"):
        random = np.random.default_rng(seed)
        with Memory(tmp_path / f"{name}.db") as memory:
            for frame in range(200):
                stamp = frame * FRAME
                objects = []
                for i in range(5):
                    seen = Visibility(int(random.integers(0, 3)) if random.random() < 0.1 else 0)
                    objects.append(state(f"o{i}", stamp, random.normal(0, 0.01, 3), seen))
                happened = [event(stamp, EventKind.MOVED, "o3")] if frame % 50 == 0 else []
                memory.write(scene(stamp, *objects, events=happened))
        with MemoryReader(tmp_path / f"{name}.db") as reader:
            dumps.append(list(reader.dump()))
    assert dumps[0] == dumps[1]
    assert len(dumps[0]) > 100


def test_the_dump_shows_a_difference_in_any_state(tmp_path: Path) -> None:
    dumps = []
    for surprise in (0.0, 1e-9):
        with Memory(tmp_path / f"{surprise}.db") as memory:
            memory.write(scene(0, replace(state("o1", 0), surprise=surprise)))
            dumps.append(list(memory.dump()))
    assert dumps[0] != dumps[1]
