from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator

import numpy as np
import pytest

from perception_nodes.viewrope.crossing import Crossing


@pytest.fixture
def ends() -> Iterator[tuple[Crossing, Crossing]]:
    here, there = multiprocessing.Pipe()
    memory = os.memfd_create("test")
    yield Crossing(here, memory), Crossing(there, memory)
    os.close(memory)


def test_arrays_arrive_as_they_were_sent_whatever_their_size_and_layout(
    ends: tuple[Crossing, Crossing],
) -> None:
    here, there = ends
    image = np.arange(60_000, dtype=np.float32).reshape(200, 300)
    for sent in (image[:3], image, image.T, image[::2, ::3], np.zeros((0, 3)), np.float32(1)):
        here.send(("a name", [sent]))
        name, (got,) = there.receive()
        assert name == "a name"
        assert got.dtype == sent.dtype
        assert np.array_equal(got, sent)


def test_what_was_received_is_not_changed_by_what_is_sent_next(
    ends: tuple[Crossing, Crossing],
) -> None:
    here, there = ends
    here.send(np.ones(5000))
    first = there.receive()
    here.send(np.zeros(5000))
    assert not there.receive().any()
    assert first.all()
    first[0] = 7.0  # and it may be written to
