from __future__ import annotations

import pytest
from color_finder import ColorFinder


@pytest.fixture(autouse=True)
def _cheap_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found does not matter here, so it may be found fast."""
    monkeypatch.setattr("perception_nodes.session.DepthFinder", ColorFinder)
