"""What a plan must keep, one function a constraint; each violation has a witness.

The rules don't trust the plan's own model: whatever the pusher or a moving object touches is taken
to be pushed, and whatever touches that as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.planner.case import Case
from perception_nodes.planner.distances import Sticks, box_hits, person_hit, tool_hits
from perception_nodes.planner.sweep import Hit, box_gap, tool_gap

_ROUNDING = 1e-6
_EDGE = 0.001  # m beyond the workspace that is no matter
_STRAY = 0.001  # m that the tip may differ from where its velocity leads
_CONTACT = 0.005  # m; what is nearer is taken to touch
_OVERLAP = 0.01  # m that boxes may overlap
_ROUND = 0.3  # and this share of their half widths: 1 - 1 / sqrt(2) is empty where shapes are round
_FINE = 10  # looks an interval
_FAST = 2.0  # times the tip's speed that a pushed object's corners may have


class Constraint(StrEnum):
    """What can be violated, the worst first."""

    VALUES = "values"
    FRESHNESS = "freshness"
    PERSON = "distance to people"
    PROTECTED = "protected object"
    COLLISION = "collision"
    WORKSPACE = "workspace"
    SPEED = "speed"
    ACCELERATION = "acceleration"
    START = "start"
    PHYSICS = "physics"
    GOAL = "goal"


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a plan or goal is refused, with a witness.

    Attributes:
        constraint: Which rule.
        text: What is wrong, for a person.
        subject: Id of the object or person concerned; empty if it is the pusher alone.
        time: Seconds from the start of the plan; 0 for what holds now.
        position: (x, y, z) in the world; empty where it has no place.
        value: What was found, in the unit of the limit (m, m/s, m/s^2, s).
        limit: What is required.
    """

    constraint: Constraint
    text: str
    subject: str = ""
    time: float = 0.0
    position: tuple[float, ...] = ()
    value: float = 0.0
    limit: float = 0.0

    def __str__(self) -> str:
        if not self.position:
            return f"{self.constraint}: {self.text}"
        place = ", ".join(f"{v:.3f}" for v in self.position)
        found = f"{self.value:.3f}, limit {self.limit:.3f}"
        return f"{self.constraint}: {self.text} ({found}, at {self.time:.2f} s, at ({place}))"


def within_workspace(case: Case) -> Iterator[Violation]:
    """The tip and what is pushed stay in the box; exact at samples, since a box is convex."""
    low, high = np.array(case.limits.low), np.array(case.limits.high)
    beyond = np.maximum(low - case.plan.tip, case.plan.tip - high).max(axis=1)
    text = "the pusher would leave its workspace"
    yield from _exceeds(case, Constraint.WORKSPACE, beyond, _EDGE, text)
    for n in np.nonzero(case.moves)[0].tolist():
        course = case.boxes.samples[n, :, :2]
        beyond = np.maximum(low[:2] - course, course - high[:2]).max(axis=1)
        beyond = beyond + case.limits.sigmas * case.spread[n]
        text = f"{case.ids[n]} would leave the workspace"
        yield from _exceeds(case, Constraint.WORKSPACE, beyond, _EDGE, text, n)


def within_speed(case: Case) -> Iterator[Violation]:
    """The commanded velocities are slow enough, and lead where the plan says."""
    speeds = np.linalg.norm(case.plan.velocity, axis=1)
    text = "the pusher would be too fast"
    yield from _exceeds(case, Constraint.SPEED, speeds, case.limits.speed + _ROUNDING, text)
    led = case.plan.tip[:-1] + case.plan.velocity * case.plan.interval
    stray = np.linalg.norm(case.plan.tip[1:] - led, axis=1)
    text = "the velocities don't lead to the positions of the plan"
    yield from _exceeds(case, Constraint.SPEED, stray, _STRAY, text)


def within_acceleration(case: Case, velocity: Floats) -> Iterator[Violation]:
    """No step of the velocity is too large, the first one from `velocity` (3,) included."""
    steps = np.diff(np.vstack([velocity[None], case.plan.velocity]), axis=0)
    sizes = np.linalg.norm(steps, axis=1) / case.plan.interval
    limit = case.limits.acceleration + _ROUNDING
    text = "the pusher would accelerate too fast"
    yield from _exceeds(case, Constraint.ACCELERATION, sizes, limit, text)


def away_from_people(case: Case) -> Iterator[Violation]:
    """The pusher and what it moves keep their distance to where people may be."""
    if not case.bodies:
        return
    sticks = Sticks.of(case)
    names = ["the pusher", *(case.ids[n] for n in np.nonzero(case.moves)[0])]
    for body, age in zip(case.bodies, case.ages, strict=True):
        found = person_hit(case, sticks, body, age)
        if found is not None:
            stick, hit = found
            place = sticks.lower.at(np.array([stick]), np.array([hit.time]))[0]
            text = f"{names[stick]} would come too near to where {body.id} may be"
            limit = case.limits.person_distance
            yield _near(Constraint.PERSON, text, body.id, hit, limit, place)


def away_from_obstacles(case: Case) -> Iterator[Violation]:
    """The pusher touches nothing but its target, and comes near to nothing protected."""
    others = np.nonzero(np.arange(len(case.ids)) != case.target)[0]
    limits, protected = case.limits, case.protected[others]
    required = np.where(protected, limits.protected_clearance, limits.clearance)
    for hit, limit in tool_hits(case, others, required):
        name = case.ids[others[hit.pair]]
        place = case.tip.at(np.array([0]), np.array([hit.time]))[0]
        if protected[hit.pair]:
            text = f"the pusher would come too near to the protected {name}"
            yield _near(Constraint.PROTECTED, text, name, hit, limit, place)
        else:
            text = f"the pusher would run into {name}"
            yield _near(Constraint.COLLISION, text, name, hit, limit, place)


def through_nothing(case: Case) -> Iterator[Violation]:
    """Nothing passes through anything: such a plan does not know what it would push."""
    target, name = np.array([case.target]), case.ids[case.target]
    width = case.half[:, :2].min(axis=1)
    required = -_OVERLAP - _ROUND * (width[target] + case.limits.tool_radius)
    for hit, limit in tool_hits(case, target, required, certain=False):
        place = case.tip.at(np.array([0]), np.array([hit.time]))[0]
        text = f"the pusher would pass through {name}"
        yield _near(Constraint.PHYSICS, text, name, hit, limit, place)
    first, second = _mover_pairs(case, ~case.protected)
    required = -_OVERLAP - _ROUND * (width[first] + width[second])
    for hit, limit in box_hits(case, first, second, required, certain=False):
        name = case.ids[second[hit.pair]]
        text = f"{case.ids[first[hit.pair]]} would pass through {name}"
        place = _place(case, int(first[hit.pair]), hit)
        yield _near(Constraint.PHYSICS, text, name, hit, limit, place)


def pushed_at_most(case: Case) -> Iterator[Violation]:
    """Nothing is predicted to move faster than the pusher could push it."""
    limit = _FAST * case.limits.speed
    for n in np.nonzero(case.moves)[0].tolist():
        text = f"{case.ids[n]} is predicted to move faster than it can be pushed"
        rates = case.rates(np.array([n]))[0]
        yield from _exceeds(case, Constraint.PHYSICS, rates, limit, text, n)


def protects(case: Case) -> Iterator[Violation]:
    """No protected object is moved, neither by a moving one nor through others in between."""
    for n in np.nonzero(case.protected & case.moves)[0].tolist():
        text = f"the protected {case.ids[n]} would be moved"
        place = case.boxes.samples[n, 0, :3]
        yield Violation(Constraint.PROTECTED, text, case.ids[n], 0.0, tuple(place.tolist()))
    if not case.protected.any():
        return
    unforeseen = _unforeseen(case)
    first, second = _mover_pairs(case, case.protected & ~case.moves)
    required = np.full(len(first), case.limits.protected_clearance + unforeseen)
    for hit, limit in box_hits(case, first, second, required):
        name = case.ids[second[hit.pair]]
        text = f"{case.ids[first[hit.pair]]} would come too near to the protected {name}"
        place = _place(case, int(first[hit.pair]), hit)
        yield _near(Constraint.PROTECTED, text, name, hit, limit, place)
    yield from _through_others(case, unforeseen)


def _through_others(case: Case, unforeseen: float) -> Iterator[Violation]:
    """Protected objects that touch what touches what is moved.

    What is touched may really be pushed as far as boxes may overlap and places are uncertain.
    """
    first, second = _mover_pairs(case, ~case.protected & ~case.moves)
    width = case.half[:, :2].min(axis=1)
    pushed = unforeseen + _OVERLAP + _ROUND * (width[first] + width[second])
    pushed = pushed + case.slack(first, second).samples[:, :, 0].max(axis=1)
    for hit, _ in box_hits(case, first, second, np.full(len(first), _CONTACT + unforeseen)):
        touched = int(second[hit.pair])
        for n in _reached(case, touched, float(pushed[hit.pair])):
            text = f"{case.ids[touched]} would be pushed, and with it the protected {case.ids[n]}"
            place = _place(case, touched, hit)
            limit = case.limits.protected_clearance
            yield _near(Constraint.PROTECTED, text, case.ids[n], hit, limit, place)


def _unforeseen(case: Case) -> float:
    """How much farther things may be pushed than predicted, m: as deep as they overlap there."""
    interval, steps = case.plan.interval, len(case.plan.velocity)
    times = np.linspace(0.0, steps * interval, steps * _FINE + 1)
    rest = interval / _FINE / 2.0
    tips = case.tip.at(np.zeros(len(times), int), times)
    row = np.full(len(times), case.target)
    limits, half = case.limits, case.half
    boxes = case.boxes.at(row, times)
    gaps = tool_gap(tips, boxes, half[row], limits.tool_radius, limits.tool_length)
    rates = case.tip.rates()[0] + case.rates(np.array([case.target]))[0]
    depth = max(0.0, rest * float(rates.max()) - float(gaps.min()))
    for one, other in zip(*_mover_pairs(case, case.moves), strict=True):
        a = case.boxes.at(np.full(len(times), one), times)
        b = case.boxes.at(np.full(len(times), other), times)
        gap = float(box_gap(a, half[[one] * len(times)], b, half[[other] * len(times)]).min())
        rates = case.rates(np.array([one, other])).sum(axis=0)
        depth += max(0.0, rest * float(rates.max()) - gap)
    return depth


def _reached(case: Case, start: int, pushed: float) -> list[int]:
    """Protected objects that move if `start` is pushed so far, from neighbor to neighbor."""
    reached, waiting = {start}, [start]
    found: list[int] = []
    now, everything = case.boxes.samples[:, 0], np.arange(len(case.ids))
    clearance = np.where(case.protected, case.limits.protected_clearance, _CONTACT)
    while waiting:
        one = np.full(len(case.ids), waiting.pop())
        gaps = box_gap(now[one], case.half[one], now, case.half)
        slack = case.slack(one, everything).samples[:, 0, 0]
        near = (gaps < clearance + slack + pushed) & ~case.moves
        for n in np.nonzero(near)[0].tolist():
            if n not in reached:
                reached.add(n)
                (found if case.protected[n] else waiting).append(n)
    return found


def _mover_pairs(case: Case, others: Bools) -> tuple[Ints, Ints]:
    """Each moving object with each other one of a kind; moving ones with each other once."""
    first, second = np.nonzero(case.moves[:, None] & others[None, :])
    once = (first < second) | ~case.moves[second]
    return first[once], second[once]


def _place(case: Case, n: int, hit: Hit) -> Floats:
    return case.boxes.at(np.array([n]), np.array([hit.time]))[0, :3]


def _near(
    constraint: Constraint, text: str, subject: str, hit: Hit, limit: float, place: Floats
) -> Violation:
    """Something came too near: the distance that was found, what is uncertain taken off."""
    position = tuple(place.tolist())
    return Violation(constraint, text, subject, hit.time, position, limit + hit.gap, limit)


def _exceeds(
    case: Case,
    constraint: Constraint,
    values: Floats,
    limit: float,
    text: str,
    subject: int | None = None,
) -> Iterator[Violation]:
    """The first sample at which a value is above its limit, of the pusher or of an object."""
    above = np.nonzero(~(values <= limit))[0]
    if len(above):
        k = int(above[0])
        place = case.plan.tip[k] if subject is None else case.boxes.samples[subject, k, :3]
        name = "" if subject is None else case.ids[subject]
        time, found = k * case.plan.interval, float(values[k])
        yield Violation(constraint, text, name, time, tuple(place.tolist()), found, limit)
