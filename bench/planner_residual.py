"""Whether a learned residual, transition queries and physics losses pay beside the physics step.

    ../.venv-train/bin/python planner_residual.py [--episodes 200]

Boxes of 0.1 to 1 kg and friction 0.15 to 1.0 are pushed in the simulator in blocks of 0.5 s with
random speeds; what is foreseen is how they move in a block. A quarter of the episodes is held out.
True states, mass and friction. Besides errors, the three ordering failures of PhyLatent
(2608.05720), told of object states: *invariance*, the order in which actions bring an object near a
goal changes with 1 mm of noise; *distinguishability*, of two blocks the one that truly moves an
object 1 cm farther is not foreseen to; *counterfactual*, of two of seven actions from one state the
better one is not foreseen to be better. Ties are failures.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
import torch
from common import write_result
from planner_prior import _CAMERA, drive, state_of

from perception_models.planner.residual import TIP, Arm, Residual, fit
from perception_nodes.arrays import Floats
from perception_nodes.planner.interface import Situation
from perception_nodes.planner.prior import Physics, PriorRollout
from perception_simulation.model import PUSHER
from perception_simulation.specification import Box, Object, Scene
from perception_simulation.world import World

STEPS, INTERVAL, BLOCKS, BRANCHES = 5, 0.1, 4, 7
_NOISE, _AHEAD, _APART = 0.001, 0.1, 0.01
_PRIOR = PriorRollout(Physics(substeps=2))
ARMS = {
    "physics and residual": Arm(),
    "residual alone": Arm(physics=False),
    "with queries": Arm(queries=4, taught=True),
    "queries not taught": Arm(queries=4),
    "with physics losses": Arm(losses=0.1),
    "with both": Arm(queries=4, taught=True, losses=0.1),
}
Rows = dict[str, Floats]


def _turned(heading: float, level: Floats) -> Floats:
    """Level vectors (..., 2) in the frame of an object with that heading."""
    cosine, sine = math.cos(heading), math.sin(heading)
    return level @ np.array([[cosine, -sine], [sine, cosine]])


def _pose(world: World) -> Floats:
    pose = world.motion("box").pose
    heading = math.atan2(pose.rotation[1, 0], pose.rotation[0, 0])
    return np.array([*pose.translation[:2], heading])


def _relative(poses: Floats, start: Floats) -> Floats:
    moved = poses - start
    turn = (moved[..., 2] + math.pi) % (2.0 * math.pi) - math.pi
    level = _turned(start[2], moved[..., :2])
    return np.concatenate((level, turn[..., None]), -1)


def block(world: World, item: Object, velocity: Floats, noise: Floats) -> Rows:
    """Half a second of pushing: what a network is told, what physics foresees, what happens.

    `shaken` is what physics foresees if the object is seen `noise` (2,) m off.
    """
    state, start = state_of(world, item), _pose(world)
    tips, poses = [world.motion(PUSHER).pose.translation.copy()], []
    for _ in range(STEPS):
        world.command(velocity)
        world.advance(world.time + INTERVAL)
        tips.append(world.motion(PUSHER).pose.translation.copy())
        poses.append(_pose(world))
    situation = Situation(0, (state,), (), (), tips[0], np.zeros(3))
    both = np.array(tips)[None] + np.array([[0.0, 0.0, 0.0], [*noise, 0.0]])[:, None]
    foreseen = _PRIOR.roll(situation, both, INTERVAL).poses[:, 1:, 0][..., [0, 1, 3]]
    tip = _turned(start[2], np.array([tips[0][:2] - start[:2], tips[-1][:2] - tips[0][:2]]))
    moving = [*_turned(start[2], state.velocity[:2]), state.angular_velocity[2]]
    psi = [math.log(item.friction), math.log(item.mass)]
    told = [*tip.ravel(), *(state.size[:2] / 2.0), *moving, *psi]
    goal = _turned(start[2], np.array([1.0, 0.0])) * _AHEAD
    return {
        "block": np.array(told),
        "physics": _relative(foreseen[0], start),
        "shaken": _relative(foreseen[1], start),
        "noise": _turned(start[2], noise),
        "moved": _relative(np.array(poses), start),
        "goal": goal,
    }


def episode(seed: int, branch: int | None = None) -> list[Rows]:
    """Blocks of one push; with a branch the first block alone, by that of seven actions."""
    rng = np.random.default_rng((seed, 21))
    size = (*(float(v) for v in rng.uniform(0.05, 0.09, 2)), 0.06)
    friction = float(np.exp(rng.uniform(math.log(0.15), 0.0)))
    turn = (0.0, 0.0, float(rng.uniform(-3.0, 3.0)))
    mass = float(rng.uniform(0.1, 1.0))
    item = Object("box", Box(size), (0.0, 0.0), turn, mass=mass, friction=friction)
    world = World(Scene((item,), (_CAMERA,), pusher=True))
    side = float(rng.uniform(-0.03, 0.03))
    for height in (0.85, 0.715):
        drive(world, np.array([-0.09, side, height]))
    noise = _NOISE * rng.normal(size=2)
    rows = []
    for _ in range(BLOCKS if branch is None else 1):
        speed, angle = float(rng.uniform(0.0, 0.4)), float(rng.uniform(-0.5, 0.5))
        if branch is not None:
            speed, angle = 0.06 + 0.05 * branch, 0.3 * (branch % 3 - 1)
        velocity = speed * np.array([math.cos(angle), math.sin(angle), 0.0])
        rows.append(block(world, item, velocity, noise))
    return rows


def stacked(rows: list[Rows]) -> Rows:
    """Rows as arrays."""
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def tensor(values: Floats) -> torch.Tensor:
    """Of 32 bits."""
    return torch.tensor(values, dtype=torch.float32)


def foresee(network: Residual | None, rows: Rows) -> tuple[Floats, Floats | None]:
    """Displacements (B, 3) and standard deviations, if there are any."""
    if network is None:
        return rows["physics"][:, -1], None
    with torch.no_grad():
        mean, spread, _ = network(tensor(rows["block"]), tensor(rows["physics"][:, -1]))
    return mean.double().numpy(), spread.exp().double().numpy()


def _worse(one: Floats, other: Floats, true_one: Floats, true_other: Floats) -> tuple[int, int]:
    """Pairs in which the truly smaller by `_APART` is not foreseen to be smaller, of how many."""
    pairs = true_one + _APART < true_other
    return int((pairs & (one >= other)).sum()), int(pairs.sum())


def orders(network: Residual | None, test: Rows, branches: list[Rows]) -> dict[str, list[int]]:
    """Failures, and of how many pairs."""
    found = np.linalg.norm(foresee(network, test)[0][:, :2], axis=1)
    true = np.linalg.norm(test["moved"][:, -1, :2], axis=1)
    far = _worse(found[:, None], found[None], true[:, None], true[None])
    flips, wrong = np.zeros(2, int), np.zeros(2, int)
    for rows in branches:
        noisy = {**rows, "block": rows["block"].copy(), "physics": rows["shaken"]}
        noisy["block"][:, TIP] += rows["noise"]
        noisy["goal"] = rows["goal"] + rows["noise"]
        near, shaken = (
            np.linalg.norm(foresee(network, r)[0][:, :2] - r["goal"], axis=1) for r in (rows, noisy)
        )
        truth = np.linalg.norm(rows["moved"][:, -1, :2] - rows["goal"], axis=1)
        wrong += _worse(near[:, None], near[None], truth[:, None], truth[None])
        right = (truth[:, None] + _APART < truth[None]) & (near[:, None] < near[None])
        flips += (int((right & (shaken[:, None] >= shaken[None])).sum()), int(right.sum()))
    return {
        "invariance": [int(v) for v in flips],
        "distinguishability": list(far),
        "counterfactual": [int(v) for v in wrong],
    }


def judged(networks: list[Residual | None], test: Rows, branches: list[Rows]) -> dict[str, Any]:
    """Errors of each held-out block, mean of the seeds, and failures of the first."""
    true = test["moved"][:, -1]
    errors, inside = [], []
    for network in networks:
        mean, spread = foresee(network, test)
        errors.append(np.linalg.norm((mean - true)[:, :2], axis=1))
        if spread is not None:
            inside.append(float((np.abs(mean - true)[:, :2] < 1.645 * spread[:, :2]).mean()))
    each = np.mean(errors, axis=0)
    squared = float(np.sqrt((np.array(errors) ** 2).mean()))
    return {
        "errors_mm": [round(1e3 * float(e), 3) for e in each],
        "rms_mm": 1e3 * squared,
        "effect": squared / float(np.sqrt((true[:, :2] ** 2).sum(-1).mean())),
        "inside_90": float(np.mean(inside)) if inside else None,
        "orders": orders(networks[0], test, branches),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--states", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    held = args.episodes // 4
    test = stacked([row for seed in range(held) for row in episode(seed)])
    train = stacked([row for seed in range(held, args.episodes) for row in episode(seed)])
    branches = [
        stacked([episode(10_000 + seed, branch)[0] for branch in range(BRANCHES)])
        for seed in range(args.states)
    ]
    data = [tensor(train[name]) for name in ("block", "physics", "moved")]
    arms: dict[str, Any] = {"physics alone": judged([None], test, branches)}
    for name, arm in ARMS.items():
        networks: list[Residual | None] = [fit(arm, *data, seed=k) for k in range(args.seeds)]
        arms[name] = judged(networks, test, branches)
        print(name, {k: v for k, v in arms[name].items() if k != "errors_mm"}, flush=True)
    sizes = {"train": len(train["block"]), "test": len(test["block"]), "seeds": args.seeds}
    write_result("planner_residual", {**sizes, "episodes": args.episodes, "arms": arms})


if __name__ == "__main__":
    main()
