"""Push-T: who brings the T to its goal, in the same episodes, and how long planning takes.

    python bench/planner_pusht.py [--episodes 100] [--arms random prior ...]

From states. A plan is made every 5 steps, without a deadline, with the same number of samples and
rounds for all. "learned" is the C-JEPA without the physics prior; it knows boxes, not T shapes.
"ours" lets it judge again what the prior favors. "patches" and "objects" are small networks trained
on pushes of this T alone, see `perception_models.planner.patches`; they need torch:

    .venv-train/bin/python bench/planner_pusht.py --episodes 200 --arms patches objects
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
from common import RESULTS, write_result

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.loading import load_world_model
from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.budget import Budget, Table
from perception_nodes.planner.candidates import Moves
from perception_nodes.planner.interface import Goal, Rollout, Situation
from perception_nodes.planner.learned import CombinedRollout, LearnedRollout
from perception_nodes.planner.prior import PriorRollout
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.scene import Plan, PlanStatus
from perception_simulation.push_t import (
    ANGLE,
    BUDGET,
    NAME,
    PARTS,
    POSITION,
    SPEED,
    TIP_HEIGHT,
    Board,
    Episode,
    episode,
    solved,
)

TRAINED = ("patches", "objects")
ARMS = ("random", "learned", "box", "prior", "ours", *TRAINED)
UPDATES, EPISODES = 3000, 1000
SAMPLES, ROUNDS, EXECUTED = 48, 2, 5
FIRST_SEED = 10_000
_FOREVER = 1e6


def solver(arm: str) -> SamplingSolver:
    """Who plans."""
    moves = Moves(knots=12, hold=3, speed=SPEED, height=TIP_HEIGHT, lift=False)
    shapes = {} if arm in ("learned", "box") else {NAME: PARTS}
    options: dict[str, Any] = {}
    if arm in ("learned", "ours"):
        learned = LearnedRollout(load_world_model(device="cpu"))
        if arm == "learned":
            options["rollout"] = learned
        else:
            options["second"] = CombinedRollout(PriorRollout(shapes=shapes), learned)
    if arm in TRAINED:
        options["rollout"] = trained_rollout(arm)
    budget = Budget(samples=SAMPLES, rounds=ROUNDS, slice=SAMPLES)
    return SamplingSolver(Table(0.7), budget, moves, shapes=shapes, **options)


def trained_rollout(arm: str) -> Rollout:
    """A network of tokens, trained now or before."""
    import torch

    from perception_models.planner.patches import TokenRollout, trained

    torch.set_num_threads(1)
    model, error = trained(patches=arm == "patches", updates=UPDATES, episodes=EPISODES, tell=print)
    print(f"{arm}: {1e3 * error:.1f} mm after 1.8 s on unseen pushes", flush=True)
    return TokenRollout(model)


def goal_of(task: Episode) -> Goal:
    """The published tolerances, a little narrower, so that a plan does not stop at the border."""
    c, s = np.cos(task.goal[2]), np.sin(task.goal[2])
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    place = np.array([*task.goal[:2], 0.715])
    return Goal(NAME, Pose(turn, place), 0.5 * POSITION, 0.5 * ANGLE)


def attempt(task: Episode, planner: SamplingSolver | None, seed: int) -> dict[str, Any]:
    """One episode of one arm."""
    board = Board(task.start, task.tip)
    rng = np.random.default_rng((seed, 3))
    goal, seconds = goal_of(task), []
    velocities = np.zeros((EXECUTED, 2))
    if planner is not None:
        planner.reset()
    for step in range(BUDGET):
        if solved(board.pose(), task.goal):
            return {"solved": True, "steps": step, "seconds": seconds}
        if step % EXECUTED == 0:
            if planner is None:
                heading = rng.uniform(-np.pi, np.pi)
                way = np.array([np.cos(heading), np.sin(heading)])
                velocities = np.repeat(SPEED * rng.uniform() * way[None], EXECUTED, axis=0)
            else:
                began = time.process_time()
                plan = planner.plan(situation(board), goal, _FOREVER)
                seconds.append(time.process_time() - began)
                velocities = ahead(plan)
        board.step(velocities[step % EXECUTED])
    return {"solved": solved(board.pose(), task.goal), "steps": BUDGET, "seconds": seconds}


def situation(board: Board) -> Situation:
    """What a plan is made from."""
    return Situation(board.world.stamp, (board.state(),), (), (), board.tip(), np.zeros(3))


def ahead(plan: Plan) -> Floats:
    """(EXECUTED, 2) of the plan."""
    velocities = np.zeros((EXECUTED, 2))
    if plan.status is PlanStatus.RUNNING:
        given = plan.velocity[:EXECUTED, :2]
        velocities[: len(given)] = given
    return velocities


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    args = parser.parse_args()
    planners = {arm: None if arm == "random" else solver(arm) for arm in args.arms}
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in args.arms}
    for number in range(args.episodes):
        seed = FIRST_SEED + number
        task = episode(seed)
        for arm, planner in planners.items():
            found[arm].append(attempt(task, planner, seed))
        done = {arm: sum(r["solved"] for r in rows) for arm, rows in found.items()}
        print(number + 1, done, flush=True)
        if (number + 1) % 10 == 0 or number + 1 == args.episodes:
            write_result("planner_pusht", figures(found))


def figures(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What is written; also of the episodes so far, and beside arms that were measured before."""
    path = RESULTS / "planner_pusht.json"
    known = json.loads(path.read_text())["figures"]["arms"] if path.exists() else {}
    return {
        "samples": SAMPLES,
        "rounds": ROUNDS,
        "executed": EXECUTED,
        "arms": known
        | {
            arm: {
                "solved": [bool(r["solved"]) for r in rows],
                "steps": [r["steps"] for r in rows],
                "plan_cpu_seconds": float(np.mean([t for r in rows for t in r["seconds"]] or [0])),
            }
            for arm, rows in found.items()
        },
    }


if __name__ == "__main__":
    main()
