"""Whether commands may go out: enabled by a person, no emergency stop, and everything fresh."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_NANOSECONDS = 1e-9


class Gate:
    """Lets commands out only while somebody wants that. An emergency stop latches.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._enabled = False
        self._pressed = False
        self._latched = False

    def stop(self, pressed: bool) -> None:
        """The emergency stop is pressed, or released; released it still holds until `enable`."""
        with self._lock:
            self._pressed = pressed
            self._latched = self._latched or pressed

    def enable(self, wanted: bool) -> tuple[bool, str]:
        """Let commands out, or keep them in.

        Returns:
            Whether that was done, and a sentence.
        """
        with self._lock:
            if not wanted:
                self._enabled = False
                return True, "commands are kept in"
            if self._pressed:
                return False, "the emergency stop is pressed: release it first"
            self._enabled, self._latched = True, False
            return True, "commands go out"

    @property
    def stopped(self) -> bool:
        """Whether an emergency stop holds."""
        with self._lock:
            return self._latched

    @property
    def closed(self) -> str:
        """Why no command may go out; empty if they may."""
        with self._lock:
            if self._pressed:
                return "emergency stop"
            if self._latched:
                return "emergency stop was released; it holds until the service enable is called"
            return "" if self._enabled else "not enabled: call the service enable"


@dataclass(slots=True)
class _Input:
    stamp: int = 0
    heard: float | None = None


class Watchdog:
    """Says what is stale: messages that stop to come, and messages that come with old stamps.

    An input is watched from the start, or, if it is optional, from its first message on.

    Args:
        required: Names of inputs without which nothing may move.
        limit: Age after which an input is stale, s.
        clock: Steady seconds, since the time of a simulation may stand still.
    """

    def __init__(
        self, required: tuple[str, ...], limit: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._required = required
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything, as when the clock jumps back."""
        with self._lock:
            self._inputs = {name: _Input() for name in self._required}

    def heard(self, name: str, stamp: int) -> None:
        """A message came; its header has `stamp`, ns."""
        with self._lock:
            entry = self._inputs.setdefault(name, _Input())
            entry.stamp, entry.heard = stamp, self._clock()

    def stale(self, now: int) -> str:
        """What is stale at a time (ns, of the message's clock); empty if everything is fresh."""
        with self._lock:
            steady = self._clock()
            for name, entry in self._inputs.items():
                if entry.heard is None:
                    return f"no message on {name} yet"
                silence, age = steady - entry.heard, (now - entry.stamp) * _NANOSECONDS
                if silence > self._limit:
                    return f"{name} silent for {silence:.1f} s"
                if age > self._limit:
                    return f"the newest message on {name} is {age:.1f} s old"
            return ""
