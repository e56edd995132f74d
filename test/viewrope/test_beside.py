from __future__ import annotations

import os
import signal
from dataclasses import dataclass

import numpy as np
import pytest
from raytraced import Cuboid, picture

from perception_nodes.errors import PermanenceError
from perception_nodes.scene import Frame, Slots
from perception_nodes.viewrope import beside as module
from perception_nodes.viewrope.beside import beside
from perception_nodes.viewrope.depth_finder import DepthFinder

FRAME = picture([Cuboid((0.05, 0.15, 0.05), (0.12, 0.08, 0.10), 0.5)])[0]


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)


@dataclass
class Worker:
    """Tells of its process, or fails."""

    model_id: str = "worker"

    def find(self, frame: Frame) -> Slots:
        if frame.stamp == 1:
            raise PermanenceError("no objects today")
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    def reset(self) -> None:
        raise PermanenceError(str(os.getpid()))


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
