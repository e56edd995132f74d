"""Discs in a box without friction, solved exactly from collision to collision, many at once.

A state is [..., N, 5] per disc: position x y and velocity x y in box units (the box is [-1, 1]^2)
and per second, and radius. Mass grows with area. Collisions are perfectly elastic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

STATE = 5
"""Numbers a disc: position, velocity, radius."""
_CANDIDATES = 24
_MAX_EVENTS = 200


@dataclass(frozen=True)
class Population:
    """From what scenes are drawn.

    Attributes:
        discs: How many share the box; at most four.
        smallest, largest: Radii are uniform between these; at most 0.3, so that four always fit.
        speed: Standard deviation of each velocity component.
    """

    discs: int = 4
    smallest: float = 0.1
    largest: float = 0.25
    speed: float = 1.0


def draw(population: Population, count: int, generator: torch.Generator) -> Tensor:
    """Draw scenes in which no discs overlap.

    Returns:
        [count, N, 5], double precision, on the processor whatever the device, so that one seed
        means the same scenes everywhere.
    """
    n, size = population.discs, (count, population.discs)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    radius = population.smallest + uniform(*size) * (population.largest - population.smallest)
    velocity = torch.randn((*size, 2), generator=generator, dtype=torch.float64) * population.speed
    # Four places that never collide, for the few scenes where rejection finds no place.
    angle = torch.arange(n, dtype=torch.float64) * (math.pi / 2) + math.pi / 4
    corner = 0.5 * math.sqrt(2.0) * torch.stack((angle.cos(), angle.sin()), dim=-1)
    spare = (0.49 - radius).clamp(min=0)[..., None]
    safe = corner + (uniform(*size, 2) * 2 - 1) * spare
    position = torch.zeros((*size, 2), dtype=torch.float64)
    placed = torch.ones(count, dtype=torch.bool)
    for i in range(n):
        reach = (1.0 - radius[:, i])[:, None, None]
        places = (uniform(count, _CANDIDATES, 2) * 2 - 1) * reach
        gap = (places[:, :, None] - position[:, None, :i]).norm(dim=-1)
        free = (gap > radius[:, None, :i] + radius[:, i, None, None]).all(dim=-1)
        placed &= free.any(dim=-1)
        first = free.to(torch.int8).argmax(dim=-1)
        position[:, i] = places[torch.arange(count), first]
    position = torch.where(placed[:, None, None], position, safe)
    return torch.cat((position, velocity, radius[..., None]), dim=-1)


def advance(state: Tensor, duration: float) -> tuple[Tensor, Tensor]:
    """Move scenes forward exactly: fly to the next collision, resolve it, fly on.

    Args:
        state: [B, N, 5], double precision.
        duration: Seconds.

    Returns:
        The later states [B, N, 5] and how often two discs touched [B].
    """
    position, velocity, radius = state[..., :2].clone(), state[..., 2:4].clone(), state[..., 4]
    remaining = torch.full(state.shape[:1], duration, dtype=state.dtype, device=state.device)
    touches = torch.zeros(state.shape[:1], dtype=torch.long, device=state.device)
    i, j = torch.triu_indices(state.shape[1], state.shape[1], 1, device=state.device)
    for _ in range(_MAX_EVENTS):
        wall = _time_to_wall(position, velocity, radius)
        pair = _time_to_touch(position, velocity, radius, i, j)
        times = torch.cat((wall.flatten(1), pair), dim=1)
        soonest, which = times.min(dim=1)
        step = torch.minimum(soonest, remaining)
        position = position + velocity * step[:, None, None]
        remaining = remaining - step
        happens = soonest <= step
        happens &= remaining > 0
        if not bool(happens.any()):
            break
        velocity, touched = _resolve(position, velocity, radius, which, happens, i, j)
        touches += touched
    return torch.cat((position, velocity, radius[..., None]), dim=-1), touches


def trajectory(state: Tensor, interval: float, steps: int) -> tuple[Tensor, Tensor]:
    """Scenes at equal intervals.

    Returns:
        [B, steps + 1, N, 5] beginning with `state`, and the number of touches [B].
    """
    states, total = [state], torch.zeros(state.shape[:1], dtype=torch.long, device=state.device)
    for _ in range(steps):
        later, touches = advance(states[-1], interval)
        states.append(later)
        total = total + touches
    return torch.stack(states, dim=1), total


def energy(state: Tensor) -> Tensor:
    """Kinetic energy of each scene, up to the constant of mass; no collision changes it."""
    return (state[..., 4] ** 2 * state[..., 2:4].square().sum(dim=-1)).sum(dim=-1) / 2


def _time_to_wall(position: Tensor, velocity: Tensor, radius: Tensor) -> Tensor:
    """[B, N, 2]: when each disc reaches the wall it moves to along each axis."""
    limit = velocity.sign() * (1.0 - radius[..., None])
    time = (limit - position) / torch.where(velocity == 0, 1.0, velocity)
    return torch.where(velocity == 0, math.inf, time.clamp(min=0))


def _time_to_touch(
    position: Tensor, velocity: Tensor, radius: Tensor, i: Tensor, j: Tensor
) -> Tensor:
    """[B, pairs]: when each pair touches; infinite if it never does."""
    apart, relative = position[:, j] - position[:, i], velocity[:, j] - velocity[:, i]
    closing = (apart * relative).sum(dim=-1)
    speed = relative.square().sum(dim=-1)
    reach = (radius[:, i] + radius[:, j]).square()
    root = closing.square() - speed * (apart.square().sum(dim=-1) - reach)
    time = (-closing - root.clamp(min=0).sqrt()) / speed.clamp(min=1e-12)
    return torch.where((closing < 0) & (root > 0), time.clamp(min=0), math.inf)


def _resolve(
    position: Tensor,
    velocity: Tensor,
    radius: Tensor,
    which: Tensor,
    happens: Tensor,
    i: Tensor,
    j: Tensor,
) -> tuple[Tensor, Tensor]:
    """Velocities after one collision a scene, and which scenes had two discs touch."""
    walls = 2 * position.shape[1]
    flip = torch.nn.functional.one_hot(which.clamp(max=walls - 1), walls).bool()
    flip &= (happens & (which < walls))[:, None]
    velocity = torch.where(flip.view_as(velocity), -velocity, velocity)
    touched = happens & (which >= walls)
    rows = touched.nonzero().squeeze(1)
    if len(rows):
        a, b = i[which[rows] - walls], j[which[rows] - walls]
        normal = position[rows, b] - position[rows, a]
        normal = normal / normal.norm(dim=-1, keepdim=True)
        mass_a, mass_b = radius[rows, a].square(), radius[rows, b].square()
        closing = ((velocity[rows, b] - velocity[rows, a]) * normal).sum(dim=-1)
        impulse = (2 * closing / (mass_a + mass_b))[:, None] * normal
        velocity = velocity.clone()
        velocity[rows, a] += impulse * mass_b[:, None]
        velocity[rows, b] -= impulse * mass_a[:, None]
    return velocity, touched
