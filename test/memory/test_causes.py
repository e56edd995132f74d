"""What caused what, found online from actions, contacts, motion and influences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.explanation import Explanation
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import Event, EventKind, Influence

ACTION, MOVED, STOPPED = EventKind.ACTION, EventKind.MOVED, EventKind.STOPPED
ON, OFF, UNSEEN = EventKind.CONTACT_ON, EventKind.CONTACT_OFF, EventKind.MOVED_UNSEEN
FRAME = SECOND // 10
OBJECTS = ("o1", "o2", "o3")
Told = tuple[float, EventKind, tuple[str, ...]]


def play(
    path: Path,
    told: Sequence[Told],
    seconds: float = 12.0,
    influences: Sequence[Influence] = (),
) -> None:
    """Ten frames a second in which events happen at the given seconds."""
    with Memory(path) as memory:
        for frame in range(1, round(seconds * 10)):
            stamp = frame * FRAME
            now = [
                event(stamp, kind, *who, text=f"{who[0]} {kind.value}")
                for time, kind, who in told
                if round(time * 10) == frame
            ]
            made = scene(stamp, *(state(name, stamp) for name in OBJECTS), events=now)
            memory.write(replace(made, influences=tuple(influences)))


def why(path: Path, name: str, at: float | None = None) -> Explanation:
    with MemoryReader(path) as memory:
        return memory.explain(name, None if at is None else round(at * SECOND))


def kinds(explanation: Explanation) -> list[tuple[str, str]]:
    return [(link.event.kind, link.event.subjects[0]) for link in explanation.chain]


CHAIN: tuple[Told, ...] = (
    (1.0, ACTION, ("o1", "robot")),
    (2.0, ON, ("o1", "robot")),
    (2.0, MOVED, ("o1",)),
    (2.6, ON, ("o1", "o2")),
    (2.7, MOVED, ("o2",)),
    (3.5, STOPPED, ("o2",)),
    (3.5, STOPPED, ("o1",)),
)


def test_the_chain_leads_back_to_the_action_that_began_it(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path, CHAIN)
    found = why(path, "o2")
    assert found.known
    assert kinds(found) == [("moved", "o2"), ("moved", "o1"), ("action", "o1")]
    assert found.first_cause is not None
    assert found.first_cause.kind == "action"
    assert found.chain[1].weight == pytest.approx(0.819, abs=0.01)  # exp(-0.1 s / 0.5 s)
    contact = next(k for k in found.chain[1].evidence if k.startswith("event"))
    with MemoryReader(path) as memory:
        touched = memory.event(int(contact.split()[1]))
    assert touched is not None
    assert touched.subjects == ("o1", "o2")
    assert f"event {found.chain[2].event.seq}" in found.evidence


def test_what_stands_beside_is_not_a_cause(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path, [*CHAIN, (0.5, ON, ("o2", "o3"))])
    assert kinds(why(path, "o2"))[1] == ("moved", "o1")


def test_what_moved_long_before_is_not_a_cause(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path, [(1.0, MOVED, ("o1",)), (2.0, STOPPED, ("o1",)), (8.0, MOVED, ("o2",))])
    found = why(path, "o2")
    assert not found.known
    assert found.sentence.startswith("unknown: o2 moved")
    assert kinds(found) == [("moved", "o2")]


def test_of_two_that_set_off_together_the_one_that_is_pushed_leads(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    told: list[Told] = [
        (0.5, ON, ("o1", "o2")),
        (1.0, ACTION, ("o2", "robot")),
        (2.0, MOVED, ("o1",)),
        (2.0, MOVED, ("o2",)),
        (2.0, ON, ("o2", "robot")),
    ]
    play(path, told)
    assert kinds(why(path, "o1")) == [("moved", "o1"), ("moved", "o2"), ("action", "o2")]
    assert kinds(why(path, "o2")) == [("moved", "o2"), ("action", "o2")]


def test_a_contact_that_is_told_a_frame_late_still_counts(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path, [(2.0, MOVED, ("o1",)), (2.5, MOVED, ("o2",)), (2.6, ON, ("o1", "o2"))])
    assert kinds(why(path, "o2")) == [("moved", "o2"), ("moved", "o1")]


def test_the_world_model_acquits_a_bystander(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    both: list[Told] = [
        (1.8, MOVED, ("o1",)),
        (2.0, MOVED, ("o3",)),
        (2.0, ON, ("o1", "o2")),
        (2.0, ON, ("o2", "o3")),
        (2.1, MOVED, ("o2",)),
    ]
    play(path, both)
    found = why(path, "o2")
    assert len(found.others) == 1  # by contact and time alone nobody can tell
    path = tmp_path / "informed.db"
    play(path, both, influences=[Influence("o1", "o2", 0.95, 0.0)])
    found = why(path, "o2")
    assert kinds(found)[1] == ("moved", "o1")
    assert found.others == ()
    assert "influence 0.95" in found.chain[1].evidence


def test_an_agent_that_the_model_knows_and_does_not_name_moved_nothing(tmp_path: Path) -> None:
    told: list[Told] = [
        (1.0, ACTION, ("o2", "robot")),
        (1.9, MOVED, ("o1",)),
        (2.0, ON, ("o1", "o2")),
        (2.0, ON, ("o2", "robot")),
        (2.1, MOVED, ("o2",)),
    ]
    told_of = [Influence("o1", "o2", 0.55, 0.0)]
    for name, more, other in (("foreign", [], 1), ("known", [Influence("robot", "o9", 0.9, 0)], 0)):
        path = tmp_path / f"{name}.db"
        play(path, told, influences=[*told_of, *more])
        assert kinds(why(path, "o2"))[1][0] == "moved"
        assert len(why(path, "o2").others) == other


@pytest.mark.parametrize(("share", "mover"), [(0.1, "action"), (0.95, "moved")])
def test_what_objects_do_not_explain_is_left_to_an_agent_that_the_model_does_not_know(
    tmp_path: Path, share: float, mover: str
) -> None:
    path = tmp_path / "memory.db"
    told: list[Told] = [
        (1.0, ACTION, ("o2", "robot")),
        (1.9, MOVED, ("o1",)),
        (2.0, ON, ("o1", "o2")),
        (2.0, ON, ("o2", "robot")),
        (2.1, MOVED, ("o2",)),
    ]
    play(path, told, influences=[Influence("o1", "o2", share, 0.0)])
    found = why(path, "o2")
    assert kinds(found)[1][0] == mover
    assert found.others == ()


def test_who_moved_it_unseen_is_unknown_unless_an_action_says_so(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path, [(5.0, UNSEEN, ("o1",))])
    assert why(path, "o1").sentence.endswith("but nobody saw what did it")
    path = tmp_path / "told.db"
    play(path, [(4.5, ACTION, ("o1", "arm")), (5.0, UNSEEN, ("o1",))])
    assert kinds(why(path, "o1")) == [("moved_unseen", "o1"), ("action", "o1")]


def test_an_explanation_as_of_a_time_knows_nothing_that_came_later(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path, CHAIN)
    before = why(path, "o2", 2.0)
    assert not before.known
    assert "was there when it was seen first" in before.sentence
    assert not why(path, "nothing").known


def test_an_action_that_moved_nothing_was_prevented_by_what_it_leaned_against(
    tmp_path: Path,
) -> None:
    path = tmp_path / "memory.db"
    play(path, [(0.5, ON, ("o1", "o3")), (1.0, ACTION, ("o1", "robot"))])
    with MemoryReader(path) as memory:
        action = memory.events(kind="action")[0]
        edge = memory.causes(action.seq)[0]
        assert edge.kind == "prevents"
        blocker = memory.event(edge.source)
    assert blocker is not None
    assert blocker.subjects == ("o1", "o3")


def test_the_graph_has_all_relations_also_those_that_follow_from_the_log(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path, CHAIN)
    with MemoryReader(path) as memory:
        found = {row["kind"] for row in memory._rows("SELECT kind FROM graph")}
        assert found == {"causes", "enables", "about", "before"}
        moves = [e.seq for e in memory.history("o2")]
        after = memory._rows("SELECT target FROM graph WHERE kind = 'before' AND object = 'o2'")
        assert [row["target"] for row in after] == moves[1:]


def test_a_cycle_of_causes_ends(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path, CHAIN)
    with Memory(path) as memory:
        seqs = [e.seq for e in memory.events(kind="moved")]
        memory._db.execute(
            "INSERT INTO edge (kind, source, target, weight, evidence) "
            f"VALUES ('causes', {seqs[1]}, {seqs[0]}, 1.0, '[]')"
        )
        assert len(memory.explain("o2").chain) <= 4


def test_what_else_can_be_explained_is_said(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    play(path, [(1.0, EventKind.HIDDEN, ("o1",))])
    with MemoryReader(path) as memory:
        assert "o1 hidden" in memory.explain("o1", attribute="visibility").sentence
        with pytest.raises(MemoryStoreError, match="choose of position"):
            memory.explain("o1", attribute="color")


def test_causes_are_found_again_after_a_write_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.write(scene(SECOND, *(state(name, SECOND) for name in OBJECTS)))
        pages = memory._db.execute("PRAGMA page_count").fetchone()[0]
        memory._db.execute(f"PRAGMA max_page_count = {pages}")
        flood: list[Event] = [event(2 * SECOND, ACTION, "o1", "robot", text="x" * 900)]
        flood += [event(2 * SECOND, MOVED, "o3", text="x" * 900) for _ in range(20)]
        memory.write(scene(2 * SECOND, state("o1", 2 * SECOND), events=flood))
        assert memory.status().health != "ok"
        memory._db.execute("PRAGMA max_page_count = 100000")
        moved = [event(4 * SECOND, MOVED, "o1")]
        memory.write(scene(4 * SECOND, state("o1", 4 * SECOND), events=moved))
        assert memory.status().health == "ok"
        assert kinds(memory.explain("o1")) == [("moved", "o1"), ("action", "o1")]
