"""Whether to search for a plan only when the quick one is doubtful: against always, never, random.

python bench/planner_routing.py        20 tasks in four ways and 24 others to calibrate with
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from common import write_result
from evidence.statistics import paired_difference, wilson

from perception_nodes.arrays import Floats
from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.budget import Table
from perception_nodes.planner.interface import Goal, Situation, Solver
from perception_nodes.planner.pilot import Pilot
from perception_nodes.planner.routing import RoutedSolver, calibrated, doubt
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.planner.verify import Verifier
from perception_nodes.scene import ObjectState, Plan, Visibility
from perception_simulation.push_robot import limits
from perception_simulation.push_task import PushTask, push_task
from perception_simulation.shapes import geometry
from perception_simulation.world import World

PERIOD = 1.0 / 15.0
NOISE = 0.003
RISK = 0.15
WORSE = 0.03
"""Of cost: what a centimeter farther from the goal at the end is."""
_LONG = 1000.0
_LEAD = 0.5


@dataclass
class Episode:
    """How a task ended: success, seconds of the world, seconds of computing, plans, searches."""

    success: bool
    lasted: float
    computed: float
    plans: int
    searched: int


class Timed:
    """A solver and how long it took."""

    def __init__(self, solver: Solver) -> None:
        self._solver = solver
        self.seconds = 0.0
        self.plans = 0

    def plan(self, situation: Situation, goal: Goal, deadline: float) -> Plan:
        """See `Solver`."""
        began = time.process_time()
        made = self._solver.plan(situation, goal, deadline)
        self.seconds += time.process_time() - began
        self.plans += 1
        return made

    def reset(self) -> None:
        """See `Solver`."""
        self._solver.reset()


def tasks(first: int, count: int) -> Iterator[tuple[int, PushTask]]:
    """Tasks of the seeds from `first` on that have one."""
    seed = first
    while count:
        try:
            yield seed, push_task(seed)
            count -= 1
        except ConfigurationError:
            pass
        seed += 1


def table_of(task: PushTask) -> Table:
    """What the solver is told of the table."""
    return Table(task.scene.support_height, task.reach)


def states(world: World, rng: np.random.Generator) -> tuple[ObjectState, ...]:
    """The true states with a little noise, as a good tracker gives them."""
    found = []
    for item in world.scene.objects:
        motion = world.motion(item.name)
        place = motion.pose.translation + rng.normal(0.0, NOISE, 3) * [1.0, 1.0, 0.0]
        found.append(
            ObjectState(
                id=item.name,
                stamp=world.stamp,
                pose=Pose(motion.pose.rotation, place),
                pose_covariance=np.eye(6) * NOISE**2,
                velocity=motion.velocity,
                angular_velocity=motion.angular_velocity,
                twist_covariance=np.eye(6) * 1e-4,
                size=np.array(geometry(item.shape).size),
                visibility=Visibility.VISIBLE,
                first_seen=0,
                last_seen=world.stamp,
                existence=1.0,
            )
        )
    return tuple(found)


def run(task: PushTask, seed: int, solver: Solver, searched: Callable[[], int]) -> Episode:
    """One task with one solver; the world waits for plans."""
    world, rng = World(task.scene), np.random.default_rng(seed)
    world.advance(0.5)
    timed = Timed(solver)
    first = next(s for s in states(world, rng) if s.id == task.name)
    target = np.array([*task.target, first.position[2]])
    goal = Goal(task.name, Pose(first.pose.rotation, target), 0.02, deadline=30.0)
    pilot = Pilot(Verifier(limits(task)), _LEAD)
    tip: Floats = world.motion("pusher").pose.translation
    while world.time < 31.0 and pilot.outcome is None:
        now = world.motion("pusher").pose.translation
        situation = Situation(world.stamp, states(world, rng), (), (), now, (now - tip) / PERIOD)
        tip = now
        pilot.observe(situation, world.stamp)
        if pilot.goal is None and pilot.pursue(goal, world.stamp):
            break
        request = pilot.request(world.stamp)
        if request is not None:
            plan = timed.plan(request.situation, request.goal, _LONG)
            pilot.adopt(request, plan, world.stamp)
        world.command(pilot.step(world.stamp, closed="").velocity)
        world.advance(world.time + PERIOD)
    off = world.motion(task.name).pose.translation[:2] - target[:2]
    success = float(np.hypot(*off)) < 0.03
    return Episode(success, world.time, timed.seconds, timed.plans, searched())


def calibrate(first: int, count: int) -> tuple[float, list[float], list[bool]]:
    """Search always, and note how doubtful the quick plan was and whether it was worse."""
    doubts: list[float] = []
    worse: list[bool] = []

    class Both(RoutedSolver):
        def plan(self, situation: Situation, goal: Goal, deadline: float) -> Plan:
            solver = self._solver
            solver.budget = self._quick
            quick = solver.plan(situation, goal, deadline)
            solver.budget = self._full
            full = solver.plan(situation, goal, deadline)
            if np.isfinite(doubt(quick)):
                doubts.append(doubt(quick))
                worse.append(quick.cost > full.cost + WORSE)
            return full

    for seed, task in tasks(first, count):
        run(task, seed, Both(SamplingSolver(table_of(task)), lambda _: True), lambda: 0)
    return calibrated(doubts, worse, RISK), doubts, worse


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--calibration", type=int, default=24)
    options = parser.parse_args()
    threshold, doubts, worse = calibrate(5000, options.calibration)
    print(f"threshold {threshold:.3f} from {len(doubts)} plans, {np.mean(worse):.2f} of them worse")
    share = 0.5
    found: dict[str, list[Episode]] = {}
    for way in ("always", "routed", "random", "never"):
        found[way] = []
        for seed, task in tasks(7000, options.tasks):
            rng = np.random.default_rng((seed, 1))
            routes = {
                "always": lambda _: True,
                "never": lambda _: False,
                "routed": lambda value: value > threshold,
                "random": lambda _, r=rng, s=share: bool(r.random() < s),
            }
            solver = RoutedSolver(SamplingSolver(table_of(task)), routes[way])
            found[way].append(run(task, seed, solver, lambda s=solver: sum(s.searched)))
        done = found[way]
        if way == "routed":
            share = sum(e.searched for e in done) / max(sum(e.plans for e in done), 1)
        print(way, summary(done), flush=True)
    figures = {way: summary(done) for way, done in found.items()}
    pairs = {way: np.array([[float(e.success) for e in done]]) for way, done in found.items()}
    gain = paired_difference(pairs["routed"], pairs["random"])
    loss = paired_difference(pairs["routed"], pairs["always"])
    print(f"routed against random at {share:.2f}: {gain}; against always: {loss}")
    write_result(
        "planner_routing",
        {
            "threshold": threshold,
            "calibration plans": len(doubts),
            "share worse": float(np.mean(worse)),
            "ways": figures,
            "routed minus random": vars(gain),
            "routed minus always": vars(loss),
            "tasks": options.tasks,
        },
    )


def summary(done: list[Episode]) -> dict[str, object]:
    """Success, and means of the rest."""
    return {
        "success": vars(wilson(sum(e.success for e in done), len(done))),
        "seconds": float(np.mean([e.lasted for e in done])),
        "computed": float(np.mean([e.computed for e in done])),
        "plans": float(np.mean([e.plans for e in done])),
        "share searched": sum(e.searched for e in done) / max(sum(e.plans for e in done), 1),
    }


if __name__ == "__main__":
    main()
