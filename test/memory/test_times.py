"""Times as people write them."""

from __future__ import annotations

import pytest

from perception_nodes.memory.times import moment, period


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("12.5", 7_000_000_000 + 12_500_000_000),
        ("0", 7_000_000_000),
        (".25", 7_250_000_000),
        ("1700000000.000000001", 1_700_000_000_000_000_001),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000_000_000),
        ("2023-11-14T22:13:20.5", 1_700_000_000_500_000_000),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000_000_000_000),
    ],
)
def test_a_moment_counts_from_the_recording_or_from_1970(text: str, stamp: int) -> None:
    assert moment(text).stamp(start=7_000_000_000) == stamp


@pytest.mark.parametrize("text", ["", "soon", "-3", "12,5", "1e9", "nan", "2023-13-01"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        moment(text)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("30s", 30_000_000_000),
        ("30", 30_000_000_000),
        ("2min", 120_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("2 d", 172_800_000_000_000),
        ("250ms", 250_000_000),
    ],
)
def test_a_period_has_a_unit_or_is_in_seconds(text: str, nanoseconds: int) -> None:
    assert period(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "s", "3 weeks", "-2s", "1e3s"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="length of time"):
        period(text)
