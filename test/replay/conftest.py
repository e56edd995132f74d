from __future__ import annotations

from pathlib import Path

import pytest
from color_finder import ColorFinder
from replaying import Replay


@pytest.fixture(autouse=True)
def _cheap_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found does not matter here, so it may be found fast."""
    monkeypatch.setattr("perception_nodes.viewrope.depth_finder.DepthFinder", ColorFinder)


@pytest.fixture
def replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Replay:
    return Replay(tmp_path, capsys)
