"""Whether meetings of two things tell their masses: the balance of momentum, and the world model.

    python bench/cjepa_masses.py [--episodes 80]

Episodes as the world model's. Of each touch of two things that lasts at most four frames at 30 a
second, with nothing else near, the changes of velocity give the ratio of the masses (corrected for
friction with the floor); places come exactly or with 1 mm of noise, touches as they truly are, so
that a robot could do no better. And for each meeting of validation episodes the world model is
asked with the mass of one thing half an e-fold less and more: by how much what it foresees changes,
over how far it is off, squared, is what a meeting can tell (Fisher information, per e-fold^2).
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from cjepa_beliefs import RATE, scene
from common import write_result
from torch import Tensor

from perception_models.cells import Call
from perception_models.cjepa.dataset import episodes
from perception_models.cjepa.network import HISTORY
from perception_models.cjepa.rollout import roll
from perception_models.cjepa.samples import Windows, chances, robot_token, roundness
from perception_models.cjepa.scenes import DURATION
from perception_models.cjepa.shipped import as_shipped, shipped
from perception_models.data import stream
from perception_models.task import VALIDATION
from perception_nodes.arrays import Floats
from perception_nodes.cjepa.beliefs import DENSITY, GRAVITY
from perception_nodes.cjepa.loading import network_hash
from perception_nodes.scene import UNKNOWN_FRICTION
from perception_simulation.model import PUSHER
from perception_simulation.shapes import geometry

NOISES = (0.0, 0.001)
BEFORE, AFTER, LONGEST = 4, 2, 4
LEVEL = 0.006
OPPOSED, SURE = 0.9, 0.3
STEPS, HALF = 5, 0.5


@dataclass(frozen=True)
class Recorded:
    """Places (T, N, 3) of an episode, who touches whom by frame, log masses and log volumes."""

    names: tuple[str, ...]
    places: Floats
    touching: list[set[frozenset[str]]]
    masses: Floats
    volumes: Floats


def recorded(number: int) -> Recorded:
    """One episode, exactly."""
    drawn, world = scene(number)
    names = tuple(item.name for item in drawn.objects)
    places, touching = [], []
    for k in range(int(DURATION * RATE)):
        world.advance(k / RATE)
        present = [n if n in world.present else None for n in names]
        places.append([world.motion(n).pose.translation if n else np.full(3, 9.0) for n in present])
        touching.append({frozenset(p) for p in world.touching() if {*p} <= {*names, PUSHER}})
    volumes = [math.log(float(np.prod(geometry(item.shape).size))) for item in drawn.objects]
    masses = [math.log(item.mass) for item in drawn.objects]
    return Recorded(names, np.array(places), touching, np.array(masses), np.array(volumes))


def meetings(one: Recorded, noise: float, rng: np.random.Generator) -> tuple[Counter[str], Any]:
    """Why touches tell nothing, and of the others (error, error by size, opposed, said)."""
    why: Counter[str] = Counter()
    found = []
    seen = one.places + noise * rng.normal(size=one.places.shape)
    for i in range(len(one.names)):
        for j in range(i + 1, len(one.names)):
            pair = frozenset((one.names[i], one.names[j]))
            for begin in range(BEFORE + 1, len(seen) - LONGEST - AFTER):
                past = one.touching[begin - BEFORE : begin]
                if pair not in one.touching[begin] or any(pair in t for t in past):
                    continue
                end = begin
                while pair in one.touching[end] and end < len(seen) - AFTER - 1:
                    end += 1
                span = slice(begin - BEFORE, end + AFTER + 1)
                height = np.ptp(one.places[span][:, [i, j], 2], axis=0).max()
                if end - begin >= LONGEST:
                    why["lasts long"] += 1
                elif any(len(p & pair) == 1 for t in one.touching[span] for p in t):
                    why["something else touches"] += 1
                elif height > LEVEL:
                    why["tumbles"] += 1
                else:
                    ratio, opposed, said = balance(seen[span][:, [i, j], :2], noise)
                    true = one.masses[j] - one.masses[i]
                    by_size = one.volumes[j] - one.volumes[i]
                    found.append((ratio - true, by_size - true, opposed, said))
    return why, found


def balance(places: Floats, noise: float) -> tuple[float, float, float]:
    """Log ratio of masses from places (T, 2, 2) before and after; how opposed; its deviation."""
    friction = math.exp(UNKNOWN_FRICTION.mean) * GRAVITY
    before = (places[BEFORE - 1] - places[0]) * RATE / (BEFORE - 1)
    after = (places[-1] - places[-1 - AFTER]) * RATE / AFTER
    before = _slowed(before, -friction * (BEFORE - 1) / 2.0 / RATE)
    after = _slowed(after, friction * AFTER / 2.0 / RATE)
    change = after - before
    size = np.maximum(np.linalg.norm(change, axis=-1), 1e-3)
    opposed = -float(change[0] @ change[1]) / float(size[0] * size[1])
    speed = noise * RATE * math.sqrt(2.0) * math.hypot(1.0 / (BEFORE - 1), 1.0 / AFTER) + 0.04
    return math.log(size[0] / size[1]), opposed, speed * math.hypot(1.0 / size[0], 1.0 / size[1])


def _slowed(velocity: Floats, change: float) -> Floats:
    """Velocities (2, 2) of which each is faster by a change, m/s; what rests stays at rest."""
    speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
    factor = np.maximum(speed + change, 0.0) / np.maximum(speed, 1e-6)
    return np.where(speed > 0.03, velocity * factor, velocity)


def by_momentum(count: int) -> dict[str, Any]:
    """Errors of the log ratio of masses by noise."""
    table = {}
    made = [recorded(number) for number in range(count)]
    for noise in NOISES:
        rng, why, found = np.random.default_rng(0), Counter[str](), []
        for one in made:
            reasons, told = meetings(one, noise, rng)
            why += reasons
            found += told
        rows = np.array(found).reshape(-1, 4)
        clean = (rows[:, 2] > OPPOSED) & (rows[:, 3] < SURE)
        table[f"{1000 * noise:g} mm"] = {
            "touches": len(found) + sum(why.values()),
            "left_out": dict(why),
            "told": [len(rows), _rms(rows[:, 0]), _rms(rows[:, 1])],
            "clean": [int(clean.sum()), _rms(rows[clean, 0]), _rms(rows[clean, 1])],
        }
    return table


def _rms(errors: Floats) -> float | None:
    return round(float(np.sqrt(np.mean(errors**2))), 3) if len(errors) else None


@torch.no_grad()
def by_network(call: Call, windows: Windows) -> dict[str, float]:
    """What the world model could tell of masses from meetings, half a second after each."""
    cases = _met(windows)
    rows = torch.arange(len(cases))
    episode, frame, first, second = torch.tensor(cases).T
    e, index = windows.episodes, (frame - 2)[:, None] + torch.arange(HISTORY + STEPS)
    size = e.size[episode]
    mean = torch.log(size.clamp(min=0.005).prod(dim=-1)) + DENSITY.mean
    batch = {
        "truth": windows.states[episode[:, None], index],
        "robot": robot_token(e.robot[episode[:, None], index]),
        "size": size,
        "round": roundness(size),
        "present": windows.present[episode],
        "interval": torch.full((len(cases),), 0.1),
    }
    batch |= chances(batch["truth"].shape, stream("cjepa", "masses"))
    both = torch.stack((first, second), dim=1)

    def foreseen(change: float) -> Tensor:
        mass, doubt = mean.clone(), torch.full_like(mean, DENSITY.variance)
        mass[rows, second] += change
        doubt[rows, second] = 0.02
        friction = torch.full_like(mass, UNKNOWN_FRICTION.mean)
        sure = torch.full_like(mass, UNKNOWN_FRICTION.variance)
        physics = torch.stack((mass, doubt, friction, sure), dim=-1)
        states, _ = roll(call, batch | {"physics": physics}, as_shipped())
        return states[rows[:, None], -1, both, :2]

    less, same, more = (foreseen(change) for change in (-HALF, 0.0, HALF))
    change = (more - less).norm(dim=-1) / (2 * HALF)
    off = (same - batch["truth"][rows[:, None], -1, both, :2]).norm(dim=-1)
    told = (change.square() / off.square().mean()).sum(dim=1)
    return {
        "meetings": len(cases),
        "change_mm": round(1000 * float(change.mean()), 2),
        "off_mm": round(1000 * float(off.mean()), 1),
        "fisher": round(float(told.mean()), 4),
        "known_before": round(1.0 / DENSITY.variance, 2),
    }


def _met(windows: Windows) -> list[tuple[int, int, int, int]]:
    """(episode, frame before, one, the other) of touches that change somebody's velocity."""
    touching, found = windows.episodes.touching > 0, []
    count = windows.present.shape[1]
    for k, frame, i, j in (touching[:, 4:31] & ~touching[:, 3:30]).nonzero().tolist():
        if not i < j < count:
            continue
        change = windows.states[k, frame + 5, [i, j], 12:14]
        change = change - windows.states[k, frame + 3, [i, j], 12:14]
        if float(change.norm(dim=-1).max()) > 0.1:
            found.append((k, frame + 3, i, j))
    return found


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--episodes", type=int, default=80)
    args = parser.parse_args()
    torch.set_num_threads(1)
    momentum = by_momentum(args.episodes)
    print(momentum)
    network = by_network(shipped(turned=False), Windows(episodes(VALIDATION, "few")))
    print(network)
    write_result(
        "cjepa_masses",
        {
            "network": network_hash(),
            "episodes": args.episodes,
            "momentum": momentum,
            "foreseen": network,
        },
    )


if __name__ == "__main__":
    main()
