"""Push-T: who brings the T to its goal, in the same episodes, and how long planning takes.

    python bench/planner_pusht.py [--episodes 100] [--arms random prior ...] [--see images]

From true states, or from the images of an RGB-D camera above the board. A plan is made every 5
steps, without a deadline, with the same number of samples and rounds for all. "learned" is the
C-JEPA without the physics prior; it knows boxes, not T shapes. "ours" lets it judge again what the
prior favors. "patches" and "objects" are small networks trained on pushes of this T alone, see
`perception_models.planner.patches`; "small, masked" and "small, not masked" are world models that
differ in nothing but whether whole objects were masked in training. These need torch:

    .venv-train/bin/python bench/planner_pusht.py --episodes 200 --arms patches objects

Arms that are not measured now stay in the result as they were.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, write_result

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.calibration import CALIBRATION, read_calibration
from perception_nodes.cjepa.loading import load_world_model
from perception_nodes.cjepa.model import WorldModel
from perception_nodes.geometry.pose import Pose
from perception_nodes.model_cards import weights_folder
from perception_nodes.planner.budget import Budget, Table
from perception_nodes.planner.candidates import Moves
from perception_nodes.planner.interface import Goal, Rollout, Situation
from perception_nodes.planner.learned import CombinedRollout, LearnedRollout
from perception_nodes.planner.prior import PriorRollout
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.scene import ObjectState, Plan, PlanStatus
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
from perception_simulation.push_t_camera import FIRST_LOOKS, BoardCamera

STATES, IMAGES = "states", "images"
TRAINED = ("patches", "objects")
MASKS = {"small, masked": "full", "small, not masked": "no_mask"}
"""World models of one kind and training, with objects masked in it and without; see `ABLATIONS`."""
ARMS = ("random", "learned", "box", "prior", "ours", *TRAINED, *MASKS)
SMALL_UPDATES = 1000
UPDATES, EPISODES = 3000, 1000
SAMPLES, ROUNDS, EXECUTED = 48, 2, 5
FIRST_SEED = 10_000
_FOREVER = 1e6


def solver(arm: str) -> SamplingSolver:
    """Who plans."""
    moves = Moves(knots=12, hold=3, speed=SPEED, height=TIP_HEIGHT, lift=False)
    shapes = {} if arm in ("learned", "box", *MASKS) else {NAME: PARTS}
    options: dict[str, Any] = {}
    if arm in ("learned", "ours"):
        learned = LearnedRollout(load_world_model(device="cpu"))
        if arm == "learned":
            options["rollout"] = learned
        else:
            options["second"] = CombinedRollout(PriorRollout(shapes=shapes), learned)
    if arm in TRAINED:
        options["rollout"] = trained_rollout(arm)
    if arm in MASKS:
        options["rollout"] = small_rollout(MASKS[arm])
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


def small_rollout(ablation: str) -> Rollout:
    """A small world model, trained now or before on the same windows whatever the masks."""
    import torch
    from cjepa_masking import SIZE, train

    from perception_models.cells import Cell, CellStack
    from perception_models.cjepa.shipped import NAMES
    from perception_models.cjepa.task import ABLATIONS, CjepaTask, Configuration

    torch.set_num_threads(1)
    task = CjepaTask(Configuration(**SIZE, steps=SMALL_UPDATES), torch.device("cpu"))
    cells = [Cell(0, name) for name in MASKS.values()]
    stack = CellStack(task.network, cells, ABLATIONS, torch.device("cpu"))
    train(task, stack)
    network = stack.networks[list(MASKS.values()).index(ablation)].eval()

    class Small:
        """In the place of an `inference.Network`."""

        model_id = f"small {ablation}"

        @torch.no_grad()
        def run(self, fed: dict[str, Any]) -> dict[str, Any]:
            found = network(*(torch.from_numpy(np.ascontiguousarray(fed[n])) for n in NAMES))
            names = ("next_states", "log_deviations")
            return {name: x.numpy() for name, x in zip(names, found, strict=True)}

    calibration = read_calibration(weights_folder() / CALIBRATION)
    return LearnedRollout(WorldModel(Small(), calibration))


def goal_of(task: Episode) -> Goal:
    """The published tolerances, a little narrower, so that a plan does not stop at the border."""
    c, s = np.cos(task.goal[2]), np.sin(task.goal[2])
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    place = np.array([*task.goal[:2], 0.715])
    return Goal(NAME, Pose(turn, place), 0.5 * POSITION, 0.5 * ANGLE)


class Sight:
    """What an arm knows of the T: the truth, or what images of it tell.

    Attributes:
        errors: (level m, rad) of each image so far that something is believed after.
    """

    def __init__(self, board: Board, camera: BoardCamera | None) -> None:
        self._board, self._camera = board, camera
        self._state: ObjectState | None = None
        self.errors: list[tuple[float, float]] = []
        if camera is not None:
            for _ in range(FIRST_LOOKS):
                board.step(np.zeros(2))
                self.look()

    def look(self) -> None:
        """After each step."""
        if self._camera is None:
            return
        self._state = self._camera.look()
        if self._state is not None:
            off = self._state.pose.inverse() @ self._board.state().pose
            turn = math.atan2(off.rotation[1, 0], off.rotation[0, 0])
            self.errors.append((float(np.hypot(*off.translation[:2])), abs(turn)))

    def situation(self) -> Situation | None:
        """What a plan is made from; None while nothing is known."""
        state = self._board.state() if self._camera is None else self._state
        if state is None:
            return None
        stamp, tip = self._board.world.stamp, self._board.tip()
        return Situation(stamp, (state,), (), (), tip, np.zeros(3))

    def told(self) -> dict[str, Any]:
        """For the result; nothing where nobody looked."""
        if self._camera is None:
            return {}
        return {"errors": self.errors, "images": self._camera.frames,
                "registered": self._camera.registered}  # fmt: skip


def attempt(task: Episode, planner: SamplingSolver | None, seed: int, see: str) -> dict[str, Any]:
    """One episode of one arm."""
    board = Board(task.start, task.tip)
    with ExitStack() as stack:
        camera = stack.enter_context(closing(BoardCamera(board, seed))) if see == IMAGES else None
        sight = Sight(board, camera)
        return run(task, planner, seed, board, sight) | sight.told()


def run(
    task: Episode, planner: SamplingSolver | None, seed: int, board: Board, sight: Sight
) -> dict[str, Any]:
    """Plan and push until it is solved or the steps are over."""
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
                velocities = planned(planner, sight.situation(), goal, seconds)
        board.step(velocities[step % EXECUTED])
        sight.look()
    return {"solved": solved(board.pose(), task.goal), "steps": BUDGET, "seconds": seconds}


def planned(
    planner: SamplingSolver, situation: Situation | None, goal: Goal, seconds: list[float]
) -> Floats:
    """(EXECUTED, 2) of a new plan; the time that it took is added to `seconds`."""
    if situation is None:
        return np.zeros((EXECUTED, 2))
    began = time.process_time()
    plan = planner.plan(situation, goal, _FOREVER)
    seconds.append(time.process_time() - began)
    return ahead(plan)


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
    parser.add_argument("--see", choices=(STATES, IMAGES), default=STATES)
    args = parser.parse_args()
    planners = {arm: None if arm == "random" else solver(arm) for arm in args.arms}
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in args.arms}
    for number in range(args.episodes):
        seed = FIRST_SEED + number
        task = episode(seed)
        for arm, planner in planners.items():
            found[arm].append(attempt(task, planner, seed, args.see))
        done = {arm: sum(r["solved"] for r in rows) for arm, rows in found.items()}
        print(number + 1, done, flush=True)
        if (number + 1) % 10 == 0 or number + 1 == args.episodes:
            ending = "" if args.see == STATES else f" from {IMAGES}"
            with alone():
                named = {arm + ending: rows for arm, rows in found.items()}
                write_result("planner_pusht", figures(named))


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else who measures other arms writes meanwhile."""
    with Path(__file__).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def figures(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What is written; also of the episodes so far, and beside arms that were measured before."""
    path = RESULTS / "planner_pusht.json"
    known = json.loads(path.read_text())["figures"]["arms"] if path.exists() else {}
    return {
        "samples": SAMPLES,
        "rounds": ROUNDS,
        "executed": EXECUTED,
        "arms": known | {arm: of_arm(rows) for arm, rows in found.items()},
    }


def of_arm(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one arm."""
    result = {
        "solved": [bool(r["solved"]) for r in rows],
        "steps": [r["steps"] for r in rows],
        "plan_cpu_seconds": float(np.mean([t for r in rows for t in r["seconds"]] or [0])),
    }
    if "errors" not in rows[0]:
        return result
    errors = np.array([pair for row in rows for pair in row["errors"]]).reshape(-1, 2)
    quantiles = np.quantile(errors, (0.5, 0.95, 1.0), axis=0) if len(errors) else np.zeros((3, 2))
    return result | {
        "images": sum(row["images"] for row in rows),
        "registered": sum(row["registered"] for row in rows),
        "error_mm": (1e3 * quantiles[:, 0]).tolist(),
        "error_deg": np.degrees(quantiles[:, 1]).tolist(),
    }


if __name__ == "__main__":
    main()
