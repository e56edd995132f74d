from __future__ import annotations

from types import SimpleNamespace

import pytest

from perception_nodes.errors import InputError
from perception_nodes.gate.governor import Part
from perception_nodes.ros.allowance import Allowance


def test_a_part_runs_at_each_frame_until_the_pressure_reaches_it_then_at_each_fourth() -> None:
    allowance = Allowance(Part.PEOPLE)
    assert all(allowance.due() for _ in range(8))
    allowance.take(SimpleNamespace(data=3.9))  # memory, prediction and planning come before
    assert all(allowance.due() for _ in range(8))
    allowance.take(SimpleNamespace(data=4.0))
    assert sum(allowance.due() for _ in range(8)) == 2
    allowance.take(SimpleNamespace(data=0.0))
    assert all(allowance.due() for _ in range(8))


def test_a_pressure_that_is_no_number_is_refused_and_changes_nothing() -> None:
    allowance = Allowance(Part.MEMORY)
    with pytest.raises(InputError, match="makes no sense"):
        allowance.take(SimpleNamespace(data=float("nan")))
    assert not allowance.slowed
