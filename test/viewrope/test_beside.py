from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from raytraced import Cuboid, picture

from perception_nodes.errors import PermanenceError
from perception_nodes.viewrope import beside as module
from perception_nodes.viewrope.beside import beside
from perception_nodes.viewrope.depth_finder import DepthFinder

FRAME = picture([Cuboid((0.05, 0.15, 0.05), (0.12, 0.08, 0.10), 0.5)])[0]


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)


def test_a_source_beside_finds_the_same() -> None:
    alone = DepthFinder().find(FRAME)
    with beside(DepthFinder()) as source:
        found = source.find(FRAME)
        assert source.model_id == DepthFinder().model_id
        assert np.array_equal(found.labels, alone.labels)
        assert [s.size.tolist() for s in found.items] == [s.size.tolist() for s in alone.items]
        assert found.items
        source.reset()


def test_with_one_core_there_is_no_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 1)
    source = DepthFinder()
    with beside(source) as same:
        assert same is source


def test_an_error_of_the_source_is_raised_where_the_slots_were_awaited() -> None:
    flat = replace(FRAME, depth=np.zeros(7, np.float32))
    with beside(DepthFinder()) as source:
        with pytest.raises(IndexError, match="out of range"):
            source.find(flat)
        assert source.find(FRAME).items  # and the process goes on


def test_a_process_that_died_is_told_with_a_remedy() -> None:
    with beside(DepthFinder()) as source:
        assert source.find(FRAME).items
        source._process.kill()  # type: ignore[attr-defined]
        source._process.wait()  # type: ignore[attr-defined]
        with pytest.raises(PermanenceError, match="has ended") as caught:
            source.find(FRAME)
        assert caught.value.remedy
