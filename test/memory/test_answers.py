"""Where is it, where was it, when was it seen: what a person reads and what a program gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.question import recall
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind, Visibility


def fill(path: Path) -> None:
    """Ten seconds: o1 rests; o2 stands on it, moves off it at 4 s and is hidden from 6 s on."""
    with Memory(path) as memory:
        for tick in range(101):
            stamp = 100 * SECOND + tick * SECOND // 10
            x = 0.0 if tick < 40 else 0.5
            hidden = tick >= 60
            visibility = Visibility.OCCLUDED if hidden else Visibility.VISIBLE
            seen = min(stamp, 100 * SECOND + 59 * SECOND // 10)
            events = []
            if tick == 0:
                events = [event(stamp, EventKind.APPEARED, name) for name in ("o1", "o2")]
            if tick == 60:
                events = [event(stamp, EventKind.HIDDEN, "o2", text="o2 went behind a curtain")]
            objects = (state("o1", stamp), state("o2", stamp, (x, 0, 0.1), visibility, seen))
            memory.write(scene(stamp, *objects, events=events))
        memory.label("o2", "red mug")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[MemoryReader]:
    fill(tmp_path / "memory.db")
    with MemoryReader(tmp_path / "memory.db") as reader:
        yield reader


def test_a_hidden_object_is_where_it_was_and_was_last_seen_then(memory: MemoryReader) -> None:
    answer = memory.where_is("red mug")
    assert answer.known
    assert answer.sentence == (
        "red mug (o2) is at (0.50, 0.00, 0.10) ± 0.01 m in map; hidden; "
        "last seen 4.1 s ago at t=5.90 s"
    )


def test_an_answer_names_the_image_and_the_events_on_which_it_stands(memory: MemoryReader) -> None:
    answer = memory.where_is("o2")
    assert f"camera@{100 * SECOND + 59 * SECOND // 10}" in answer.evidence
    hidden = next(e for e in answer.events if e.kind == "hidden")
    assert f"event {hidden.seq}" in answer.evidence
    assert np.allclose(hidden.place, [0.5, 0, 0.1])


def test_where_was_counts_the_newest_belief_at_or_before_that_time(memory: MemoryReader) -> None:
    before = memory.where_is("red mug", 103 * SECOND)
    assert before.states[0].position[0] == 0.0
    assert before.states[0].stamp <= 103 * SECOND
    assert "was on o1 at (0.00, 0.00, 0.10)" in before.sentence
    after = memory.where_is("red mug", 104 * SECOND)
    assert after.states[0].position[0] == 0.5


def test_what_stands_on_nothing_is_not_said_to_stand_on_something(memory: MemoryReader) -> None:
    assert " on " not in memory.where_is("red mug").sentence
    assert " on " not in memory.where_is("o1").sentence


def test_before_it_was_seen_first_the_memory_does_not_know(memory: MemoryReader) -> None:
    answer = memory.where_is("o2", 99 * SECOND)
    assert not answer.known
    assert answer.sentence.startswith("unknown")


def test_an_object_that_was_never_named_is_unknown(memory: MemoryReader) -> None:
    answer = recall(memory, "where is the teapot?")
    assert not answer.known
    assert answer.sentence == 'unknown: there is no object "teapot"'


@pytest.mark.parametrize(
    "question",
    ["o2", "red mug", "Red Mug?", "where is the red mug", "mug", "where was my big red mug", "O2"],
)
def test_a_question_finds_the_object_that_it_names(memory: MemoryReader, question: str) -> None:
    assert [s.id for s in recall(memory, question).states] == ["o2"]


def test_two_objects_of_one_name_are_both_answered(tmp_path: Path) -> None:
    fill(tmp_path / "memory.db")
    with Memory(tmp_path / "memory.db") as memory:
        memory.label("o1", "red mug")
        answer = memory.where_is("red mug")
    assert [s.id for s in answer.states] == ["o1", "o2"]
    assert len(answer.sentence.splitlines()) == 2


def test_a_lost_or_removed_object_is_unknown_but_its_last_place_is_told(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(scene(0, state("o1", 0), state("o2", 0, (1, 0, 0))))
        lost = state("o1", SECOND, visibility=Visibility.LOST, last_seen=0)
        gone = [event(SECOND, EventKind.REMOVED, "o2")]
        memory.write(scene(SECOND, lost, events=gone))
        for name in ("o1", "o2"):
            answer = memory.where_is(name)
            assert not answer.known
            assert "is not there any more; last seen 1.0 s ago at t=0.00 s" in answer.sentence
        assert memory.where_is("o2", 0).known
        assert [s.id for s in memory.objects()] == ["o1"]


def test_near_measures_from_the_center_and_sorts_by_distance(memory: MemoryReader) -> None:
    found = memory.near(np.array([0.45, 0.0, 0.1]), 1.0)
    assert [record.state.id for _, record in found] == ["o2", "o1"]
    assert found[0][0] == pytest.approx(0.05)
    corner = memory.near(np.array([0.5 + 0.08, 0.08, 0.1 + 0.08]), 0.1)
    assert corner == []


def test_near_in_a_time_finds_what_was_there_then(memory: MemoryReader) -> None:
    origin = np.array([0.0, 0.0, 0.1])
    then = memory.near(origin, 0.05, until=103 * SECOND)
    assert [record.state.id for _, record in then] == ["o2"]
    assert memory.near(origin, 0.05, since=105 * SECOND) == []


def test_near_in_a_time_is_the_same_for_short_and_long_times(tmp_path: Path) -> None:
    """Which of two ways of searching is taken depends on how much of the memory is asked about."""
    dice = np.random.default_rng(2)
    path = [dice.uniform(-1, 1, (4, 3)) for _ in range(60)]
    with Memory(tmp_path / "memory.db") as memory:
        for k, places in enumerate(path):
            stamp = k * SECOND
            memory.write(scene(stamp, *(state(f"o{i}", stamp, p) for i, p in enumerate(places))))
        for first, last in ((7, 8), (0, 59), (20, 24), (5, 50)):
            center, radius = dice.uniform(-0.5, 0.5, 3), 0.8
            inside = [
                {f"o{i}": d for i, d in enumerate(np.linalg.norm(p - center, axis=1)) if d < radius}
                for p in path[first : last + 1]
            ]
            newest = {name: d for frame in inside for name, d in frame.items()}
            found = memory.near(center, radius, first * SECOND, last * SECOND)
            assert {r.state.id: d for d, r in found} == pytest.approx(newest)


def test_events_are_found_by_time_kind_and_object(memory: MemoryReader) -> None:
    assert [e.kind for e in memory.events()] == ["appeared", "appeared", "hidden", "labeled"]
    assert [e.kind for e in memory.events(since=101 * SECOND)] == ["hidden", "labeled"]
    assert [e.kind for e in memory.events(until=101 * SECOND)] == ["appeared", "appeared"]
    assert [e.subjects for e in memory.events(kind="appeared")] == [("o1",), ("o2",)]
    assert [e.kind for e in memory.events(object_id="o1")] == ["appeared"]
    assert [e.kind for e in memory.events(k=2)] == ["hidden", "labeled"]
    assert [e.kind for e in memory.events(object_id="o2", k=2)] == ["hidden", "labeled"]
    assert [e.kind for e in memory.events(object_id="o2", until=101 * SECOND)] == ["appeared"]
    assert [e.kind for e in memory.history("red mug")] == ["appeared", "hidden", "labeled"]


def test_text_finds_events_by_stem_and_ranks_the_better_fit_first(memory: MemoryReader) -> None:
    assert [e.kind for e in memory.text("curtains")] == ["hidden"]
    assert memory.text("o2 curtain")[0].kind == "hidden"
    assert memory.text("") == []


def test_a_person_may_rename_an_object_and_the_old_name_is_forgotten(tmp_path: Path) -> None:
    fill(tmp_path / "memory.db")
    with Memory(tmp_path / "memory.db") as memory:
        memory.label("o2", "cup")
        assert memory.find("red mug") == []
        assert memory.find("CUP") == ["o2"]
        assert [e.kind for e in memory.history("cup")][-2:] == ["labeled", "labeled"]


def test_a_label_of_a_classifier_is_kept_until_a_person_knows_better(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(scene(0, state("o1", 0, label="cup", label_score=0.6)))
        assert memory.find("cup") == ["o1"]
        memory.label("o1", "mug")
        memory.write(scene(2 * SECOND, state("o1", 2 * SECOND, label="cup", label_score=0.9)))
        assert memory.find("mug") == ["o1"]
        assert len(memory.events(kind="labeled")) == 2


def test_a_label_that_arrives_as_an_event_is_logged_once(tmp_path: Path) -> None:
    named = [event(SECOND, EventKind.LABELED, "o1", text="o1 is called mug")]
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(scene(0, state("o1", 0)))
        mug = state("o1", SECOND, label="mug", label_score=1.0)
        memory.write(scene(SECOND, mug, events=named))
        assert memory.find("mug") == ["o1"]
        assert [e.text for e in memory.events(kind="labeled")] == ["o1 is called mug"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\nb", "bell\x07", "\ud800"])
def test_a_name_that_can_not_be_printed_is_refused(tmp_path: Path, name: str) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        memory.write(scene(0, state("o1", 0)))
        with pytest.raises(MemoryStoreError, match="printable"):
            memory.label("o1", name)


def test_an_object_that_does_not_exist_can_not_be_named(tmp_path: Path) -> None:
    with (
        Memory(tmp_path / "memory.db") as memory,
        pytest.raises(MemoryStoreError, match="no object 'o7'"),
    ):
        memory.label("o7", "mug")


def test_after_a_restart_ids_covariances_labels_and_latents_are_what_they_were(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(3)
    root = random.normal(size=(6, 6))
    latent = random.normal(size=128).astype(np.float32)
    written = state("o12", 0, (1, 2, 3), pose_covariance=root @ root.T, latent=latent, model_id="m")
    with Memory(tmp_path / "memory.db", "kitchen") as memory:
        memory.write(scene(0, written, state("o3", 0)))
        memory.write(scene(1, written, events=[event(1, EventKind.REMOVED, "o3")]))
        memory.label("o12", "mug")
    with Memory(tmp_path / "memory.db", "kitchen") as memory:
        (restored,) = memory.restore("kitchen")
        assert memory.restore("garage") == []
        assert memory.next_object_number() == 13
    assert (restored.id, restored.label, restored.model_id) == ("o12", "mug", "m")
    assert np.array_equal(restored.pose_covariance, written.pose_covariance)
    assert np.array_equal(restored.pose.rotation, written.pose.rotation)
    assert restored.latent is not None
    assert np.array_equal(restored.latent, latent)
    assert (restored.first_seen, restored.last_seen) == (0, 0)


def test_of_a_recording_replayed_twice_the_second_run_counts(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        for x in (0.0, 5.0):
            for second in range(10):
                memory.write(scene(second * SECOND, state("o1", second * SECOND, (x, 0, 0))))
        assert memory.status().sessions == 2
        assert memory.where_is("o1", 4 * SECOND).states[0].position[0] == 5.0
        assert memory.where_is("o1").states[0].position[0] == 5.0
