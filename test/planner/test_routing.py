"""Quick plans are taken only where it was shown that they are good enough."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from plans import TABLE, goal, push, situation, thing

from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.budget import Budget, Table
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.planner.routing import RoutedSolver, calibrated, doubt
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.scene import Plan, PlanStatus

NOW = situation(thing("o1", -0.2, 0.0), thing("o2", 0.2, 0.2))
GOAL = goal("o1", -0.05, 0.0)


def test_a_straight_push_is_less_doubtful_than_one_around_a_corner() -> None:
    quick = SamplingSolver(Table(TABLE), Budget(rounds=0))
    straight = quick.plan(NOW, GOAL, 50.0)
    turning = replace(GOAL, target=Pose(np.diag([-1.0, -1.0, 1.0]), GOAL.target.translation))
    turned = quick.plan(NOW, replace(turning, angle_tolerance=0.1), 50.0)
    assert doubt(straight) < 0.2 < doubt(turned)


def test_what_is_no_plan_is_infinitely_doubtful() -> None:
    held = replace(push(NOW, (0.15, 0.0)), status=PlanStatus.HOLDING)
    assert math.isinf(doubt(held))


class Counting(SamplingSolver):
    """Tells what it was asked for."""

    def __init__(self) -> None:
        super().__init__(Table(TABLE), Budget(rounds=2, samples=8))
        self.asked: list[tuple[int, float]] = []

    def plan(self, situation: Situation, goal: Goal, deadline: float) -> Plan:
        self.asked.append((self.budget.rounds, deadline))
        return super().plan(situation, goal, deadline)


@pytest.mark.parametrize(("search", "asked"), [(False, [0]), (True, [0, 2])])
def test_a_search_is_made_only_where_the_route_says_so(search: bool, asked: list[int]) -> None:
    inner = Counting()
    solver = RoutedSolver(inner, lambda _: search)
    made = solver.plan(NOW, GOAL, 50.0)
    assert made.status is PlanStatus.RUNNING
    assert [rounds for rounds, _ in inner.asked] == asked
    assert sum(deadline for _, deadline in inner.asked) <= 50.0
    assert solver.searched == [search]
    assert inner.budget.rounds == 2


def test_nothing_is_searched_for_what_is_there_already() -> None:
    solver = RoutedSolver(Counting(), lambda _: True)
    there = goal("o1", -0.2, 0.0)
    assert solver.plan(NOW, there, 50.0).status is PlanStatus.SUCCEEDED
    assert solver.searched == []


def test_the_threshold_keeps_the_risk_on_plans_that_were_not_looked_at() -> None:
    rng = np.random.default_rng(1)
    doubts = rng.uniform(0.0, 1.0, 4000)
    worse = rng.random(4000) < doubts**2
    threshold = calibrated(doubts[:1000], worse[:1000].tolist(), risk=0.1)
    taken = doubts[1000:] <= threshold
    assert 0.3 < threshold < 0.56
    assert worse[1000:][taken].mean() <= 0.1
    assert calibrated(doubts[:1000], worse[:1000].tolist(), risk=0.3) > threshold


def test_without_evidence_no_quick_plan_is_trusted() -> None:
    assert calibrated([], [], 0.1) == -math.inf
    assert calibrated([0.1, 0.2], [False, False], 0.1) == -math.inf
    assert calibrated([math.inf] * 50, [False] * 50, 0.1) == -math.inf
    doubts = np.linspace(0.0, 1.0, 200).tolist()
    assert calibrated(doubts, [True] * 200, 0.1) == -math.inf
    assert calibrated(doubts, [False] * 200, 0.1) == pytest.approx(1.0)
