"""One round of sampling: draw candidates, foresee, judge, and narrow down.

The same lines run with NumPy and, exported, as one network; see `contact` for `xp`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from perception_nodes.planner.candidates import Moves, bounded, tips_of
from perception_nodes.planner.contact import Array
from perception_nodes.planner.cost import Aim, Weights, cost
from perception_nodes.planner.prior import Physics, State, Things, roll


class Search(NamedTuple):
    """Where the search stands: mean and standard deviation (D,) of the candidates."""

    mean: Array
    deviation: Array


def judge(
    xp: Any,
    candidates: Array,
    start: State,
    still: Things,
    aim: Aim,
    height: Array,
    moves: Moves,
    physics: Physics,
    weights: Weights,
    tick: Callable[[], None] | None = None,
) -> Array:
    """(B,) costs of candidates (B, D) by the physics prior.

    Args:
        xp: The array library.
        candidates: Bounded, see `candidates.bounded`.
        start: The present, for B candidates.
        still: What does not change.
        aim: The goal.
        height: () of the tip while it pushes, world frame.
        moves: How pushes are parametrized.
        physics: What the prior assumes.
        weights: What counts.
        tick: See `prior.roll`.
    """
    tips = tips_of(xp, candidates, height, moves)
    states = roll(xp, start, still, tips, moves.interval, physics, tick)
    return cost(xp, states, still, tips, aim, weights)


def draw(xp: Any, search: Search, noise: Array, moves: Moves) -> Array:
    """Candidates (B, D) from noise (B, D); the first is the mean itself."""
    spread = search.mean + search.deviation * noise
    every = xp.concatenate(((search.mean + 0.0 * noise[:1]), spread[1:]), 0)
    return bounded(xp, every, moves)


def narrowed_cem(xp: Any, candidates: Array, costs: Array, elites: int, least: Array) -> Search:
    """The mean and deviation of the best candidates (cross-entropy method, Rubinstein 1999)."""
    best = candidates[xp.argsort(costs)[:elites]]
    mean = best.mean(0)
    deviation = xp.sqrt(((best - mean) ** 2).mean(0))
    return Search(mean, xp.where(deviation > least, deviation, least + 0.0 * deviation))


def narrowed_mppi(
    xp: Any, candidates: Array, costs: Array, temperature: float, search: Search
) -> Search:
    """The mean of all candidates by the exponential of their cost (Williams et al. 2017)."""
    weight = xp.exp(-(costs - costs[xp.argsort(costs)[:1]]) / temperature)
    weight = weight / weight.sum()
    return Search((weight[:, None] * candidates).sum(0), search.deviation)
