"""Keeping pace with the clock, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tabletop import CAMERA

from perception_nodes.replay import Live
from perception_nodes.scene import Frame, Sample

BLANK = np.zeros((CAMERA.height, CAMERA.width), np.float32)
COLOR = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)


class Clock:
    """Time that passes only when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def sample(seconds: float) -> Sample:
    return Sample(Frame(round(seconds * 1e9), "camera", "o", CAMERA, COLOR, BLANK, None), None)


def play(times: Sequence[float], work: float) -> tuple[list[float], list[float], int]:
    """Stamps delivered, when each was, and how many were dropped, with this much work a frame."""
    clock = Clock()
    live = Live([sample(t) for t in times], clock, clock.sleep)
    stamps, moments = [], []
    for delivered in live:
        stamps.append(round(delivered.frame.stamp / 1e9, 3))
        moments.append(round(clock.now - 100.0, 3))
        clock.now += work
    return stamps, moments, live.late


TENTHS = [round(0.1 * i, 3) for i in range(20)]


def test_frames_that_are_worked_off_in_time_are_all_delivered_when_due() -> None:
    stamps, moments, late = play(TENTHS, work=0.05)
    assert stamps == moments == TENTHS
    assert late == 0


def test_frames_that_come_while_another_is_worked_on_are_dropped_but_the_newest() -> None:
    stamps, moments, late = play(TENTHS, work=0.25)
    assert stamps[:4] == [0.0, 0.2, 0.5, 0.7]
    assert late == len(TENTHS) - len(stamps)
    assert all(0 <= moment - stamp < 0.101 for stamp, moment in zip(stamps, moments, strict=True))


def test_the_last_frame_is_delivered_however_late() -> None:
    stamps, _, late = play([0.0, 0.1, 0.2], work=10.0)
    assert stamps == [0.0, 0.2]
    assert late == 1


def test_a_long_pause_of_the_recording_is_skipped() -> None:
    stamps, moments, late = play([0.0, 0.1, 7200.0, 7200.1], work=0.01)
    assert stamps == [0.0, 0.1, 7200.0, 7200.1]
    assert moments[-1] < 1.0
    assert late == 0


def test_a_clock_that_jumps_back_starts_anew_and_drops_nothing() -> None:
    stamps, moments, late = play([5.0, 5.1, 5.2, 0.0, 0.1, 0.2], work=0.01)
    assert stamps == [5.0, 5.1, 5.2, 0.0, 0.1, 0.2]
    assert moments[-1] < 1.0
    assert late == 0
