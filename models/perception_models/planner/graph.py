"""One round of CEM as modules of torch: the lines of `perception_nodes.planner`, with tensors.

Nothing here is trained. What NumPy computes at run time where there is no ONNX Runtime, the network
computes in one call: candidates from noise, their roll-outs by the physics prior, costs, the best.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perception_nodes.planner.candidates import Moves, tips_of
from perception_nodes.planner.cost import Aim, Weights, cost
from perception_nodes.planner.iteration import Search, draw, narrowed_cem
from perception_nodes.planner.prior import Physics, State, Things, step


class Head(nn.Module):
    """Candidates from noise, the way of the tip in each, and the present for each."""

    def __init__(self, moves: Moves) -> None:
        super().__init__()
        self._moves = moves

    def forward(
        self,
        mean: Tensor,
        deviation: Tensor,
        noise: Tensor,
        height: Tensor,
        poses: Tensor,
        velocities: Tensor,
        spread: Tensor,
    ) -> tuple[Tensor, ...]:
        """Candidates (B, D), tips before and after each step (T, B, 3), and the first state."""
        candidates = draw(torch, Search(mean, deviation), noise, self._moves)
        way = tips_of(torch, candidates, height, self._moves).transpose(0, 1)
        none = 0.0 * noise[:, :1]
        start = (poses[None] + none[..., None], velocities[None] + none[..., None])
        return candidates, way[:-1], way[1:], *start, spread[None] + none


class Body(nn.Module):
    """One step of the plan."""

    def __init__(self, moves: Moves, physics: Physics) -> None:
        super().__init__()
        self._interval, self._physics = moves.interval, physics

    def forward(
        self,
        now_poses: Tensor,
        now_velocities: Tensor,
        now_spread: Tensor,
        before: Tensor,
        after: Tensor,
        heights: Tensor,
        parts: Tensor,
        friction: Tensor,
        turning: Tensor,
        load: Tensor,
        carriers: Tensor,
        level: Tensor,
    ) -> tuple[Tensor, ...]:
        """The state (B, N, 3), (B, N, 3), (B, N) after it."""
        still = Things(heights, parts, friction, turning, load, carriers, level)
        state = State(now_poses, now_velocities, now_spread)
        return tuple(
            step(torch, state, still, after, after - before, self._interval, self._physics)
        )


class Tail(nn.Module):
    """Costs, and where to look next."""

    def __init__(self, moves: Moves, weights: Weights, elites: int) -> None:
        super().__init__()
        self._moves, self._weights, self._elites = moves, weights, elites

    def forward(
        self,
        candidates: Tensor,
        tip_before: Tensor,
        tip_after: Tensor,
        start_poses: Tensor,
        start_spread: Tensor,
        course_poses: Tensor,
        course_spread: Tensor,
        heights: Tensor,
        parts: Tensor,
        friction: Tensor,
        turning: Tensor,
        load: Tensor,
        carriers: Tensor,
        level: Tensor,
        chosen: Tensor,
        goal: Tensor,
        turn: Tensor,
        area: Tensor,
        clearance: Tensor,
        least: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Costs (B,), mean and deviation (D,)."""
        still = Things(heights, parts, friction, turning, load, carriers, level)
        aim = Aim(chosen, goal, turn, area, clearance)
        tips = torch.cat((tip_before[:1], tip_after)).transpose(0, 1)
        states = [State(start_poses, start_poses, start_spread)]
        for t in range(self._moves.steps):
            states.append(State(course_poses[t], course_poses[t], course_spread[t]))
        costs = cost(torch, states, still, tips, aim, self._weights)
        following = narrowed_cem(torch, candidates, costs, self._elites, least)
        return costs, following.mean, following.deviation
