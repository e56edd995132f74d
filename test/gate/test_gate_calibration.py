from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from tabletop import PERIOD, Box, observe

from perception_nodes.commands.calibrate_gate import run
from perception_nodes.errors import ConfigurationError
from perception_nodes.gate import calibration
from perception_nodes.gate.calibration import Known, Looks, calibrate, errors_of_skips
from perception_nodes.gate.governor import Governor
from perception_nodes.gate.source import GatedSource, gated
from perception_nodes.resources import resource
from perception_nodes.viewrope import factory

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))


def pushed(steps: float) -> Looks:
    """A mug that moves by so much each frame after a while."""
    return [
        observe((MUG.at(0.0, steps * max(0, k - 10)),), (k + 1) * PERIOD) for k in range(24)
    ]  # fmt: skip


def test_the_error_of_a_skip_is_what_searching_it_would_have_shown() -> None:
    still = errors_of_skips(pushed(0.0), GatedSource(Known(pushed(0.0)), 0.03))
    moving = errors_of_skips(pushed(0.008), GatedSource(Known(pushed(0.008)), 0.03))
    assert len(still) >= 13
    assert max(still) < 0.002
    assert 0.006 < max(moving) < 0.05


def test_the_threshold_that_is_chosen_keeps_the_error_and_skips_what_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calibration, "THRESHOLDS", (0.005, 0.02, 0.08))
    chosen, tried = calibrate([pushed(0.004), pushed(0.006)] * 2, 0.03, 0.3)
    assert 0.0 < chosen < 0.08
    bounds = {row.threshold: row.bound for row in tried}
    assert bounds[chosen] <= 0.03 < bounds[0.08]
    shares = [row.searched for row in tried]
    assert shares == sorted(shares, reverse=True)


def test_too_short_recordings_are_refused_with_what_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(factory, "make_source", lambda: Known(pushed(0.0)))
    monkeypatch.setattr(Known, "find", lambda _self, _frame: None)
    bag = resource("examples/data") / "box.mcap"
    with pytest.raises(ConfigurationError, match="can't promise") as told:
        run(argparse.Namespace(bags=[Path(bag)], error=0.03, risk=0.1))
    assert "90 s" in str(told.value)


def test_a_governor_and_a_threshold_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="owns the threshold"):
        gated(Known(pushed(0.0)), Governor(0.5), None, 0.01)
    assert gated(Known(pushed(0.0)), None, 0.03, 0.01).promise is not None
