from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from perception_nodes.errors import BagError
from perception_nodes.prefetch import prefetch


def numbers(count: int, broken: bool = False) -> Iterator[int]:
    yield from range(count)
    if broken:
        raise BagError("the file ends here")


def readers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "ahead"]


def test_samples_come_in_order_and_complete() -> None:
    assert list(prefetch(numbers(100))) == list(range(100))


def test_an_error_of_the_source_comes_after_the_samples_before_it() -> None:
    got: list[int] = []
    with pytest.raises(BagError, match="ends here"):
        got.extend(prefetch(numbers(5, broken=True)))
    assert got == list(range(5))


def test_a_consumer_that_stops_early_ends_the_reading_thread() -> None:
    before = len(readers())
    for number in prefetch(numbers(1_000_000)):
        if number == 3:
            break
    assert len(readers()) == before


def test_only_a_few_samples_are_read_ahead() -> None:
    read = []

    def source() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    iterator = prefetch(source())
    next(iterator)
    threading.Event().wait(0.3)
    assert len(read) <= 6
    iterator.close()
