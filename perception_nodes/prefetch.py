"""Runs an iteration ahead in a thread, so that it overlaps with what is done with its items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")

_AHEAD = 3
_POLL = 0.1


class _End:
    """Follows the last item."""


def prefetch(items: Iterable[T]) -> Generator[T]:
    """Deliver items in the same order, a few of them computed ahead.

    Errors of the iteration are raised where the item would have come. OpenCV, zstd and NumPy leave
    the interpreter to others while they work, so on two cores what runs ahead costs little time.

    Args:
        items: Iterated in a thread of its own, which ends when the generator is closed.
    """
    ready: queue.Queue[T | BaseException | type[_End]] = queue.Queue(_AHEAD)
    stop = threading.Event()

    def put(item: T | BaseException | type[_End]) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=_POLL)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        try:
            for item in items:
                if not put(item):
                    break
            else:
                put(_End)
        except BaseException as error:  # noqa: BLE001 -- raised again where items are taken
            put(error)
        finally:
            if isinstance(items, Generator):  # it may run ahead itself: end that thread, too
                items.close()

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _End:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
