"""Is there always a plan by the deadline, also while something else takes a core?

    python bench/planner_deadline.py [--plans 2000]

Plans for random tables of five objects, 500 ms each, one thread. The second half runs beside
another process that computes without pause. What counts is the wall clock around the call.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from typing import Any

import numpy as np
from common import write_result

from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.budget import Table
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.scene import ObjectState, PlanStatus, Visibility

DEADLINE = 0.5


def table(seed: int) -> tuple[Situation, Goal]:
    """Five boxes on a table and a goal for the first."""
    rng = np.random.default_rng((seed, 7))
    objects = []
    for k in range(5):
        yaw = rng.uniform(-3.0, 3.0)
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        size = rng.uniform(0.04, 0.1, 3)
        place = np.array([0.11 * (k % 3) - 0.11, 0.12 * (k // 3), size[2] / 2.0])
        objects.append(_still(f"o{k}", Pose(turn, place), size))
    target = np.array([*rng.uniform(-0.3, 0.3, 2), 0.03])
    situation = Situation(1, tuple(objects), (), (), np.array([0.3, 0.3, 0.3]), np.zeros(3))
    return situation, Goal("o0", Pose(np.eye(3), target))


def _still(name: str, pose: Pose, size: Any) -> ObjectState:
    tight = np.eye(6) * 1e-5
    rest = np.zeros(3)
    return ObjectState(name, 1, pose, tight, rest, rest, tight, size, Visibility.VISIBLE, 1, 1, 1.0)


def _busy() -> None:
    while True:
        sum(k * k for k in range(10_000))


def measure(seeds: range) -> dict[str, Any]:
    """Wall seconds and rounds of plans."""
    solver = SamplingSolver(Table(0.0))
    seconds, rounds, answered = [], [], 0
    for seed in seeds:
        situation, goal = table(seed)
        solver.reset()
        began = time.perf_counter()
        plan = solver.plan(situation, goal, DEADLINE)
        seconds.append(time.perf_counter() - began)
        rounds.append(plan.iterations)
        answered += plan.status in (PlanStatus.RUNNING, PlanStatus.SUCCEEDED)
    return {
        "plans": len(seconds),
        "answered": answered,
        "late": int(sum(s > DEADLINE for s in seconds)),
        "median_s": float(np.median(seconds)),
        "p99_s": float(np.quantile(seconds, 0.99)),
        "longest_s": float(max(seconds)),
        "rounds_median": float(np.median(rounds)),
        "rounds_least": int(min(rounds)),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--plans", type=int, default=2000)
    args = parser.parse_args()
    half = args.plans // 2
    load = os.getloadavg()[0]
    found = {"alone": measure(range(half))}
    print(found)
    other = multiprocessing.Process(target=_busy, daemon=True)
    other.start()
    found["beside another"] = measure(range(half, args.plans))
    other.terminate()
    print(found["beside another"])
    write_result("planner_deadline", {"deadline_s": DEADLINE, "load": load, "cases": found})


if __name__ == "__main__":
    main()
