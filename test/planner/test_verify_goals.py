"""A goal that can't be reached is refused before anything is planned, and says why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from beliefs import SECOND
from plans import NOW, goal, situation, thing

from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.case import Limits
from perception_nodes.planner.constraints import Constraint
from perception_nodes.planner.interface import Goal
from perception_nodes.planner.verify import Verifier
from perception_nodes.scene import Visibility

TABLE = situation(thing("o1", -0.2, 0.0), thing("o2", 0.2, 0.0))


def judge(wanted: Goal, protected: tuple[str, ...] = (), now: int = NOW) -> tuple[str, str]:
    """The worst violation's kind and the reason; empty if it is fine."""
    verdict = Verifier(Limits(), protected).goal(wanted, TABLE, now)
    return (verdict.violations[0].constraint, verdict.reason) if not verdict.safe else ("", "")


def test_a_free_place_on_the_table_is_a_goal() -> None:
    assert judge(goal("o1", 0.0, 0.1)) == ("", "")
    assert judge(goal("o1", 0.0, 0.1, angle_tolerance=0.2)) == ("", "")


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (goal("o7", 0.0, 0.0), "there is no object 'o7'; known: o1, o2"),
        (goal("o1", 0.8, 0.0), "o1 shall come out of reach of the pusher (0.200, limit 0.000"),
        (goal("o1", 0.19, 0.03), "o2 stands where o1 shall come"),
        (goal("o1", 0.3, 0.3, deadline=1.0), "o1 can't be there in time, even at full speed"),
        (
            goal("o1", 0.0, 0.0, target=Pose(np.eye(3), np.array([0.0, 0.0, 1.0]))),
            "o1 can be pushed, but not lifted or lowered",
        ),
    ],
)
def test_an_unreachable_goal_is_refused_with_the_reason(wanted: Goal, reason: str) -> None:
    kind, said = judge(wanted)
    assert kind == Constraint.GOAL
    assert reason in said


@pytest.mark.parametrize(
    "wanted",
    [
        goal("o1", np.nan, 0.0),
        goal("o1", 0.0, 0.0, deadline=np.inf),
        goal("o1", 0.0, 0.0, deadline=0.0),
        goal("o1", 0.0, 0.0, position_tolerance=0.0),
        goal("o1", 0.0, 0.0, angle_tolerance=-0.1),
        goal("o1", 0.0, 0.0, target=Pose(np.eye(3) * np.nan, np.zeros(3))),
        goal("o1", 0.0, 0.0, target=None),
    ],
)
def test_a_goal_with_numbers_that_are_none_is_refused(wanted: Goal) -> None:
    assert judge(wanted)[0] == Constraint.VALUES


def test_a_protected_object_is_not_pushed_anywhere() -> None:
    kind, said = judge(goal("o1", 0.0, 0.0), ("o1",))
    assert kind == Constraint.PROTECTED
    assert "o1 is protected" in said


def test_an_object_beyond_the_pushers_reach_or_lost_is_refused() -> None:
    verifier = Verifier(Limits())
    far = replace(TABLE, objects=(thing("o1", -0.7, 0.0),))
    assert "o1 lies out of reach" in verifier.goal(goal("o1", 0.0, 0.0), far, NOW).reason
    lost = replace(TABLE, objects=(thing("o1", -0.2, 0.0, visibility=Visibility.LOST),))
    assert "o1 is lost" in verifier.goal(goal("o1", 0.0, 0.0), lost, NOW).reason


def test_a_goal_is_not_judged_by_old_states() -> None:
    assert judge(goal("o1", 0.0, 0.0), now=NOW + SECOND)[0] == Constraint.FRESHNESS
