"""Questions in plain words: why, what changed, what is near, what happens if."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.commands import explain, recall, what_if
from perception_nodes.memory import question
from perception_nodes.memory.grammar import parse
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import Event, EventKind

ACTION, MOVED, STOPPED = EventKind.ACTION, EventKind.MOVED, EventKind.STOPPED


def push(stamp: int, who: str, *, also: str = "") -> dict[int, list[Event]]:
    """A robot pushes something, which moves and comes to rest a second later."""
    told = {
        stamp: [event(stamp, ACTION, who, "robot", text=f"push: robot pushes {who}")],
        stamp + SECOND: [
            event(stamp + SECOND, EventKind.CONTACT_ON, who, "robot"),
            event(stamp + SECOND, MOVED, who, text=f"{who} moves"),
        ],
        stamp + 2 * SECOND: [event(stamp + 2 * SECOND, STOPPED, who)],
    }
    if also:
        told[stamp + SECOND].append(event(stamp + SECOND, EventKind.CONTACT_ON, who, also))
        told[stamp + SECOND].append(event(stamp + SECOND, MOVED, also, text=f"{also} moves"))
    return told


def fill(path: Path) -> None:
    """o1, a mug, is pushed at 10, 20 and 30 s, and the third time takes o2 with it."""
    told = push(10 * SECOND, "o1") | push(20 * SECOND, "o1") | push(30 * SECOND, "o1", also="o2")
    told[40 * SECOND] = [event(40 * SECOND, ACTION, "o3", "robot", text="push: robot pushes o3")]
    told[5 * SECOND] = [event(5 * SECOND, EventKind.CONTACT_ON, "o3", "o4")]
    with Memory(path) as memory:
        for k in range(1, 60):
            stamp = k * SECOND
            x = 0.2 * sum(k > start for start in (10, 20, 30))
            places = {"o1": (x, 0.0, 0.0), "o2": (1.0 if k < 31 else 1.1, 0.0, 0.0)}
            places |= {"o3": (3.0, 0.0, 0.0), "o4": (3.1, 0.0, 0.0)}
            objects = [state(name, stamp, place) for name, place in places.items()]
            memory.write(scene(stamp, *objects, events=told.get(stamp, ())))
        memory.label("o1", "mug")


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryReader]:
    monkeypatch.chdir(tmp_path)
    fill(Path("out") / "memory.db")
    with MemoryReader(Path("out") / "memory.db") as reader:
        yield reader


@pytest.mark.parametrize(
    ("text", "kind", "rest"),
    [
        ("where is the mug?", "where", "where is the mug?"),
        ("why is the mug here", "why", "is the mug here"),
        ("Who moved the mug?", "why", "the mug?"),
        ("what changed", "changes", ""),
        ("what has changed in the last 10 minutes?", "changes", "?"),
        ("what happens if I push the mug", "what_if", "the mug"),
        ("What usually happens after pushing the mug", "what_if", "the mug"),
        ("what is near the mug", "near", "what is the mug"),
        ("what happened to the mug", "happened", "to the mug"),
    ],
)
def test_plain_words_are_understood(text: str, kind: str, rest: str) -> None:
    found = parse(text, 0, 0)
    assert (found.kind, " ".join(found.rest.split())) == (kind, rest)
    if kind == "what_if":
        assert found.action == "push"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("where was the mug 30 s ago", 70 * SECOND),
        ("where was the mug 1.5 minutes ago?", 10 * SECOND),
        ("where was the mug at 12.5", 10 * SECOND + 12_500_000_000),
        ("where was the mug at t=3 s", 13 * SECOND),
        ("where is mug 7", None),
    ],
)
def test_times_in_words_are_times(text: str, at: int | None) -> None:
    assert parse(text, 10 * SECOND, 100 * SECOND).at == at


def test_why_is_answered_with_the_action_that_began_it(memory: MemoryReader) -> None:
    answer = question.recall(memory, "why is the mug where it is?")
    assert answer.known
    assert "because push: robot pushes o1" in answer.sentence
    assert {e.kind for e in answer.events} == {"moved", "action"}
    assert all(f"event {e.seq}" in answer.evidence for e in answer.events)
    assert not question.recall(memory, "why is o3 there").known


def test_what_follows_an_action_is_counted(memory: MemoryReader) -> None:
    found = memory.what_if("push", "mug")
    assert (found.times, found.moved) == (3, 3)
    assert found.others == (("o2", 1),)
    assert found.distances == pytest.approx((0.2, 0.2, 0.2))
    assert found.probability == pytest.approx(0.8)  # (3 + 1) / (3 + 2)
    blocked = memory.what_if("push", "o3")
    assert (blocked.times, blocked.moved, blocked.prevented) == (1, 0, 1)
    for action, name in (("throw", "mug"), ("push", "o4"), ("%", "mug"), ("pus_", "mug")):
        assert not memory.what_if(action, name).known
    said = question.recall(memory, "what happens if I push the mug?")
    assert said.sentence.startswith("after push, o1 moved 3 of 3 times; by 0.20 m (median)")


def test_what_changed_is_the_difference_of_two_beliefs(memory: MemoryReader) -> None:
    answer = question.recall(memory, "what changed in the last 35 s")
    assert answer.sentence.splitlines() == [
        "mug (o1) moved 0.20 m, to (0.60, 0.00, 0.00)",
        "o2 moved 0.10 m, to (1.10, 0.00, 0.00)",
    ]
    assert any(evidence.startswith("event") for evidence in answer.evidence)
    assert memory.changes(50 * SECOND).sentence == "nothing changed"
    assert not memory.changes(0).known


def test_in_the_first_session_changes_are_told_since_each_object_was_seen_first(
    memory: MemoryReader,
) -> None:
    answer = question.recall(memory, "what changed?")
    assert answer.known
    first, *lines = answer.sentence.splitlines()
    assert first.startswith("this is the first session")
    assert lines == [
        "mug (o1) moved 0.60 m, to (0.60, 0.00, 0.00)",
        "o2 moved 0.10 m, to (1.10, 0.00, 0.00)",
    ]
    assert any(evidence.startswith("event") for evidence in answer.evidence)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("what is hidden?", "hidden"),
        ("Which objects are lost", "lost"),
        ("what do you see?", "see"),
        ("what is there", "there"),
        ("where are all objects", "objects"),
        ("list everything", ""),
    ],
)
def test_what_is_there_is_asked_without_a_name(
    memory: MemoryReader, text: str, action: str
) -> None:
    found = parse(text, 0, 0)
    assert (found.kind, found.action) == ("list", action)
    assert question.recall(memory, text).known
    assert parse("why is the mug hidden?", 0, 0).kind == "why"
    assert parse("what is hidden behind the mug?", 0, 0).kind == "where"


def test_what_is_hidden_or_seen_is_told_by_name(memory: MemoryReader) -> None:
    known = {record.state.id for record in memory.records() if record.removed is None}
    told = {text: question.recall(memory, text) for text in ("what is hidden", "what do you see")}
    for text, answer in told.items():
        assert answer.sentence.count(" of ") == 1, text
        assert len(answer.evidence) == len(answer.records)
    hidden, seen = ({r.state.id for r in answer.records} for answer in told.values())
    assert not hidden & seen
    assert hidden | seen <= known
    assert seen


def test_what_is_near_comes_with_distance_in_order(memory: MemoryReader) -> None:
    answer = question.recall(memory, "what is near the mug?")
    assert answer.sentence == "o2 within 0.5 m"
    assert question.recall(memory, "what is near o2").states[0].label == "mug"
    assert question.recall(memory, "what was near the mug at 5").sentence == "nothing within 0.5 m"


def test_words_that_name_nothing_are_looked_up_in_the_log(memory: MemoryReader) -> None:
    answer = question.recall(memory, "what did the robot do?")
    assert not answer.known
    assert 'there is no object "robot"' in answer.sentence
    assert "push: robot pushes" in answer.sentence
    assert answer.events


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(required=True)
    for module in (recall, explain, what_if):
        module.register(subparsers)
    args = parser.parse_args(arguments)
    return int(args.run(args))


@pytest.mark.usefixtures("memory")
def test_commands_answer_and_say_with_their_status_whether_they_know(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("explain", "mug") == 0
    assert "because push: robot pushes o1 (at t=29.00 s" in capsys.readouterr().out
    assert run("explain", "mug", "--at", "5") == 3
    assert "was there when it was seen first" in capsys.readouterr().out
    assert run("explain", "mug", "--json") == 0
    chain = json.loads(capsys.readouterr().out)["chain"]
    assert [link["kind"] for link in chain] == ["moved", "action"]
    assert run("what-if", "push", "mug") == 0
    assert "moved 3 of 3 times" in capsys.readouterr().out
    assert run("what-if", "throw", "mug", "--json") == 3
    assert json.loads(capsys.readouterr().out)["times"] == 0
    assert run("recall", "what", "changed", "--ago", "35s") == 0
    assert "o2 moved 0.10 m" in capsys.readouterr().out
