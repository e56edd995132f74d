"""Commands go out only while somebody wants that and everything is fresh."""

from __future__ import annotations

from perception_nodes.planner.watchdog import Gate, Watchdog

SECOND = 1_000_000_000


def test_nothing_goes_out_before_it_is_enabled_or_after_it_is_disabled() -> None:
    gate = Gate()
    assert "not enabled" in gate.closed
    assert gate.enable(True) == (True, "commands go out")
    assert gate.closed == ""
    assert gate.enable(False)[0]
    assert "not enabled" in gate.closed


def test_an_emergency_stop_latches_and_only_enabling_after_its_release_ends_it() -> None:
    gate = Gate()
    gate.enable(True)
    gate.stop(True)
    assert gate.closed == "emergency stop"
    assert gate.enable(True) == (False, "the emergency stop is pressed: release it first")
    gate.stop(False)
    assert "until the service enable is called" in gate.closed
    gate.stop(False)
    assert gate.closed, "to release it twice changes nothing"
    gate.enable(False)
    assert gate.closed, "to disable does not end it"
    assert gate.enable(True)[0]
    assert gate.closed == ""


class Clock:
    """Steady seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_what_never_came_went_silent_or_comes_with_old_stamps_is_stale() -> None:
    clock = Clock()
    dog = Watchdog(("objects",), 0.5, clock)
    assert dog.stale(10 * SECOND) == "no message on objects yet"
    dog.heard("objects", 10 * SECOND)
    assert dog.stale(10 * SECOND) == ""
    clock.now += 0.4
    assert dog.stale(10 * SECOND) == "", "the time of a simulation may stand still"
    clock.now += 0.2
    assert dog.stale(10 * SECOND) == "objects silent for 0.6 s"
    dog.heard("objects", 10 * SECOND)
    assert dog.stale(10 * SECOND + 700_000_000) == "the newest message on objects is 0.7 s old"


def test_an_optional_input_is_watched_from_its_first_message_on() -> None:
    clock = Clock()
    dog = Watchdog(("objects",), 0.5, clock)
    dog.heard("objects", SECOND)
    assert dog.stale(SECOND) == ""
    dog.heard("people", SECOND)
    clock.now += 1.0
    dog.heard("objects", SECOND)
    assert dog.stale(SECOND) == "people silent for 1.0 s"
    dog.reset()
    assert dog.stale(SECOND) == "no message on objects yet"
