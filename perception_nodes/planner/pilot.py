"""Carries out goals: asks for plans, verifies what is left of them on each state, steers, stops.

ROS-free. Planning takes a while and runs elsewhere: it is asked for a plan that begins where the
present one will be by then, so that the pusher need not stop in between.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.constraints import Constraint
from perception_nodes.planner.goals import errors
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.planner.verify import LAG, Verdict, Verifier
from perception_nodes.scene import ObjectState, Plan, PlanStatus

_SECOND = 1_000_000_000
_PAUSE = 0.5  # s between plans that are refused
_PATIENCE = 3.0  # s that an object may be lost, or its goal occupied
_SETTLE = 0.3  # s that the pusher takes to stand
_GAIN = 2.0  # 1/s with which the pusher is led back to its plan
_COMMIT = 0.5  # s of pushing after which the next plan takes over


class Request(NamedTuple):
    """A plan that is wanted: from where, for what, and when it would begin (None: when ready)."""

    situation: Situation
    goal: Goal
    begins: int | None


class Outcome(NamedTuple):
    """How a goal ended."""

    success: bool
    reason: str
    position_error: float
    angle_error: float


class Step(NamedTuple):
    """What to do now: a velocity (3,) and why."""

    status: PlanStatus
    velocity: Floats
    reason: str


@dataclass(frozen=True, slots=True)
class _Course:
    """A plan and when it begins, ns."""

    plan: Plan
    begins: int

    def elapsed(self, now: int) -> float:
        return (now - self.begins) / _SECOND

    def index(self, now: int) -> int:
        return int(self.elapsed(now) / self.plan.interval)

    def ended(self, now: int) -> bool:
        return self.index(now) >= len(self.plan.velocity)

    def at(self, now: int, samples: Floats) -> Floats:
        """Samples (T + 1, D) of the plan at a time."""
        last = len(self.plan.velocity)
        place = float(np.clip(self.elapsed(now) / self.plan.interval, 0.0, last))
        before = min(int(place), last - 1)
        share = place - before
        return np.asarray((1.0 - share) * samples[before] + share * samples[before + 1])

    def rest(self, now: int) -> _Course:
        """What is left of it, and the way that the pusher may lag behind; whole intervals."""
        k = max(self.index(now - round(LAG * _SECOND)), 0)
        plan = replace(
            self.plan,
            tip=self.plan.tip[k:],
            velocity=self.plan.velocity[k:],
            predicted=_cut(self.plan.predicted, k),
            deviation=_cut(self.plan.deviation, k),
        )
        return _Course(plan, self.begins + round(k * self.plan.interval * _SECOND))


class Pilot:
    """One goal at a time.

    Args:
        verifier: Judges goals and plans.
        budget: How long planning takes, s.
    """

    def __init__(self, verifier: Verifier, budget: float) -> None:
        self._verifier = verifier
        self._budget = budget
        self.goal: Goal | None = None
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._verifier.reset()
        self._situation: Situation | None = None
        self._measured, self._moved = 0, 0
        self.release()

    def release(self) -> None:
        """Give up the goal."""
        self.goal, self._given = None, 0
        self._course: _Course | None = None
        self._next: _Course | None = None
        self._why = ""
        self._asked, self._last = False, 0
        self._hopeless: int | None = None
        self.outcome: Outcome | None = None

    def pursue(self, goal: Goal, now: int) -> str:
        """Take a goal in place of the one before.

        Returns:
            Why it is refused, so that there is no goal now; empty if it is pursued.
        """
        self.release()
        if self._situation is None:
            return "no object states yet"
        verdict = self._verifier.goal(goal, self._situation, now)
        if verdict.safe:
            self.goal, self._given = goal, now
            self._finish_if_there()
        return verdict.reason

    def observe(self, situation: Situation, now: int, measured: int | None = None) -> None:
        """Take what holds now, and verify what is left of the plan against it.

        Args:
            situation: What holds now.
            now: Time, ns.
            measured: When the pusher was where the situation says, ns; now if it is not given.
        """
        self._situation, self._measured = situation, measured or now
        if self.goal is None or self.outcome is not None:
            return
        self._finish_if_there()
        if self._course is not None and not self._course.ended(now):
            self._refused(self._course.rest(now), now)
        else:
            self._doubt(self._verifier.goal(self.goal, situation, now), now)

    def request(self, now: int) -> Request | None:
        """The plan that is wanted now, or None while there is nothing to ask for."""
        if self.goal is None or self._situation is None or self.outcome or self._asked:
            return None
        course = self._course
        if course is None or course.ended(now):
            refused = self._why and now - self._last < _PAUSE * _SECOND
            if refused or now - self._moved < _SETTLE * _SECOND:
                return None
            self._asked, self._last = True, now
            return Request(replace(self._situation, velocity=np.zeros(3)), self.goal, None)
        begins = course.begins + round(_committed(course.plan) * _SECOND)
        if self._next is not None or now < begins - self._budget * _SECOND:
            return None
        self._asked, self._last = True, now
        return Request(_ahead(self._situation, course, begins), self.goal, begins)

    def adopt(self, request: Request, plan: Plan, now: int) -> None:
        """Take the plan that was asked for; it is verified before it is carried out."""
        if request.goal is not self.goal:
            return  # the goal was changed meanwhile
        self._asked = False
        if plan.status is not PlanStatus.RUNNING:
            self._why = plan.reason or "no plan was found"
        elif request.begins is None:
            self._switch(_Course(plan, now), now)
        else:
            self._next = _Course(plan, request.begins)

    def fail(self, reason: str) -> None:
        """Planning itself failed; another plan will be asked for."""
        self._asked, self._why = False, reason

    def step(self, now: int, closed: str) -> Step:
        """What to command now.

        Args:
            now: Time, ns.
            closed: Why nothing may move; empty if it may.
        """
        if self.goal is None:
            return Step(PlanStatus.IDLE, np.zeros(3), "")
        if self.outcome is None and now - self._given > self.goal.deadline * _SECOND:
            why = f"; {closed or self._why}" if closed or self._why else ""
            self._fail(f"not there after {self.goal.deadline:.0f} s{why}")
        if self.outcome is not None:
            ended = PlanStatus.SUCCEEDED if self.outcome.success else PlanStatus.REFUSED
            return Step(ended, np.zeros(3), self.outcome.reason)
        if closed:
            self._course = self._next = None
            return Step(PlanStatus.HOLDING, np.zeros(3), closed)
        if self._next is not None and now >= self._next.begins:
            following, self._next = self._next, None
            self._switch(following, now)
        course = self._course
        if course is None or course.ended(now) or self._situation is None:
            return Step(PlanStatus.HOLDING, np.zeros(3), self._why or "planning")
        self._moved = now
        return Step(PlanStatus.RUNNING, self._steer(course, now, self._situation), "")

    def errors(self) -> tuple[float, float]:
        """How far the object is from its goal: m, level, and rad; NaN while unknown."""
        if self.goal is None or self._situation is None:
            return math.nan, math.nan
        try:
            return errors(self._situation, self.goal)
        except KeyError:
            return math.nan, math.nan

    def _steer(self, course: _Course, now: int, situation: Situation) -> Floats:
        """The planned velocity, and back to the plan where the pusher strayed from it."""
        stray = course.at(min(self._measured, now), course.plan.tip) - situation.tip
        velocity = course.plan.velocity[course.index(now)] + _GAIN * stray
        speed = float(np.linalg.norm(velocity))
        return np.asarray(velocity * min(1.0, self._verifier.limits.speed / max(speed, 1e-9)))

    def _switch(self, course: _Course, now: int) -> None:
        """Go over to another plan if it is safe."""
        if not self._refused(course.rest(now), now):
            self._course, self._why = course, ""

    def _refused(self, rest: _Course, now: int) -> bool:
        """Verify what is left of a plan; if it is refused, stop."""
        assert self.goal is not None
        assert self._situation is not None
        verdict = self._verifier.plan(rest.plan, self._situation, self.goal, rest.begins, now)
        self._doubt(verdict, now)
        if verdict.safe:
            return False
        self._course = self._next = None
        self._why = verdict.reason
        return True

    def _doubt(self, verdict: Verdict, now: int) -> None:
        """Give up the goal when for a while it could not be reached whatever the plan."""
        if verdict.safe or verdict.violations[0].constraint is not Constraint.GOAL:
            self._hopeless = None
            return
        self._hopeless = self._hopeless or now
        if now - self._hopeless > _PATIENCE * _SECOND:
            self._fail(verdict.reason)

    def _finish_if_there(self) -> None:
        assert self.goal is not None
        position, angle = self.errors()
        turned = not self.goal.angle_tolerance or angle <= self.goal.angle_tolerance
        if position <= self.goal.position_tolerance and turned:  # no number is never there
            self._course = self._next = None
            self.outcome = Outcome(True, "", position, angle)

    def _fail(self, reason: str) -> None:
        self._course = self._next = None
        self.outcome = Outcome(False, reason, *self.errors())


def _committed(plan: Plan) -> float:
    """How long a plan is followed before the next one is, s: on the way and a little more."""
    low = plan.tip[:, 2] < plan.tip[-1, 2] + 0.005
    high = np.flatnonzero(~low)
    way = (int(high[-1]) + 1) * plan.interval if len(high) else 0.0
    return min(way + _COMMIT, (len(plan.tip) - 1) * plan.interval)


def _ahead(situation: Situation, course: _Course, at: int) -> Situation:
    """What the situation will be at a time, as far as the plan says."""
    objects = []
    for state in situation.objects:
        predicted = course.plan.predicted.get(state.id)
        objects.append(state if predicted is None else _moved(state, predicted, course, at))
    k = min(course.index(at), len(course.plan.velocity) - 1)
    tip = course.at(at, course.plan.tip)
    velocity = np.zeros(3) if course.ended(at) else course.plan.velocity[k]
    return replace(situation, stamp=at, objects=tuple(objects), tip=tip, velocity=velocity)


def _moved(state: ObjectState, predicted: Floats, course: _Course, at: int) -> ObjectState:
    """A state as it will be: it moves on from where it is as the plan predicts."""
    step = course.at(at, predicted) - course.at(state.stamp, predicted)
    c, s = math.cos(step[3]), math.sin(step[3])
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    pose = Pose(turn @ state.pose.rotation, state.position + step[:3])
    return replace(state, stamp=at, pose=pose)


def _cut(samples: Mapping[str, Floats], k: int) -> dict[str, Floats]:
    return {name: values[k:] for name, values in samples.items()}
