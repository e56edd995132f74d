"""What makes a course of events good: the goal reached soon, nothing else moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from perception_nodes.planner.contact import Array, touch, turned
from perception_nodes.planner.prior import State, Things

_LOOK_EVERY = 2  # steps: 3 cm of a push


@dataclass(frozen=True, slots=True)
class Weights:
    """What each part of the cost counts; all are meters or factors of meters.

    Attributes:
        final: Distance from the goal at the end.
        way: Mean distance on the way.
        angle: Half the squared sine of half the error of heading, in meters, where it is asked for.
        others: How far other objects are moved.
        overlap: How deep the start of a push lies in an object.
        collision: How much too near the tip comes to others than the chosen one; the verification
            refuses such plans.
        apart: What the tip must keep away from those, beside twice the deviation of their places:
            its radius, the clearance that the verification asks for, and what corners reach farther
            where the heading is uncertain, m.
        edge: How far an object leaves the support.
        effort: Mean speed of the tip, times a second.
        unsure: Standard deviation of where the object ends.
        residual: Mean contradiction of two models, in squared standard deviations.
    """

    final: float = 3.0
    way: float = 1.0
    angle: float = 0.3
    others: float = 0.5
    overlap: float = 20.0
    collision: float = 100.0
    apart: float = 0.035
    edge: float = 20.0
    effort: float = 0.02
    unsure: float = 0.5
    residual: float = 0.003


class Aim(NamedTuple):
    """A goal as arrays.

    Attributes:
        chosen: (N,) 1 for the object to move.
        pose: (3,) x, y and heading.
        turn: () 1 if the heading counts, else 0.
        area: (4,) low x, low y, high x, high y of the support.
        clearance: () m between the tip and objects where a push starts; negative to not ask.
    """

    chosen: Array
    pose: Array
    turn: Array
    area: Array
    clearance: Array


def cost(
    xp: Any, states: list[State], still: Things, tips: Array, aim: Aim, weights: Weights
) -> Array:
    """(B,) the cost of candidates."""
    distances = []
    for state in states:
        off = ((state.poses - aim.pose) * aim.chosen[:, None]).sum(1)
        apart = xp.sqrt(off[..., 0] ** 2 + off[..., 1] ** 2 + 1e-10)
        distances.append(apart + weights.angle * aim.turn * (1.0 - xp.cos(off[..., 2])))
    way = sum(distances[1:]) / (len(distances) - 1)
    first, last = states[0], states[-1]
    move = last.poses[..., :2] - first.poses[..., :2]
    moved = xp.sqrt(move[..., 0] ** 2 + move[..., 1] ** 2 + 1e-12) * (1.0 - aim.chosen)
    beyond = _beyond(xp, aim.area[:2] - last.poses[..., :2])
    beyond = beyond + _beyond(xp, last.poses[..., :2] - aim.area[2:])
    step = tips[:, 1:, :2] - tips[:, :-1, :2]
    effort = xp.sqrt(step[..., 0] ** 2 + step[..., 1] ** 2 + 1e-12).mean(-1)
    unsure = (last.deviation * aim.chosen).sum(-1)
    return (
        weights.final * distances[-1]
        + weights.way * way
        + weights.others * moved.sum(-1)
        + weights.overlap * _overlap(xp, first, still, tips, aim.clearance)
        + weights.collision * _collision(xp, states, still, tips, aim, weights.apart)
        + weights.edge * beyond.sum(-1).sum(-1)
        + weights.effort * effort
        + weights.unsure * unsure
    )


def _beyond(xp: Any, values: Array) -> Array:
    return xp.where(values > 0.0, values, 0.0 * values)


def _overlap(xp: Any, first: State, still: Things, tips: Array, clearance: Array) -> Array:
    """How deep the start of a push lies in what keeps clear of it, (B,)."""
    return _beyond(xp, clearance - _distances(xp, first, still, tips[:, :1])).sum(-1)


def _collision(
    xp: Any, states: list[State], still: Things, tips: Array, aim: Aim, apart: float
) -> Array:
    """How much too near the tip comes to what it shall not touch, (B,): the worst of each."""
    others = 1.0 - aim.chosen
    worst = 0.0 * states[0].deviation
    for k in range(0, len(states), _LOOK_EVERY):
        required = apart + 2.0 * states[k].deviation
        near = _beyond(xp, required - _distances(xp, states[k], still, tips[:, k : k + 1]))
        worst = xp.where(near > worst, near, worst)
    return (worst * others).sum(-1)


def _distances(xp: Any, state: State, still: Things, tip: Array) -> Array:
    """(B, N) from the tip (B, 1, 3) to each object, m; negative inside.

    To the box of what looks round, as the verification looks at it: looks may deceive.
    """
    offset = tip[..., :2] - state.poses[..., :2]
    boxes = xp.concatenate((still.parts[..., :4], 0.0 * still.parts[..., 4:]), -1)
    return touch(xp, turned(xp, -state.poses[..., 2], offset), boxes).distance
