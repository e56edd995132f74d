from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.errors import ConfigurationError
from perception_nodes.gate.governor import Governor


def busy(scale: float, target: float, frames: int = 3000) -> tuple[float, Governor]:
    """The share of frames looked at where changes are of a scale."""
    governor, rng, looks = Governor(target), np.random.default_rng(0), []
    for change in rng.exponential(scale, frames):
        look = governor.worth(change)
        governor.spent(float(look))
        looks.append(look)
    return float(np.mean(looks[frames // 3 :])), governor


@pytest.mark.parametrize("scale", [0.008, 0.02, 0.04])
def test_the_load_meets_its_target_however_much_happens(scale: float) -> None:
    assert busy(scale, 0.25)[0] == pytest.approx(0.25, abs=0.02)


def test_where_little_happens_less_than_the_target_is_spent() -> None:
    share, governor = busy(0.0005, 0.25)
    assert share < 0.02
    assert governor.threshold == pytest.approx(0.003)


def test_subjective_time_passes_only_while_something_happens() -> None:
    governor = Governor(0.5)
    for _ in range(100):
        governor.worth(0.0)
    assert governor.ticks == 0
    governor.worth(0.5)
    assert governor.ticks == 1


def test_an_impossible_target_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="can't be kept"):
        Governor(0.0)
