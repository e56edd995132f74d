"""Carries plans out: plan, follow for a while, look, plan again.

One decision for each new situation; whoever owns the clock (a simulation, a node) asks for it and
sends the velocity on. It never waits for anything but the solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.planner.goals import errors
from perception_nodes.planner.interface import Goal, Situation, Solver
from perception_nodes.scene import Plan, PlanStatus

_NANOSECONDS = 1e-9
_COMMIT = 0.5
_PATIENCE = 2.0
_SURPRISE = 0.03
_LOOKAHEAD = 0.1
_MOST_SPEED = 0.45

Check = Callable[[Situation, Goal, Plan], str]
"""Why a plan must not be carried out; empty if it may."""


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What to do until the next situation.

    Attributes:
        velocity: (3,) of the tip, m/s, world frame.
        plan: The one that is followed.
        fresh: Whether it was made just now.
        over: Whether the goal was reached or given up.
        reason: Why it was given up; empty if it was reached or goes on.
    """

    velocity: Floats
    plan: Plan
    fresh: bool
    over: bool = False
    reason: str = ""


class Executive:
    """Brings one object to one goal.

    Args:
        solver: Makes the plans.
        goal: What shall be.
        seconds: Deadline of each plan.
        check: Asked before a plan is carried out; None accepts all.
    """

    def __init__(
        self, solver: Solver, goal: Goal, seconds: float = 0.5, check: Check | None = None
    ) -> None:
        self.goal = goal
        self._solver = solver
        self._seconds = seconds
        self._check = check
        self._plan: Plan | None = None
        self._began: int | None = None
        self._well: int = 0
        solver.reset()

    def decide(self, situation: Situation) -> Decision:
        """What to do now; situations come in order of time."""
        if self._began is None:
            self._began = self._well = situation.stamp
        plan, fresh = self._plan, False
        if plan is None or self._outdated(plan, situation):
            plan, fresh = self._think(situation), True
            self._plan = plan
        rest = np.zeros(3)
        if plan.status is PlanStatus.SUCCEEDED:
            return Decision(rest, plan, fresh, over=True)
        if plan.status is PlanStatus.RUNNING:
            self._well = situation.stamp
        late = (situation.stamp - self._began) * _NANOSECONDS > self.goal.deadline
        stuck = (situation.stamp - self._well) * _NANOSECONDS > _PATIENCE
        if late or stuck:
            reason = plan.reason or f"not reached within {self.goal.deadline:.0f} s"
            return Decision(rest, plan, fresh, over=True, reason=reason)
        if plan.status is not PlanStatus.RUNNING:
            return Decision(rest, plan, fresh)
        return Decision(follow(plan, situation), plan, fresh)

    def _think(self, situation: Situation) -> Plan:
        plan = self._solver.plan(situation, self.goal, self._seconds)
        if self._check is not None and plan.status is PlanStatus.RUNNING:
            reason = self._check(situation, self.goal, plan)
            if reason:
                return replace(plan, status=PlanStatus.REFUSED, reason=reason)
        return plan

    def _outdated(self, plan: Plan, situation: Situation) -> bool:
        """After a while of pushing, at its end, and as soon as something else happens."""
        if plan.status is not PlanStatus.RUNNING:
            return True
        passed = (situation.stamp - plan.stamp) * _NANOSECONDS
        if passed < 0.0 or passed > committed(plan):
            return True
        place, _ = _maybe_errors(situation, self.goal)
        if place is None or place <= 0.5 * self.goal.position_tolerance:
            return True
        return self._surprised(plan, situation, passed)

    def _surprised(self, plan: Plan, situation: Situation, passed: float) -> bool:
        item = next(item for item in situation.objects if item.id == plan.object_id)
        path = plan.predicted[plan.object_id]
        expected = path[min(round(passed / plan.interval), len(path) - 1), :2]
        return float(np.hypot(*(item.position[:2] - expected))) > _SURPRISE


def committed(plan: Plan) -> float:
    """How long a plan is followed before the next one is made, s: on the way and a little more."""
    low = plan.tip[:, 2] < plan.tip[-1, 2] + 0.005
    high = np.flatnonzero(~low)
    way = (int(high[-1]) + 1) * plan.interval if len(high) else 0.0
    return min(way + _COMMIT, (len(plan.tip) - 1) * plan.interval)


def follow(plan: Plan, situation: Situation) -> Floats:
    """(3,) the velocity that takes the tip back to where it should be a moment from now."""
    passed = (situation.stamp - plan.stamp) * _NANOSECONDS + _LOOKAHEAD
    place = min(passed / plan.interval, len(plan.tip) - 1.0)
    before = min(math.floor(place), len(plan.tip) - 2)
    target = plan.tip[before] + (place - before) * (plan.tip[before + 1] - plan.tip[before])
    velocity = (target - situation.tip) / _LOOKAHEAD
    speed = float(np.linalg.norm(velocity))
    return np.asarray(velocity * min(1.0, _MOST_SPEED / max(speed, 1e-9)))


def _maybe_errors(situation: Situation, goal: Goal) -> tuple[float | None, float]:
    try:
        return errors(situation, goal)
    except KeyError:
        return None, 0.0
