"""Thinks long only where that helps: a quick plan if it is surely good enough, else a search.

The quick plan is the best of the previous one, shifted, and of straight pushes. Its doubt is what
it would cost by its own account. Up to which doubt it is taken was learned from episodes in which
both plans were made (`calibrated`). The idea to route by confidence is that of
ThinkRouter (Xu et al. 2026, arXiv 2602.11683); it is measured against routing at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import beta

from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.scene import Plan, PlanStatus

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
        search = self._route(doubt(quick))
        self.searched.append(search)
        if not search:
            return quick
        return self._solver.plan(situation, goal, deadline * 0.9)


def doubt(plan: Plan) -> float:
    """What a plan costs by its own account; infinite if there is no plan.

    Distance left, uncertainty, and what happens to other things are in it, in meters; see
    `cost.Weights`.
    """
    return plan.cost if plan.status is PlanStatus.RUNNING else math.inf


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
