"""`permanence recall`, `label` and `history` as a person or a script uses them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from beliefs import SECOND, event, scene, state

from perception_nodes.commands import history, label, memory, recall, what_if
from perception_nodes.errors import InputError, MemoryStoreError
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import EventKind, Visibility


@pytest.fixture(autouse=True)
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of replay's folder: o1 is seen to the end, o2 hidden after 4 of 10 seconds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    with Memory(Path("out") / "memory.db") as memory:
        for tick in range(11):
            stamp = 50 * SECOND + tick * SECOND
            hidden = tick > 4
            visibility = Visibility.OCCLUDED if hidden else Visibility.VISIBLE
            other = state("o2", stamp, (tick, -1, 0), visibility, min(stamp, 54 * SECOND))
            happened = [event(stamp, EventKind.HIDDEN, "o2")] if tick == 5 else []
            memory.write(scene(stamp, state("o1", stamp), other, events=happened))


def permanence(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(required=True)
    for module in (recall, label, history, what_if, memory):
        module.register(subparsers)
    args = parser.parse_args(arguments)
    return int(args.run(args))


def test_recall_says_in_a_sentence_where_an_object_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert permanence("recall", "where", "is", "o2") == 0
    said = capsys.readouterr().out.splitlines()[0]
    assert said == (
        "o2 is at (10.00, -1.00, 0.00) ± 0.01 m in map; hidden; last seen 6.0 s ago at t=4.00 s"
    )


def test_recall_without_a_question_lists_every_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert permanence("recall") == 0
    said = capsys.readouterr().out
    assert "2 objects are known at t=10.00 s" in said
    assert [line.split()[:2] for line in said.splitlines()[2:]] == [
        ["o1", "visible"],
        ["o2", "hidden"],
    ]


@pytest.mark.parametrize(
    "when", [("--at", "3"), ("--ago", "7s"), ("--at", "1970-01-01T00:00:53Z"), ("--at", "3.9")]
)
def test_recall_answers_for_a_time(
    capsys: pytest.CaptureFixture[str], when: tuple[str, str]
) -> None:
    assert permanence("recall", "o2", *when, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["objects"][0]["position"] == [3, -1, 0]
    assert answer["objects"][0]["stamp"] == 53 * SECOND


def test_recall_near_a_place_takes_negative_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert permanence("recall", "--near", "9", "-1", "0", "1.5", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [o["id"] for o in answer["objects"]] == ["o2"]
    assert permanence("recall", "--near", "9", "-1", "0", "0.5") == 3
    assert permanence("recall", "o1", "--near", "9", "-1", "0", "1.5") == 3
    assert permanence("recall", "o2", "--near", "9", "-1", "0", "1.5") == 0


def test_recall_exits_with_3_when_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert permanence("recall", "teapot") == 3
    assert permanence("recall", "o2", "--ago", "1h") == 3
    assert permanence("recall", "--ago", "1h") == 3
    assert all(line.startswith("unknown") for line in capsys.readouterr().out.splitlines())


def test_a_label_is_an_answer_to_recall_from_then_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert permanence("label", "o2", "red mug") == 0
    assert "red mug (o2) is at" in capsys.readouterr().out
    assert permanence("recall", "where", "is", "the", "red", "mug?") == 0
    assert "red mug (o2) is at" in capsys.readouterr().out


def test_labeling_a_memory_that_does_not_exist_does_not_make_one(tmp_path: Path) -> None:
    with pytest.raises(MemoryStoreError, match="there is no memory"):
        permanence("label", "o2", "mug", "--memory", "other/memory.db")
    assert not (tmp_path / "other").exists()


def test_history_lists_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    assert permanence("history", "o2") == 0
    assert "hidden" in capsys.readouterr().out
    assert permanence("history", "o2", "--json") == 0
    (hidden,) = json.loads(capsys.readouterr().out)
    assert (hidden["kind"], hidden["stamp"]) == ("hidden", 55 * SECOND)
    assert hidden["position"] == [5, -1, 0]


def test_history_of_nothing_known_exits_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert permanence("history", "teapot") == 3
    assert "unknown" in capsys.readouterr().out
    assert permanence("history", "teapot", "--json") == 3
    assert json.loads(capsys.readouterr().out) == []


def test_a_name_that_looks_like_markup_is_printed_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    permanence("label", "o1", "[red]plate[/red]")
    permanence("recall")
    assert "[red]plate[/red]" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong", [("--at", "soon"), ("--ago", "3 weeks"), ("--at", "1", "--ago", "2"), ("--near", "1")]
)
def test_wrong_usage_exits_with_2(wrong: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as exit_status:
        permanence("recall", "o1", *wrong)
    assert exit_status.value.code == 2


def test_a_time_beyond_all_numbers_is_answered_like_any_other() -> None:
    assert permanence("recall", "o1", "--at", "9" * 30) == 0
    assert permanence("recall", "o1", "--ago", "9" * 30) == 3


def test_a_corrected_map_moves_what_recall_answers(capsys: pytest.CaptureFixture[str]) -> None:
    quarter = ("--rotation", "0", "0", "0.70710678", "0.70710678")
    assert permanence("memory", "correct-map", "--translation", "1", "0", "0", *quarter) == 0
    assert "the map map was corrected by 1.000 m and 90.00 degrees" in capsys.readouterr().out
    permanence("recall", "--json", "o2")
    (found,) = json.loads(capsys.readouterr().out)["objects"]
    assert found["position"] == pytest.approx([2.0, 10.0, 0.0], abs=1e-6)  # it was at (10, -1, 0)


def test_a_map_that_nobody_knows_or_a_rotation_that_is_none_corrects_nothing() -> None:
    with MemoryReader(Path("out") / "memory.db") as reader:
        before = list(reader.dump())
    still = ("memory", "correct-map", "--translation", "1", "0", "0", "--rotation", "0", "0", "0")
    with pytest.raises(MemoryStoreError, match="known maps: map"):
        permanence(*still, "1", "--map", "attic")
    with pytest.raises(InputError, match="instead of 1"):
        permanence(*still, "2")
    with MemoryReader(Path("out") / "memory.db") as reader:
        assert list(reader.dump()) == before
