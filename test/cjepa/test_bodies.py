"""What can be set in motion, what rests, and what a tool pushes out of its way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.bodies import movable, pushed_out, settled


def state(place: Sequence[float], velocity: Sequence[float] = (0.0, 0.0, 0.0)) -> Floats:
    return np.concatenate((place, np.eye(3).reshape(9), velocity, np.zeros(3)))


AWAY = np.array([[0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0]])


def free(states: Sequence[Floats], robot: Floats = AWAY, gone: int | None = None) -> list[bool]:
    """What can move among boxes of 6 cm that the network expects to stay."""
    before = np.stack(states)[None]
    present = np.array([[k != gone for k in range(len(states))]])
    return list(movable(before, before, np.full((1, len(states), 3), 0.06), present, robot)[0])


def test_nothing_is_set_in_motion_from_afar() -> None:
    moving = state((0, 0, 0.03), (0.5, 0, 0))
    assert free([moving, state((0.12, 0, 0.03)), state((0.6, 0, 0.03))]) == [True, True, False]
    assert free([state((0, 0, 0.03)), state((0.061, 0, 0.03))]) == [False, False]


def test_motion_is_handed_on_through_a_row_that_touches() -> None:
    row = [state((0.061 * k, 0, 0.03)) for k in range(4)]
    row[0][12] = 0.2
    assert free(row) == [True] * 4
    # one that is left out hands nothing on
    assert free(row, gone=2) == [True, True, False, False]


def test_what_loses_its_support_can_move() -> None:
    pile = [state((0, 0, 0.03)), state((0, 0, 0.09))]
    assert free(pile) == [False, False]
    assert free(pile, gone=0) == [False, True]


def test_a_robot_moves_what_it_can_reach_and_nothing_else() -> None:
    tip = np.array([[-0.06, 0.0, 0.02, 0.2, 0.0, 0.0, 1.0]])
    assert free([state((0, 0, 0.03)), state((0.5, 0, 0.03))], tip) == [True, False]
    high = tip + np.array([0, 0, 0.3, 0, 0, 0, 0])
    assert free([state((0, 0, 0.03))], high) == [False]


def test_nothing_sinks_into_the_support() -> None:
    before = state((0, 0, 0.03), (0.5, 0, 0))[None]
    after = state((0.05, 0, 0.02), (0.5, 0, 0))[None]
    found = settled(before, after, np.full((1, 3), 0.06), np.array([True]))
    np.testing.assert_allclose(found[0, :3], (0.05, 0, 0.03))


def tips(*places: tuple[float, float, float]) -> list[Floats]:
    """A tool (1, 7) at some places, one step after the other."""
    return [np.array([[*place, 0.0, 0.0, 0.0, 1.0]]) for place in places]


def test_what_the_tool_would_run_through_goes_with_it() -> None:
    before, after = tips((-0.04, 0.0, 0.02), (-0.02, 0.0, 0.02))
    found = pushed_out(state((0, 0, 0.03))[None, None], np.full((1, 1, 3), 0.06), before, after)
    # a core of 36 mm and 12 mm of the tool: the middle is at least 30 mm ahead of the tip
    np.testing.assert_allclose(found[0, 0, :3], (0.01, 0.0, 0.03), atol=1e-9)


def test_nothing_is_pushed_farther_than_the_tool_goes() -> None:
    # a tool that comes down in the middle of where a box is believed to be
    before, after = tips((0.0, 0.0, 0.02), (0.01, 0.0, 0.02))
    found = pushed_out(state((0, 0, 0.03))[None, None], np.full((1, 1, 3), 0.06), before, after)
    np.testing.assert_allclose(found[0, 0, :3], (0.01, 0.0, 0.03), atol=1e-9)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((-0.2, 0.0, 0.02), (-0.1, 0.0, 0.02)),  # not there yet
        ((-0.05, 0.0, 0.08), (-0.03, 0.0, 0.08)),  # above it
        ((-0.03, 0.0, 0.3), (-0.03, 0.0, 0.02)),  # straight down
        ((0.0, 0.0, 9.0), (0.0, 0.0, 9.0)),  # away
    ],
)
def test_what_the_tool_does_not_meet_stays(
    before: tuple[float, float, float], after: tuple[float, float, float]
) -> None:
    there = state((0, 0, 0.03))[None, None]
    found = pushed_out(there, np.full((1, 1, 3), 0.06), *tips(before, after))
    np.testing.assert_array_equal(found, there)
