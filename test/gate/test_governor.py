from __future__ import annotations

import numpy as np
import pytest
from tabletop import PERIOD, Box, observe

from perception_nodes.errors import ConfigurationError
from perception_nodes.gate.governor import NOMINAL, ORDER, Governor, Part
from perception_nodes.gate.source import GatedSource
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.scene import Frame, SceneState, Slots

SECOND = 1_000_000_000
MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))


def busy(scale: float, budget: float, frames: int = 3000) -> tuple[float, Governor]:
    """The share of frames that are searched where changes are of a scale, and search is all."""
    governor = Governor(budget, (Part.SEARCH,), {Part.SEARCH: 1.0})
    rng, looks = np.random.default_rng(0), []
    for k, change in enumerate(rng.exponential(scale, frames)):
        look = governor.worth(k * PERIOD, change)
        governor.spent(k * PERIOD, {Part.SEARCH: 0.0} if look else {})
        looks.append(look)
    return float(np.mean(looks[frames // 3 :])), governor


@pytest.mark.parametrize("scale", [0.008, 0.02, 0.04])
def test_the_load_meets_its_budget_however_much_happens(scale: float) -> None:
    assert busy(scale, 0.25)[0] == pytest.approx(0.25, abs=0.02)


def test_where_little_happens_less_than_the_budget_is_spent() -> None:
    share, governor = busy(0.0005, 0.25)
    assert share < 0.02
    assert governor.threshold == pytest.approx(0.003)


def test_subjective_time_passes_only_while_something_happens() -> None:
    governor = Governor(0.5)
    for k in range(100):
        governor.worth(k, 0.0)
    assert governor.ticks == 0
    governor.worth(100, 0.5)
    governor.stirred(100)
    assert governor.ticks == 1


def test_an_impossible_budget_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="can't be kept"):
        Governor(0.0)


def test_parts_are_slowed_down_in_the_stated_order_and_it_says_so() -> None:
    governor, told, thresholds = Governor(0.5), [], []
    for k in range(60):
        governor.spent(k * SECOND, dict.fromkeys(ORDER, 0.2))
        told.append(governor.slowed())
        thresholds.append(governor.threshold)
    assert list(dict.fromkeys(told)) == [ORDER[:n] for n in range(len(ORDER) + 1)]
    assert governor.says().endswith("memory writes, prediction, planning, keypoints, search for "
                                    "objects")  # fmt: skip
    first = next(k for k, slowed in enumerate(told) if Part.PEOPLE in slowed)
    assert thresholds[first - 1] == pytest.approx(0.02)  # the search comes last
    assert thresholds[-1] == pytest.approx(0.08)


def test_slowed_parts_recover_when_there_is_time_again() -> None:
    governor = Governor(0.5, pressure=5.0)
    for k in range(60):
        governor.spent(k * SECOND, {}, 0.1)
    assert governor.slowed() == ()
    assert governor.says() == ""


def runs(governor: Governor, part: Part, frames: int = 40) -> int:
    return sum(governor.due(part, 10 * SECOND + k * PERIOD) for k in range(frames))


def test_parts_run_at_their_full_rate_only_around_what_happens() -> None:
    calm, awake = Governor(1.0), Governor(1.0)
    awake.stirred(10 * SECOND + 39 * PERIOD)
    assert runs(awake, Part.MEMORY) == runs(awake, Part.FUTURES) == 40
    assert runs(calm, Part.MEMORY) == 8
    assert runs(calm, Part.FUTURES) == 13


def test_what_a_planner_needs_is_not_slowed_down_until_it_ends() -> None:
    governor = Governor(0.5, pressure=5.0)
    assert runs(governor, Part.FUTURES) < 8
    governor.need((Part.FUTURES, Part.SEARCH), 13 * SECOND)
    assert runs(governor, Part.FUTURES) == 40
    assert governor.worth(12 * SECOND, 0.0)
    assert not governor.worth(14 * SECOND, 0.0)


def test_a_rest_lasts_longer_while_nothing_happens_and_is_short_again_after_it() -> None:
    governor = Governor(0.5)
    for expected in (1.0, 2.0, 4.0, 8.0, 8.0):
        assert governor.longest_rest(1.0) == expected
        governor.looked_in_vain()
    governor.stirred(5)
    assert governor.longest_rest(1.0) == 1.0


class Finder:
    """Finds what the scene says; the mug moves in frames 60 to 69."""

    model_id = "test"

    def find(self, frame: Frame) -> Slots:
        assert frame.pose is not None
        return observe((mug(frame.stamp // PERIOD),), frame.stamp, frame.pose)[1]

    def reset(self) -> None:
        """Nothing to forget."""


class Notebook:
    """A memory that keeps stamps."""

    def __init__(self) -> None:
        self.written: list[int] = []

    def write(self, state: SceneState, frame: Frame | None = None) -> None:
        self.written.append(state.stamp // PERIOD)


def mug(number: int) -> Box:
    return MUG.at(0.0, 0.03 * min(max(0, number - 60), 10))


def test_memory_is_written_densely_while_something_happens_and_sparsely_otherwise() -> None:
    governor, memory = Governor(0.8, nominal=NOMINAL), Notebook()
    pipeline = Pipeline(
        GatedSource(Finder(), governor=governor), ObjectTracker(), memory, governor=governor
    )
    states = [
        pipeline.process(observe((mug(k),), k * PERIOD)[0]) for k in range(1, 100)
    ]  # fmt: skip
    quiet = [k for k in memory.written if 30 <= k < 60]
    moving = [k for k in memory.written if 62 <= k < 72]
    assert len(quiet) <= 8
    assert len(moving) >= 9
    told = {state.stamp // PERIOD for state in states if state.events}
    assert told <= set(memory.written)
    assert states[-1].predictions  # of a frame before, where none was made for this one
    assert governor.ticks >= 5


def test_without_a_governor_every_part_runs_for_every_frame() -> None:
    memory = Notebook()
    pipeline = Pipeline(Finder(), ObjectTracker(), memory)
    for k in range(1, 11):
        pipeline.process(observe((MUG,), k * PERIOD)[0])
    assert len(memory.written) == 10
