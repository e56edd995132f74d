"""Notices a camera that sends the same picture over and over with new stamps. ROS-free."""

from __future__ import annotations

from typing import Any

import numpy as np

_LEAST = 5


class FrozenImages:
    """Compares each image with the one before; a sensor's noise never repeats a whole image.

    Args:
        limit_ns: How long the pictures may stay the same; 0 for ever.
    """

    def __init__(self, limit_ns: int) -> None:
        self._limit = limit_ns
        self.reset()

    def reset(self) -> None:
        """Forget the last image, as after a backward jump of the clock."""
        self._last: tuple[Any, Any] | None = None
        self._since = 0
        self._count = 0

    def look(self, stamp: int, color: Any, depth: Any) -> float:
        """For how many seconds all pixels have been the same; 0 within the limit.

        Args:
            stamp: ns.
            color: Message with `data`.
            depth: Likewise.
        """
        if not self._limit:
            return 0.0
        same = self._last is not None and all(
            _equal(a.data, b.data) for a, b in zip(self._last, (color, depth), strict=True)
        )
        self._last = (color, depth)
        if not same:
            self._since, self._count = stamp, 0
        self._count += 1
        lasted = stamp - self._since
        frozen = self._count >= _LEAST and lasted > self._limit
        return lasted * 1e-9 if frozen else 0.0


def _equal(a: Any, b: Any) -> bool:
    return np.array_equal(np.frombuffer(a, np.uint8), np.frombuffer(b, np.uint8))
