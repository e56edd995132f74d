"""Times as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

_SECOND = 1_000_000_000
_EPOCH_FROM = 100_000_000  # s; no recording lasts three years, and no robot ran before 1973
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in message time.

    Attributes:
        nanoseconds: Since the epoch, or since the start of the recording.
        absolute: Which of the two.
    """

    nanoseconds: int
    absolute: bool

    def stamp(self, start: int) -> int:
        """The message stamp in ns; `start` is that of the recording's first frame."""
        return self.nanoseconds if self.absolute else start + self.nanoseconds


def moment(text: str) -> Moment:
    """Read `12.5` (seconds since the start), `1700000000.5` (since 1970) or an ISO 8601 time.

    Raises:
        ValueError: It is none of these.
    """
    if re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
        seconds = Fraction(text)
        return Moment(round(seconds * _SECOND), absolute=seconds >= _EPOCH_FROM)
    time = datetime.fromisoformat(text)
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    return Moment(since // timedelta(microseconds=1) * 1000, absolute=True)


def period(text: str) -> int:
    """Read `30s`, `2min`, `1.5h`, `2d`, `250ms` or plain seconds; nanoseconds.

    Raises:
        ValueError: It is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", text.strip())
    if match is None or (match[2] and match[2] not in _UNITS):
        raise ValueError(f"{text!r} is not a length of time such as 30s or 2min")
    return round(Fraction(match[1]) * _UNITS[match[2] or "s"] * _SECOND)
