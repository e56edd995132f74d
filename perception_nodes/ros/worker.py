"""A thread that does the heavy work, so that no subscription callback does."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_STOP_TIMEOUT_S = 5.0


class Worker(Generic[T]):
    """Works through offered items in a thread; when it falls behind, the oldest are dropped.

    With a capacity of one this is the newest-frame slot: while one frame is processed, only the
    newest of those that arrive is kept.

    Args:
        name: Of the thread.
        work: Called with each item, in the thread.
        on_error: Called with what `work` raised; the thread lives on.
        capacity: How many items may wait.
        on_end: Called in the thread before it ends, to free what belongs to a thread.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[T], None],
        on_error: Callable[[Exception], None],
        capacity: int = 1,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._work = work
        self._on_error = on_error
        self._capacity = capacity
        self._on_end = on_end
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running = False

    def start(self) -> None:
        """Begin to work."""
        self._running = True
        self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """Drop what waits and end after the item in work.

        Returns:
            Whether the thread ended in time.
        """
        with self._changed:
            self._running = False
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread is None:
            return True
        self._thread.join(_STOP_TIMEOUT_S)
        ended = not self._thread.is_alive()
        self._thread = None
        return ended

    def offer(self, item: T) -> int:
        """Give an item to the thread without waiting.

        Returns:
            How many older items were dropped for it.
        """
        with self._changed:
            if not self._running:
                return 0
            dropped = 0
            while len(self._waiting) >= self._capacity:
                self._waiting.popleft()
                dropped += 1
            self._waiting.append(item)
            self._changed.notify()
            return dropped

    def clear(self) -> None:
        """Drop what waits."""
        with self._changed:
            self._waiting.clear()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or not self._running)
                if not self._running:
                    break
                item = self._waiting.popleft()
            try:
                self._work(item)
            except Exception as error:  # noqa: BLE001 - counted and logged there; the node lives
                self._on_error(error)
        if self._on_end is not None:
            self._on_end()
