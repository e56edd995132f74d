"""Verification before anything moves. It fails closed: what can't be judged is refused.

A plan is judged for all moments, also between its samples, against the situation that holds now.
Whoever carries it out verifies what is left of it on each new state, so that the rules about
people need to hold for what they may do until then (`Limits.soon`).
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.planner import constraints as rules
from perception_nodes.planner.case import Case, Limits, upright
from perception_nodes.planner.constraints import Constraint, Violation
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.planner.people import Body, PeopleMotion
from perception_nodes.planner.sweep import Path, box_gap
from perception_nodes.scene import ObjectState, Plan, PlanStatus, Visibility

LAG = 0.4
"""How far the pusher and what it pushes may be behind the plan, s."""
_LOOKS = 41
_MOST_STEPS = 1000
_AHEAD_NS = 100_000_000  # how far stamps may lie in the future: clocks of two computers differ
_APART = 0.02  # m that the pusher or an object may be away from where the plan wants it
_INSIDE = 0.01  # m that the goal may overlap another object
_LIFT = 0.03  # m that a goal may lie above or below where the object stands
_LEAST_EXISTENCE = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, the worst first; nothing if it is safe."""

    violations: tuple[Violation, ...]

    @property
    def safe(self) -> bool:
        """Whether it may be carried out."""
        return not self.violations

    @property
    def reason(self) -> str:
        """The worst violation in words; empty if there is none."""
        return str(self.violations[0]) if self.violations else ""


class Verifier:
    """Judges goals and plans.

    Args:
        limits: What the robot may do.
        protected: Ids of objects that must not be touched.
    """

    def __init__(self, limits: Limits, protected: Collection[str] = ()) -> None:
        self.limits = limits
        self.protected = frozenset(protected)
        self._people = PeopleMotion()

    def reset(self) -> None:
        """Forget how people moved, as when the clock jumps back."""
        self._people = PeopleMotion()

    def goal(self, goal: Goal, situation: Situation, now: int) -> Verdict:
        """Whether an object can be brought to a goal at all.

        Args:
            goal: What is asked for.
            situation: What holds now.
            now: Time, ns.
        """
        return _judged(lambda: self._goal(goal, situation, now))

    def plan(
        self, plan: Plan, situation: Situation, goal: Goal, begins: int, now: int | None = None
    ) -> Verdict:
        """Whether a plan may be carried out.

        Args:
            plan: What shall be done.
            situation: What holds now; its newest object states and people.
            goal: What it is for.
            begins: When the plan's first interval begins, ns.
            now: Time, ns, if the first interval has begun already.
        """
        return _judged(lambda: self._plan(plan, situation, goal, begins, now or begins))

    def _goal(self, goal: Goal, situation: Situation, now: int) -> Iterator[Violation]:
        problems = [*_situation_values(situation), *_goal_values(goal)]
        yield from problems
        if problems:
            return
        yield from self._freshness(situation, now)
        state = _known(goal.object_id, situation)
        if state is None:
            known = ", ".join(sorted(s.id for s in situation.objects)) or "none"
            text = f"there is no object {goal.object_id!r}; known: {known}"
            yield Violation(Constraint.GOAL, text, goal.object_id)
            return
        yield from _target(state)
        if goal.object_id in self.protected:
            text = f"{goal.object_id} is protected and must not be pushed"
            yield Violation(Constraint.PROTECTED, text, goal.object_id)
        yield from self._reachable(goal, state)
        yield from _occupied(goal, state, situation)

    def _reachable(self, goal: Goal, state: ObjectState) -> Iterator[Violation]:
        low, high = np.array(self.limits.low[:2]), np.array(self.limits.high[:2])
        for place, what in ((state.position, "lies"), (goal.target.translation, "shall come")):
            beyond = float(np.maximum(low - place[:2], place[:2] - high).max())
            if beyond > 0.0:
                text = f"{state.id} {what} out of reach of the pusher"
                yield _goal_violation(text, state.id, place, beyond, 0.0)
        climb = abs(float(goal.target.translation[2] - state.position[2]))
        if climb > _LIFT:
            text = f"{state.id} can be pushed, but not lifted or lowered"
            yield _goal_violation(text, state.id, goal.target.translation, climb, _LIFT)
        way = float(np.linalg.norm(goal.target.translation[:2] - state.position[:2]))
        least = max(way - goal.position_tolerance, 0.0) / self.limits.speed
        if least > goal.deadline:
            text = f"{state.id} can't be there in time, even at full speed"
            yield _goal_violation(text, state.id, goal.target.translation, least, goal.deadline)

    def _plan(
        self, plan: Plan, situation: Situation, goal: Goal, begins: int, now: int
    ) -> Iterator[Violation]:
        problems = [*_situation_values(situation), *_plan_values(plan, situation)]
        if plan.object_id != goal.object_id:
            text = f"the plan moves {plan.object_id!r}, not {goal.object_id!r}"
            problems.append(Violation(Constraint.VALUES, text, plan.object_id))
        if problems:
            yield from problems
            return
        yield from self._freshness(situation, now)
        try:
            bodies: tuple[Body, ...] = self._people.update(situation.people)
        except ValueError as error:
            yield Violation(Constraint.PERSON, str(error))
            return
        target = _known(plan.object_id, situation)
        assert target is not None, "checked with the values"
        yield from _target(target)
        case = Case.of(plan, situation, self.limits, self.protected, bodies, begins)
        yield from _as_planned(case, situation, begins, now)
        fast = [*rules.within_speed(case), *rules.pushed_at_most(case)]
        yield from fast
        yield from rules.within_workspace(case)
        yield from rules.within_acceleration(case, situation.velocity)
        if fast:
            return
        for rule in (
            *(rules.away_from_people, rules.protects),
            *(rules.away_from_obstacles, rules.through_nothing),
        ):
            yield from rule(case)

    def _freshness(self, situation: Situation, now: int) -> Iterator[Violation]:
        stamps = [("the object states", "", situation.stamp)]
        stamps += [(f"the joints of {p.id}", p.id, p.stamp) for p in situation.people]
        for what, subject, stamp in stamps:
            age = (now - stamp) * 1e-9
            if age > self.limits.max_age:
                text = f"{what} are {age:.2f} s old, more than {self.limits.max_age:.2f} s"
                yield Violation(Constraint.FRESHNESS, text, subject)
            elif stamp - now > _AHEAD_NS:
                text = f"{what} have a stamp {-age:.2f} s in the future"
                yield Violation(Constraint.FRESHNESS, text, subject)


def _judged(judge: object) -> Verdict:
    """The verdict of some rules; what they can't judge is refused."""
    assert callable(judge)
    order = list(Constraint)
    try:
        with np.errstate(all="ignore"):
            found = list(judge())
    except Exception as error:  # noqa: BLE001 - whatever comes in, it fails closed
        where = traceback.extract_tb(error.__traceback__)[-1].name
        text = f"it can't be judged: {type(error).__name__} in {where}: {error}"
        return Verdict((Violation(Constraint.VALUES, text),))
    return Verdict(tuple(sorted(found, key=lambda v: (order.index(v.constraint), v.time))))


def _situation_values(situation: Situation) -> Iterator[Violation]:
    if not (_finite(situation.tip, (3,)) and _finite(situation.velocity, (3,))):
        yield Violation(Constraint.VALUES, "it is not known where the pusher is")
    ids = [state.id for state in situation.objects]
    if len(set(ids)) < len(ids):
        yield Violation(Constraint.VALUES, "two objects have the same id")
    for state in situation.objects:
        sound = _finite(state.position, (3,)) and _finite(state.pose.rotation, (3, 3))
        sound = sound and _finite(state.pose_covariance, (6, 6)) and _finite(state.size, (3,))
        if not sound or (state.size < 0.0).any():
            text = f"the state of {state.id} has values that are none"
            yield Violation(Constraint.VALUES, text, state.id)


def _plan_values(plan: Plan, situation: Situation) -> Iterator[Violation]:
    def wrong(text: str, subject: str = "") -> Violation:
        return Violation(Constraint.VALUES, text, subject)

    if plan.status is not PlanStatus.RUNNING:
        yield wrong(plan.reason or f"the plan is {plan.status.name}, there is nothing to carry out")
        return
    if not (math.isfinite(plan.cost) and math.isfinite(plan.physics_residual)):
        yield wrong(f"the cost {plan.cost} or the residual {plan.physics_residual} is not finite")
    steps = len(plan.velocity)
    if not 1 <= steps <= _MOST_STEPS or not 0.0 < plan.interval < math.inf:
        yield wrong(f"the plan has {steps} steps of {plan.interval} s")
        return
    if not (_finite(plan.tip, (steps + 1, 3)) and _finite(plan.velocity, (steps, 3))):
        yield wrong("positions or velocities of the pusher are missing or not finite")
    known = {state.id for state in situation.objects}
    if plan.object_id not in known:
        yield wrong(f"{plan.object_id!r} is not known any more", plan.object_id)
    for name, course in plan.predicted.items():
        if name not in known:
            yield wrong(f"the plan counts on {name!r}, which is not known", name)
        if not _finite(course, (steps + 1, 4)):
            yield wrong(f"the prediction for {name} is incomplete or not finite", name)
    for name, deviation in plan.deviation.items():
        if not _finite(deviation, (steps + 1,)) or (np.asarray(deviation) < 0.0).any():
            yield wrong(f"the uncertainty of {name} is incomplete or no number", name)
    if plan.object_id not in plan.predicted:
        yield wrong(f"the plan does not say what {plan.object_id} will do", plan.object_id)


def _goal_values(goal: Goal) -> Iterator[Violation]:
    target = goal.target
    sound = _finite(target.translation, (3,)) and _finite(target.rotation, (3, 3))
    numbers = (goal.position_tolerance, goal.angle_tolerance, goal.deadline)
    if not sound or not all(math.isfinite(v) for v in numbers):
        yield Violation(Constraint.VALUES, "the goal has values that are not finite")
    elif goal.position_tolerance <= 0.0 or goal.angle_tolerance < 0.0 or goal.deadline <= 0.0:
        yield Violation(Constraint.VALUES, "tolerance and deadline of the goal must be positive")


def _target(state: ObjectState) -> Iterator[Violation]:
    """What shall be pushed is there, as far as is believed."""
    if state.visibility is Visibility.LOST or state.existence < _LEAST_EXISTENCE:
        text = f"{state.id} is lost: it is not where it was, or no more believed to be there"
        place = tuple(state.position.tolist())
        limit = _LEAST_EXISTENCE
        yield Violation(Constraint.GOAL, text, state.id, 0.0, place, state.existence, limit)


def _occupied(goal: Goal, state: ObjectState, situation: Situation) -> Iterator[Violation]:
    """Nothing else stands where the object shall come."""
    _, half = upright(state)
    x, y, z = goal.target.translation.tolist()
    rotation = goal.target.rotation if goal.angle_tolerance else state.pose.rotation
    there = np.array([[x, y, z, math.atan2(rotation[1, 0], rotation[0, 0])]])
    for other in situation.objects:
        if other.id == state.id:
            continue
        yaw, other_half = upright(other)
        pose = np.array([[*other.position, yaw]])
        gap = float(box_gap(there, half[None], pose, other_half[None])[0])
        if gap + goal.position_tolerance < -_INSIDE:
            text = f"{other.id} stands where {state.id} shall come"
            yield _goal_violation(text, other.id, goal.target.translation, gap, -_INSIDE)


def _as_planned(case: Case, situation: Situation, begins: int, now: int) -> Iterator[Violation]:
    """The pusher and what it moves are on their planned ways, not more than `LAG` behind."""
    far, place = _stray(case.tip, 0, situation.tip, now - begins), tuple(situation.tip.tolist())
    if far > _APART:
        text = "the pusher is elsewhere than planned"
        yield Violation(Constraint.START, text, "", 0.0, place, far, _APART)
    for n in np.nonzero(case.moves)[0].tolist():
        state = situation.objects[n]
        far = _stray(case.boxes, n, state.position, situation.stamp - begins)
        limit = _APART + case.limits.sigmas * float(case.spread[n].max())
        if far > limit:
            text, place = f"{state.id} is elsewhere than planned", tuple(state.position.tolist())
            yield Violation(Constraint.START, text, state.id, 0.0, place, far, limit)


def _stray(path: Path, row: int, place: Floats, since: int) -> float:
    """How far a place (3,) is from where something should be `since` ns after the begin, m."""
    length = (path.samples.shape[1] - 1) * path.interval
    times = np.clip(since * 1e-9 - np.linspace(0.0, LAG, _LOOKS), 0.0, length)
    way = path.at(np.full(_LOOKS, row), times)[:, :3]
    return float(np.linalg.norm(way - place, axis=1).min())


def _known(object_id: str, situation: Situation) -> ObjectState | None:
    return next((state for state in situation.objects if state.id == object_id), None)


def _goal_violation(
    text: str, subject: str, place: Floats, value: float, limit: float
) -> Violation:
    position = tuple(place.tolist())
    return Violation(Constraint.GOAL, text, subject, 0.0, position, value, limit)


def _finite(values: object, shape: tuple[int, ...]) -> bool:
    array = np.asarray(values, dtype=np.float64)
    return array.shape == shape and bool(np.isfinite(array).all())
