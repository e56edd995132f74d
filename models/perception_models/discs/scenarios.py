"""Scenarios of bouncing discs: a taxonomy, an independent simulation, and what spoils them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perception_models.data import stream
from perception_models.discs.world import Population, draw, trajectory
from perception_models.scenarios.selection import Candidates
from perception_nodes.arrays import Bools, Floats, Ints

TOUCHES = ("no touch", "one touch", "more touches")
SIZES = ("similar sizes", "unequal sizes")
SPEEDS = ("slow", "fast")
LEAVES = tuple(f"{t}, {s}, {v}" for t in TOUCHES for s in SIZES for v in SPEEDS)
"""The taxonomy: what makes one scene of discs another kind of task than the next."""
_UNEQUAL, _FAST = 1.6, 1.25
_STEP = 2e-4
POSITION_TOLERANCE, VELOCITY_TOLERANCE = 0.005, 0.05


@dataclass(frozen=True)
class Pool:
    """Scenes with their answers: `states` [n, 2, 4, 5], and the leaf of each [n]."""

    states: Tensor
    leaf: Ints


def make_pool(population: Population, interval: float, count: int, seed: int) -> Pool:
    """Draw scenes and solve them exactly."""
    scenes = draw(population, count, stream("discs", "scenarios", seed))
    states, touches = trajectory(scenes, interval, 1)
    return Pool(states, classify(scenes, touches))


def classify(scenes: Tensor, touches: Tensor) -> Ints:
    """The leaf of each scene [n]."""
    radius, speed = scenes[..., 4], scenes[..., 2:4].norm(dim=-1).mean(dim=-1)
    unequal = radius.amax(dim=-1) / radius.amin(dim=-1) > _UNEQUAL
    leaf = (touches.clamp(max=2) * 2 + unequal) * 2 + (speed > _FAST)
    result: Ints = leaf.numpy()
    return result


def simulate_in_steps(scenes: Tensor, duration: float) -> Tensor:
    """Solve scenes a second way, in small time steps; shares nothing with `world.advance`."""
    position, velocity = scenes[..., :2].clone(), scenes[..., 2:4].clone()
    radius = scenes[..., 4]
    count = scenes.shape[1]
    for _ in range(round(duration / _STEP)):
        position += velocity * _STEP
        outside = position.abs() + radius[..., None] > 1.0
        velocity = torch.where(outside, -velocity.abs() * position.sign(), velocity)
        for a in range(count):
            for b in range(a + 1, count):
                _push_apart(position, velocity, radius, a, b)
    return torch.cat((position, velocity, radius[..., None]), dim=-1)


def agrees(answers: Tensor, scenes: Tensor, interval: float) -> Bools:
    """Whether an independent simulation gives the same answers, within its own accuracy [n]."""
    again = simulate_in_steps(scenes, interval)
    apart = (again - answers).abs()
    near = apart[..., :2].amax(dim=(-2, -1)) < POSITION_TOLERANCE
    same = apart[..., 2:4].amax(dim=(-2, -1)) < VELOCITY_TOLERANCE
    result: Bools = (near & same).numpy()
    return result


def spoil(pool: Pool, share: float, interval: float, seed: int) -> tuple[Pool, Bools]:
    """Replace some answers by those of wrong physics: gravity, or drag, or touches that stick.

    Returns:
        The pool and which of its scenes are wrong [n].
    """
    random = np.random.default_rng(seed)
    chosen = np.flatnonzero(random.random(len(pool.leaf)) < share)
    states = pool.states.clone()
    for k, index in enumerate(chosen):
        velocity = states[index, 1, :, 2:4]
        touched = pool.leaf[index] >= len(SIZES) * len(SPEEDS)
        if k % 3 == 0:
            velocity[:, 1] -= 1.0 * interval
        elif k % 3 == 1 or not touched:
            velocity *= 0.85
        else:
            moved = (velocity - states[index, 0, :, 2:4]).norm(dim=-1, keepdim=True) > 1e-9
            velocity.copy_(torch.where(moved, 0.7 * velocity, velocity))
    wrong = np.zeros(len(pool.leaf), dtype=bool)
    wrong[chosen] = True
    return Pool(states, pool.leaf), wrong


def examine(
    pool: Pool, population: Population, interval: float, seed: int, difficulty: Floats
) -> Candidates:
    """All checks on a pool that was made from a seed."""
    again = make_pool(population, interval, len(pool.leaf), seed)
    same = (again.states[:, 0] == pool.states[:, 0]).flatten(1).all(dim=1)
    return Candidates(
        leaf=pool.leaf,
        reproducible=same.numpy(),
        correct=agrees(pool.states[:, 1], pool.states[:, 0], interval),
        difficulty=difficulty,
        embedding=embedding(pool.states),
    )


def embedding(states: Tensor) -> Floats:
    """[n, d]: the trajectory with discs ordered from left to right, centered and scaled."""
    order = states[:, :1, :, :1].argsort(dim=2).expand_as(states)
    flat = states.gather(2, order).flatten(1)
    result: Floats = ((flat - flat.mean(dim=0)) / flat.std(dim=0).clamp(min=1e-9)).numpy()
    return result


def _push_apart(position: Tensor, velocity: Tensor, radius: Tensor, a: int, b: int) -> None:
    """Elastic impulse between two discs that overlap and approach, in place."""
    offset = position[:, b] - position[:, a]
    distance = offset.norm(dim=-1, keepdim=True)
    normal = offset / distance
    closing = ((velocity[:, b] - velocity[:, a]) * normal).sum(dim=-1, keepdim=True)
    meets = (distance[:, 0] < radius[:, a] + radius[:, b]) & (closing[:, 0] < 0)
    if not bool(meets.any()):
        return
    heavy_a, heavy_b = radius[:, a, None] ** 2, radius[:, b, None] ** 2
    impulse = 2 * closing / (heavy_a + heavy_b) * normal * meets[:, None]
    velocity[:, a] += impulse * heavy_b
    velocity[:, b] -= impulse * heavy_a
