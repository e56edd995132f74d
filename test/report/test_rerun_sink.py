from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perception_nodes.errors import ConfigurationError
from perception_nodes.report.rerun import RerunSink


def test_without_the_rerun_sdk_the_user_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ConfigurationError, match="not installed") as caught:
        RerunSink(tmp_path / "run.rrd")
    assert "permanence[rerun]" in caught.value.remedy


def test_a_run_becomes_a_rerun_recording(tmp_path: Path, make_world: Callable[..., Any]) -> None:
    pytest.importorskip("rerun", reason="the Rerun SDK (extra [rerun]) is not installed")
    sink = RerunSink(tmp_path / "run.rrd")
    for sample, state, timings in make_world(duration=0.5, rate=4.0).run():
        sink.write(sample, state, timings)
    sink.close()
    assert (tmp_path / "run.rrd").stat().st_size > 10_000
