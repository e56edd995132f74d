"""Fixtures of the simulation tests."""

from __future__ import annotations

import pytest

from perception_simulation import gl


@pytest.fixture
def rendering() -> None:
    """Skips a test where images can't be drawn; says what to install."""
    try:
        gl.backend()
    except gl.RenderingError as error:
        pytest.skip(str(error))
