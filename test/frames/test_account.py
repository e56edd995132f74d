from __future__ import annotations

from perception_nodes.frames.account import Account


def test_a_note_is_told_once_with_the_first_case_and_the_number_of_cases() -> None:
    account = Account()
    for value in (3, 4, 5):
        account.note("a transform is ignored", f"it is {value}")
    account.note("colors are black")
    assert account.notes == ("a transform is ignored (3 times): it is 3", "colors are black")


def test_drops_are_counted_by_cause_with_the_first_detail() -> None:
    account = Account()
    account.drop("bad frame", "too small")
    account.drop("bad frame", "too large", count=4)
    account.drop("late frame")
    assert account.drops == {"bad frame: too small": 5, "late frame": 1}


def test_hostile_recordings_can_not_fill_the_memory() -> None:
    account = Account()
    for i in range(1000):
        account.note(f"note {i}")
        account.drop(f"cause {i}")
    account.note("note 3")
    assert len(account.notes) == len(account.drops) == 100
