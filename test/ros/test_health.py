"""What a node says of itself, and its worker thread; without rclpy."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from perception_nodes.ros.health import Health, Level
from perception_nodes.ros.worker import Worker

TIMEOUT, STALE_AFTER = 0.5, 3.0


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def health(clock: Time) -> Health:
    made = Health(clock)
    made.expect("depth", required=True)
    made.expect("people", required=False)
    return made


def feed(health: Health, clock: Time, seconds: float, rate: float) -> None:
    for _ in range(round(seconds * rate)):
        clock.now += 1.0 / rate
        health.arrived("depth")


def level(health: Health) -> Level:
    return health.judge(TIMEOUT, STALE_AFTER)[0]


def test_an_input_that_comes_is_well_and_an_optional_one_may_be_missing(
    health: Health, clock: Time
) -> None:
    feed(health, clock, 2.0, 30.0)
    assert level(health) is Level.OK


def test_an_input_that_stops_is_a_warning_within_a_second_and_then_stale(
    health: Health, clock: Time
) -> None:
    feed(health, clock, 2.0, 30.0)
    clock.now += 0.45
    assert level(health) is Level.OK
    clock.now += 0.1
    assert level(health) is Level.WARN
    assert "depth silent for" in health.judge(TIMEOUT, STALE_AFTER)[1]
    clock.now += 3.0
    assert level(health) is Level.STALE
    feed(health, clock, 0.2, 30.0)
    assert level(health) is Level.OK


def test_a_slow_camera_is_not_mistaken_for_a_silent_one(health: Health, clock: Time) -> None:
    feed(health, clock, 10.0, 1.0)
    clock.now += 2.0
    assert level(health) is Level.OK
    clock.now += 1.5
    assert level(health) is not Level.OK


def test_an_input_that_never_came_is_silent_since_activation(health: Health, clock: Time) -> None:
    clock.now += 100.0
    health.activated()
    assert level(health) is Level.OK
    clock.now += 1.0
    assert level(health) is Level.WARN


def test_trouble_is_told_for_a_while_and_counted_for_good(health: Health, clock: Time) -> None:
    feed(health, clock, 1.0, 30.0)
    health.dropped("invalid input", detail="the image has no pixels")
    health.failed("KeyError: 'x'")
    health.dropped("superseded", 3)
    assert level(health) is Level.WARN
    feed(health, clock, 4.0, 30.0)
    assert level(health) is Level.OK
    values = health.values()
    assert values["dropped, invalid input"] == "1"
    assert values["dropped, superseded"] == "3"
    assert values["errors"] == "1"


def test_percentiles_and_rates_are_those_of_what_was_published(health: Health, clock: Time) -> None:
    for i in range(100):
        clock.now += 0.1
        health.arrived("depth")
        health.published(latency_ms=float(i + 1), processing_ms=5.0)
    values = health.values()
    assert values["latency p50/p95/p99 ms"] == "50.5 / 95.0 / 99.0"
    assert values["processing p50/p95/p99 ms"] == "5.0 / 5.0 / 5.0"
    assert values["output"] == "100 messages, 10.0 Hz"
    assert values["input depth"].startswith("100 messages, 10.0 Hz")


def test_inputs_without_output_are_noticed(health: Health, clock: Time) -> None:
    health.activated()
    feed(health, clock, 0.5, 30.0)
    assert not health.fruitless(TIMEOUT)
    feed(health, clock, 1.0, 30.0)
    assert health.fruitless(TIMEOUT)
    health.published(1.0, 1.0)
    assert not health.fruitless(TIMEOUT)


def blocked(capacity: int) -> tuple[Worker[int], list[int], Callable[[], None]]:
    """A worker that waits in its first item until released."""
    gate, entered, done = threading.Event(), threading.Event(), []

    def work(item: int) -> None:
        entered.set()
        gate.wait(10.0)
        done.append(item)

    worker = Worker("test", work, lambda error: None, capacity)
    worker.start()
    worker.offer(0)
    assert entered.wait(10.0)
    return worker, done, gate.set


def finish(worker: Worker[int], done: list[int], count: int) -> None:
    for _ in range(1000):
        if len(done) == count:
            break
        threading.Event().wait(0.01)
    assert worker.stop()


def test_a_busy_worker_keeps_only_the_newest() -> None:
    worker, done, release = blocked(capacity=1)
    assert [worker.offer(i) for i in (1, 2, 3)] == [0, 1, 1]
    release()
    finish(worker, done, 2)
    assert done == [0, 3]


def test_a_queue_drops_the_oldest_when_it_is_full() -> None:
    worker, done, release = blocked(capacity=2)
    assert [worker.offer(i) for i in (1, 2, 3)] == [0, 0, 1]
    release()
    finish(worker, done, 3)
    assert done == [0, 2, 3]


def test_a_stopped_worker_takes_nothing_and_can_start_again() -> None:
    worker, done, release = blocked(capacity=5)
    worker.offer(1)
    release()
    finish(worker, done, 2)
    assert worker.offer(2) == 0
    worker.start()
    worker.offer(3)
    finish(worker, done, 3)
    assert done == [0, 1, 3]


def test_what_the_work_raises_is_handed_on_and_the_thread_lives() -> None:
    errors: list[str] = []
    done: list[int] = []

    def work(item: int) -> None:
        if item == 0:
            raise ValueError("bad item")
        done.append(item)

    worker: Worker[int] = Worker("test", work, lambda error: errors.append(str(error)), 5)
    worker.start()
    worker.offer(0)
    worker.offer(1)
    finish(worker, done, 1)
    assert (errors, done) == (["bad item"], [1])
