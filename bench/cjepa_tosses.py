"""Real tosses of a cube: where is it 20 and 40 recorded states later, and at the end?

    python bench/cjepa_tosses.py

The 80 tosses that no training saw (ContactNets cube, DAIRLab/dair_pll). Compared with constant
velocity and with ballistic flight onto a floor with restitution and friction, whose two constants
are fitted to training tosses.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from common import write_result
from torch import Tensor

from perception_models.cells import Call
from perception_models.cjepa.rollout import roll
from perception_models.cjepa.shipped import as_shipped, shipped
from perception_models.cjepa.tosses import EDGE, PERIOD, STRIDE, toss_batch, toss_file, tosses
from perception_models.data import stream
from perception_nodes.cjepa.loading import network_hash

GRAVITY = 9.81
FIRST = 2 * STRIDE
"""Recorded states until the last one that is shown: three frames of the model."""
HORIZONS = (20, 40)


def by_network(call: Call, toss: Tensor) -> Tensor:
    """Positions [steps, 3] in frames of the model after the last state shown."""
    frames = toss[::STRIDE]
    batch = toss_batch(frames[None, :, None], stream("cjepa", "tosses"))
    states, _ = roll(call, batch, as_shipped() | {"noise": torch.tensor(0.0)})
    return states[0, :, 0, :3]


def by_velocity(toss: Tensor, steps: int) -> Tensor:
    """Straight on."""
    time = PERIOD * STRIDE * torch.arange(1, steps + 1)[:, None]
    return toss[FIRST, :3] + time * toss[FIRST, 12:15]


def by_flight(toss: Tensor, steps: int, restitution: float, friction: float) -> Tensor:
    """A cube as a ball of half its edge: flight, bounces, sliding with friction."""
    place, speed = toss[FIRST, :3].double().numpy(), toss[FIRST, 12:15].double().numpy()
    place, speed = place.copy(), speed.copy()
    found = []
    for step in range(1, steps * STRIDE + 1):
        speed[2] -= GRAVITY * PERIOD
        place += speed * PERIOD
        if place[2] <= EDGE / 2 and speed[2] <= 0:
            impulse = (1 + restitution) * -speed[2]
            place[2], speed[2] = EDGE / 2, -restitution * speed[2]
            along = float(np.hypot(*speed[:2]))
            speed[:2] *= max(0.0, 1 - friction * impulse / max(along, 1e-9))
        if step % STRIDE == 0:
            found.append(place.copy())
    return torch.from_numpy(np.stack(found)).float()


def fitted(known: list[Tensor]) -> tuple[float, float]:
    """Restitution and friction that fit training tosses best at their end."""
    best, chosen = np.inf, (0.0, 0.0)
    for restitution in (0.0, 0.1, 0.2, 0.3, 0.4):
        for friction in (0.05, 0.1, 0.15, 0.2, 0.3, 0.5):
            apart = []
            for toss in known:
                steps = len(toss[::STRIDE]) - 3
                place = by_flight(toss, steps, restitution, friction)[-1]
                apart.append(float((place - toss[::STRIDE][-1, :3]).norm()))
            if np.mean(apart) < best:
                best, chosen = float(np.mean(apart)), (restitution, friction)
    return chosen


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.parse_args()
    torch.set_num_threads(1)
    path = toss_file()
    if path is None:
        print("the file of real tosses is missing: nothing measured")
        return
    restitution, friction = fitted(tosses(path, "training")[::4])
    call, rows = shipped(), []
    for toss in tosses(path, "test"):
        truth = toss[::STRIDE][3:, :3]
        steps = len(truth)
        found = {
            "world model": by_network(call, toss),
            "ballistic, floor, friction": by_flight(toss, steps, restitution, friction),
            "constant velocity": by_velocity(toss, steps),
        }
        apart = {name: 1000 * (x - truth).norm(dim=-1) for name, x in found.items()}
        rows.append(
            {
                name: [round(float(x[h // STRIDE - 1]), 2) for h in HORIZONS]
                + [round(float(x[-1]), 2)]
                for name, x in apart.items()
            }
        )
    figures: dict[str, Any] = {"restitution": restitution, "friction": friction, "mm": {}}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        figures["mm"][name] = values.tolist()
        print(name, np.round(values.mean(axis=0), 1))
    write_result("cjepa_tosses", {"network": network_hash(), **figures})


if __name__ == "__main__":
    main()
