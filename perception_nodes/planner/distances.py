"""When the things of a case come nearer to each other than required, at any moment of the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.planner.case import Case
from perception_nodes.planner.people import BONES, Body
from perception_nodes.planner.sweep import (
    Hit,
    Path,
    box_gap,
    segment_distance,
    too_close,
    tool_gap,
)

_RETREAT = 0.001
_FIRST, _SECOND = np.array(BONES).T

Distance = Callable[[Ints, Floats], Floats]


def tool_hits(
    case: Case, objects: Ints, required: Floats, certain: bool = True
) -> Iterator[tuple[Hit, float]]:
    """Where the pusher is nearer to objects than required, each with what is required.

    Args:
        case: The plan in its situation.
        objects: (n,) indices.
        required: (n,) meters; negative where things may overlap.
        certain: Whether that must hold however the objects lie, as far as is believed.
    """
    limits = case.limits
    slack = case.slack(objects) if certain else None

    def distance(pairs: Ints, times: Floats) -> Floats:
        tips = case.tip.at(np.zeros(len(pairs), int), times)
        poses = case.boxes.at(objects[pairs], times)
        half = case.half[objects[pairs]]
        return tool_gap(tips, poses, half, limits.tool_radius, limits.tool_length)

    rates = case.tip.rates() + case.rates(objects)
    yield from _hits(distance, rates, slack, required, case, retreat=~case.protected[objects])


def box_hits(
    case: Case, first: Ints, second: Ints, required: Floats, certain: bool = True
) -> Iterator[tuple[Hit, float]]:
    """The same for pairs of objects: `first` (n,) and `second` (n,)."""
    slack = case.slack(first, second) if certain else None

    def distance(pairs: Ints, times: Floats) -> Floats:
        one, other = first[pairs], second[pairs]
        a, b = case.boxes.at(one, times), case.boxes.at(other, times)
        return box_gap(a, case.half[one], b, case.half[other])

    rates = case.rates(first) + case.rates(second)
    retreat = np.full(len(first), not certain)
    yield from _hits(distance, rates, slack, required, case, retreat)


def _hits(
    distance: Distance,
    rates: Floats,
    slack: Path | None,
    required: Floats,
    case: Case,
    retreat: Bools,
) -> Iterator[tuple[Hit, float]]:
    """Hits with what was required. Where things are too near already, they may part."""
    if not len(required):
        return
    whole = distance
    if slack is not None:
        rates = rates + slack.rates()

        def whole(pairs: Ints, times: Floats) -> Floats:
            return np.asarray(distance(pairs, times) - slack.at(pairs, times)[:, 0])

    now = whole(np.arange(len(required)), np.zeros(len(required)))
    needed = np.where(retreat, np.minimum(required, now - _RETREAT), required)
    for hit in too_close(lambda p, t: whole(p, t) - needed[p], rates, case.plan.interval):
        yield hit, float(needed[hit.pair])


@dataclass(frozen=True, slots=True, eq=False)
class Sticks:
    """The pusher and everything that moves, as upright sticks around them, the pusher first.

    Attributes:
        lower: Path of their lower ends, (S, T + 1, 3).
        rise: (S,) their lengths.
        radii: (S,).
        rates: (S, T) how fast they move at most, m/s.
    """

    lower: Path
    rise: Floats
    radii: Floats
    rates: Floats

    @classmethod
    def of(cls, case: Case) -> Sticks:
        """Those of a case."""
        movers, limits = np.nonzero(case.moves)[0], case.limits
        below = case.boxes.samples[movers, :, :3].copy()
        below[:, :, 2] -= case.half[movers, 2, None]
        around = np.linalg.norm(case.half[movers, :2], axis=1)
        around += limits.sigmas * case.spread[movers].max(axis=1)
        return cls(
            lower=Path(np.concatenate([case.tip.samples, below]), case.plan.interval),
            rise=np.array([limits.tool_length, *(2.0 * case.half[movers, 2])]),
            radii=np.array([limits.tool_radius, *around]),
            rates=np.vstack([case.tip.rates(), case.rates(movers)]),
        )


def person_hit(case: Case, sticks: Sticks, body: Body, age: float) -> tuple[int, Hit] | None:
    """The first time at which a stick is too near to where a person may be: (stick, hit)."""
    limits = case.limits
    rules = (limits.sigmas, limits.person_acceleration, limits.soon)

    def gap(pairs: Ints, times: Floats) -> Floats:
        stick, bone = np.divmod(pairs, len(BONES))
        since, rows = np.maximum(age + times, 0.0), np.arange(len(pairs))
        places, reach = body.places(since), body.reach(since, *rules)
        ends = places[rows, _FIRST[bone]], places[rows, _SECOND[bone]]
        widest = np.maximum(reach[rows, _FIRST[bone]], reach[rows, _SECOND[bone]])
        lower = sticks.lower.at(stick, times)
        upper = lower + sticks.rise[stick, None] * np.array([0.0, 0.0, 1.0])
        apart = segment_distance(lower, upper, *ends)
        return np.asarray(apart - widest - sticks.radii[stick] - limits.person_distance)

    nears = body.reach_rate(*rules) + np.linalg.norm(body.velocities, axis=1)
    bones = np.maximum(nears[_FIRST], nears[_SECOND])
    slopes = (sticks.rates[:, None, :] + bones[None, :, None]).reshape(-1, sticks.rates.shape[1])
    hits = too_close(gap, slopes, case.plan.interval)
    return (hits[0].pair // len(BONES), hits[0]) if hits else None
