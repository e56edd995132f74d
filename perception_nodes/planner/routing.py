"""Thinks long only where that helps: a quick plan if it is surely good enough, else a search.

The quick plan is the best of the previous one, shifted, and of straight pushes. Its doubt is how
much of the way would be left if it were carried out. Up to which doubt it is taken was learned from
episodes in which both plans were made (`calibrated`). The idea to route by confidence is that of
ThinkRouter (Xu et al. 2026, arXiv 2602.11683); it is measured against routing at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import beta

from perception_nodes.planner.goals import errors
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.scene import Plan, PlanStatus

_NUDGE = 0.005
_GRID = 20

Route = Callable[[float], bool]
"""Whether to search, given the doubt about a quick plan."""


class RoutedSolver:
    """See `interface.Solver`.

    Args:
        solver: Makes both kinds of plans.
        route: Decides.

    Attributes:
        searched: Of each plan so far, whether it was searched for.
    """

    def __init__(self, solver: SamplingSolver, route: Route) -> None:
        self._solver = solver
        self._route = route
        self._full = solver.budget
        self._quick = replace(solver.budget, rounds=0)
        self.searched: list[bool] = []

    def reset(self) -> None:
        """See `Solver`."""
        self._solver.reset()

    def plan(self, situation: Situation, goal: Goal, deadline: float) -> Plan:
        """See `Solver`; the quick plan is bounded by a tenth of the deadline."""
        self._solver.budget = self._quick
        quick = self._solver.plan(situation, goal, deadline / 10.0)
        self._solver.budget = self._full
        if quick.status is PlanStatus.SUCCEEDED:
            return quick
        search = self._route(doubt(quick, situation, goal))
        self.searched.append(search)
        if not search:
            return quick
        return self._solver.plan(situation, goal, deadline * 0.9)


def doubt(plan: Plan, situation: Situation, goal: Goal) -> float:
    """What share of the way would be left, uncertainty included; infinite if there is no plan.

    A plan that moves other objects is doubtful in any case: one is added.
    """
    course = plan.predicted.get(goal.object_id)
    if plan.status is not PlanStatus.RUNNING or course is None:
        return math.inf
    left = float(np.linalg.norm(course[-1, :2] - goal.target.translation[:2]))
    unsure = float(plan.deviation[goal.object_id][-1])
    way = max(errors(situation, goal)[0], goal.position_tolerance)
    nudged = any(
        float(np.abs(other[-1, :2] - other[0, :2]).max()) > _NUDGE
        for name, other in plan.predicted.items()
        if name != goal.object_id
    )
    return (left + unsure) / way + float(nudged)


def calibrated(
    doubts: Sequence[float], worse: Sequence[bool], risk: float, confidence: float = 0.9
) -> float:
    """The greatest doubt up to which quick plans are taken.

    Of plans with no more doubt, at most a share `risk` is worse than a search would have found,
    with that confidence: thresholds are tested from small to great, each by the bound of Clopper
    and Pearson (1934), until one fails (learn then test, Angelopoulos et al. 2021).

    Args:
        doubts: Of quick plans in episodes that are used for nothing else.
        worse: Whether a search would have been better.
        risk: Share, 0..1.
        confidence: 0..1.

    Returns:
        The threshold; minus infinity if no quick plan can be trusted.
    """
    sure, bad = np.asarray(doubts, dtype=float), np.asarray(worse, dtype=bool)
    chosen = -math.inf
    finite = np.sort(sure[np.isfinite(sure)])
    if not len(finite):
        return chosen
    for threshold in np.quantile(finite, np.linspace(0.1, 1.0, _GRID)):
        below = sure <= threshold
        count, failed = int(below.sum()), int(bad[below].sum())
        bound = float(beta.ppf(confidence, failed + 1, count - failed)) if failed < count else 1.0
        if bound > risk:
            if chosen > -math.inf or count > _GRID:
                break
            continue
        chosen = float(threshold)
    return chosen
