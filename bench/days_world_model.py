"""The world model on streams far longer than those it was trained on: are quality and cost flat?

True states of generated tables, ten a second, as long as the tables last (some 200 moments, where
training windows have nine): in each moment it foresees the next five from the three moments in its
ring. Error against that of constant velocity over objects that move, time and memory by eighth.
Nothing is carried by hand: the model is told of the pusher, not of hands that hold.

    python bench/days_world_model.py [--tables 6]    (about 2 minutes of one core)
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from common import write_result
from long_run import resident

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.bodies import INTERVAL, POSITION, VELOCITY
from perception_nodes.cjepa.loading import load_world_model, network_hash
from perception_nodes.cjepa.model import HISTORY, Bodies, WorldModel, levels
from perception_nodes.scene import ObjectState, Visibility
from perception_simulation.generator import generate
from perception_simulation.model import PUSHER
from perception_simulation.shapes import geometry
from perception_simulation.specification import (
    Bottle,
    Bowl,
    Capsule,
    Cylinder,
    Mug,
    Object,
    Revolution,
    Sphere,
)
from perception_simulation.world import World

AHEAD, EIGHTHS, TRAINED = 5, 8, 9
MOVES = 0.01
_FIRST = 300
_HIGH = 9.0
_UPRIGHT = (Cylinder, Capsule, Mug, Bottle, Bowl, Revolution)


def states(world: World) -> list[ObjectState]:
    """All objects as they truly are."""
    found = []
    for item in world.scene.objects:
        motion = world.motion(item.name)
        size = np.array(geometry(item.shape).size)
        found.append(
            ObjectState(
                item.name, world.stamp, motion.pose, np.eye(6) * 1e-6, motion.velocity,
                motion.angular_velocity, np.eye(6) * 1e-5, size, Visibility.VISIBLE, 1,
                world.stamp, 1.0, roundness=round_about(item),
            )
        )  # fmt: skip
    return found


def round_about(item: Object) -> Floats:
    """(3,) 1 for each axis of the box about which the surface is round."""
    if isinstance(item.shape, Sphere):
        return np.ones(3)
    return np.array([0.0, 0.0, float(isinstance(item.shape, _UPRIGHT))])


def tool(world: World) -> Floats:
    """(6,) tip and velocity of the pusher, far away where there is none."""
    if not world.scene.pushes:
        return np.array([0.0, 0.0, _HIGH, 0.0, 0.0, 0.0])
    motion = world.motion(PUSHER)
    return np.concatenate((motion.pose.translation, motion.velocity))


def foreseen(model: WorldModel, history: Sequence[Bodies], robot: Floats) -> Floats:
    """(N, 3) where objects will be; what fell to the floor is a world of its own."""
    places = np.zeros((len(history[-1].ids), 3))
    for level in levels(history[-1]):
        rolled = model.roll([moment.only(level) for moment in history], AHEAD, robot)
        places[level] = rolled.states[0, -1, :, POSITION]
    return places


def stream(seed: int, model: WorldModel) -> dict[str, Floats]:
    """By moment: errors of the model and of constant velocity, how many move, seconds."""
    world = World(replace(generate(seed, "tabletop"), carries=()))
    count = round(world.scene.duration / INTERVAL)
    moments: list[Bodies] = []
    tools: list[Floats] = []
    for k in range(count):
        world.advance(k * INTERVAL)
        moments.append(Bodies.of(states(world)))
        tools.append(tool(world))
    table = np.zeros((4, count))
    for k in range(HISTORY - 1, count - AHEAD):
        began = time.process_time()
        robot = np.array(tools[k - HISTORY + 1 : k + AHEAD + 1])
        places = foreseen(model, moments[k - HISTORY + 1 : k + 1], robot)
        table[3, k] = time.process_time() - began
        now, then = moments[k].states, moments[k + AHEAD].states
        straight = now[:, POSITION] + AHEAD * INTERVAL * now[:, VELOCITY]
        moving = np.linalg.norm(then[:, POSITION] - now[:, POSITION], axis=1) > MOVES
        for row, expected in ((0, places), (1, straight)):
            apart = np.linalg.norm(expected - then[:, POSITION], axis=1)
            table[row, k] = apart[moving].sum()
        table[2, k] = moving.sum()
    whole = slice(HISTORY - 1, count - AHEAD)
    return dict(zip(("model", "straight", "moving", "seconds"), table[:, whole], strict=True))


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=6)
    parser.add_argument("--tier", default="cpu")
    args = parser.parse_args()
    model = load_world_model(device="cpu")
    rows: list[list[dict[str, float]]] = [[] for _ in range(EIGHTHS)]
    lengths, memory = [], []
    for seed in range(_FIRST, _FIRST + args.tables):
        found = stream(seed, model)
        lengths.append(len(found["model"]))
        memory.append(resident())
        parts = {name: np.array_split(values, EIGHTHS) for name, values in found.items()}
        for n, row in enumerate(rows):
            row.append({name: float(values[n].sum()) for name, values in parts.items()})
            row[-1]["ms"] = 1e3 * float(np.median(parts["seconds"][n]))
        print(seed, lengths[-1], f"{memory[-1]:.0f} MB", flush=True)
    eighths: list[dict[str, Any]] = []
    for row in rows:
        moving = max(sum(r["moving"] for r in row), 1.0)
        eighths.append(
            {
                "moving": moving,
                "error_mm": 1e3 * sum(r["model"] for r in row) / moving,
                "straight_mm": 1e3 * sum(r["straight"] for r in row) / moving,
                "ms": float(np.median([r["ms"] for r in row])),
            }
        )
        print(eighths[-1])
    figures = {"network": network_hash(), "tables": args.tables, "trained": TRAINED}
    shortest = min(lengths) // TRAINED
    write_result(
        "days_world_model",
        {**figures, "times": shortest, "eighths": eighths, "memory_mb": memory},
    )


if __name__ == "__main__":
    main()
