"""Success of strikes against the number of samples, by what is believed of mass and friction.

    python bench/planner_samples.py [--tables 24]

A box shall come to rest at a place that the tool must not reach: it is struck and slides the rest
of the way, at most at 0.5 m/s, so that friction decides how hard. The same solver with 16 to 300
samples a round foresees by the physics step, which believes the true friction and mass (oracle),
what a first strike in another direction taught the tracker's beliefs (estimated), what is believed
of any object (default), or 2.5 times wrong; or without physics, by the world model alone. Within
2 cm counts. The plan is carried out once, open loop.

Also: how honest the estimated friction is, in the band that the belief was made for and outside.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from cjepa_beliefs import RATE, Thing, pusher
from common import write_result
from planner_prior import drive, state_of

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.beliefs import PhysicsBeliefs
from perception_nodes.cjepa.loading import load_world_model
from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.filter import MotionFilter
from perception_nodes.objects.parameters import TrackerParameters
from perception_nodes.planner.budget import Budget, Table
from perception_nodes.planner.candidates import Moves
from perception_nodes.planner.cost import Weights
from perception_nodes.planner.interface import Futures, Goal, Rollout, Situation
from perception_nodes.planner.learned import CombinedRollout, LearnedRollout
from perception_nodes.planner.prior import Physics, PriorRollout
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.scene import UNKNOWN_FRICTION, UNKNOWN_MASS, Gaussian, ObjectState
from perception_simulation.model import PUSHER
from perception_simulation.specification import Box, CameraKey, MovingCamera, Object, Scene
from perception_simulation.world import World

SAMPLES = (16, 32, 64, 300)
TOLERANCE = 0.02
WRONG = 2.5
FIRST_SEED = 400
_CAMERA = MovingCamera((CameraKey(0.0, (-0.6, 0.0, 1.1), (0.0, 0.0, 0.72)),))
_MOVES = Moves(interval=0.1, knots=6, hold=1, speed=0.5)
_PHYSICS = Physics(substeps=4)
_WEIGHTS = Weights(way=0.1, effort=0.0)
_GRAVITY = 9.81
_REACH = 0.08
"""How far the box may be pushed before the fence, m."""
_NOISE = 0.001
_FOREVER = 1e6
_FENCED = 1e5
_AFTER = 1.2


@dataclass(frozen=True)
class Strike:
    """One table: a box at the origin that faces x, and the way that it shall slide along x."""

    mass: float
    friction: float
    size: tuple[float, float, float]
    distance: float

    def world(self) -> World:
        """At rest, the tool above."""
        box = Object("box", Box(self.size), (0.0, 0.0), mass=self.mass, friction=self.friction)
        return World(Scene((box,), (_CAMERA,), pusher=True))


def strike(seed: int, low: float = 0.2, high: float = 0.6) -> Strike:
    """A random one with a friction in a band; it can be done at less than full speed."""
    rng = np.random.default_rng((seed, 11))
    friction = float(np.exp(rng.uniform(math.log(low), math.log(high))))
    size = (*(float(v) for v in rng.uniform(0.05, 0.08, 2)), 0.05)
    coast = 0.8 * _MOVES.speed**2 / (2.0 * friction * _GRAVITY) * float(rng.uniform(0.5, 1.0))
    return Strike(float(rng.uniform(0.1, 0.8)), friction, size, _REACH + coast)


class Fenced:
    """Futures of a model; candidates whose tip goes where it must not cost more than any other."""

    def __init__(self, model: Rollout, fence: float) -> None:
        self._model, self._fence = model, fence

    def roll(self, situation: Situation, tips: Floats, interval: float) -> Futures:
        """See `interface.Rollout`."""
        found = self._model.roll(situation, tips, interval)
        beyond = np.maximum(tips[..., 0].max(axis=1) - self._fence, 0.0)
        return replace(found, residual=found.residual + _FENCED * beyond)


def taught(task: Strike) -> Gaussian:
    """What a strike across teaches of log friction, by the tracker's filter at camera noise."""
    world = task.world()
    half = task.size[1] / 2.0
    drive(world, np.array([0.0, -half - 0.05, 1.0]))
    drive(world, np.array([0.0, -half - 0.05, 0.715]))
    rng = np.random.default_rng((round(1e6 * task.friction), 3))
    beliefs, parameters = PhysicsBeliefs(), TrackerParameters()
    covariance = np.eye(3) * _NOISE**2
    place = world.motion("box").pose.translation
    thing = Thing("box", np.array(task.size), MotionFilter.start(place, covariance))
    began, told = world.time, UNKNOWN_FRICTION
    for k in range(int(1.8 * RATE)):
        until = began + k / RATE
        world.command(np.array([0.0, 0.45 if k / RATE < 0.25 else 0.0, 0.0]))
        world.advance(until)
        pose = world.motion("box").pose
        thing.motion.predict(1.0 / RATE, False, parameters)
        seen = pose.translation + _NOISE * rng.normal(size=3)
        thing.motion.update(seen, covariance, 1.0 / RATE, parameters)
        state = thing.state(10**9 + round(k * 1e9 / RATE), pose.rotation)
        told = beliefs.update([state], pusher(world))["box"][1]
    return told


def wrong(friction: float) -> Gaussian:
    """2.5 times too much or too little, away from the middle of what there is."""
    sign = 1.0 if friction < math.sqrt(0.2 * 0.6) else -1.0
    return Gaussian(math.log(friction) + sign * math.log(WRONG), 0.01)


Believe = Callable[[ObjectState, Gaussian], ObjectState]
BELIEFS: dict[str, Believe] = {
    "oracle": lambda item, _: item,
    "estimated": lambda item, told: replace(item, log_friction=told, log_mass=UNKNOWN_MASS),
    "default": lambda item, _: replace(
        item, log_friction=UNKNOWN_FRICTION, log_mass=UNKNOWN_MASS
    ),
    "wrong": lambda item, _: replace(
        item,
        log_friction=wrong(math.exp(item.log_friction.mean)),
        log_mass=Gaussian(item.log_mass.mean + math.log(WRONG), 0.01),
    ),
}  # fmt: skip


def outcome(task: Strike, model: Rollout, believed: Believe, told: Gaussian, samples: int) -> float:
    """How far from its goal the box comes to rest, m."""
    world = task.world()
    item = believed(state_of(world, world.scene.objects[0]), told)
    fence = _REACH - task.size[0] / 2.0
    table = Table(world.scene.support_height)
    budget = Budget(samples=samples, rounds=3, elites=8, speed_deviation=0.15)
    solver = SamplingSolver(table, budget, _MOVES, _PHYSICS, _WEIGHTS, rollout=Fenced(model, fence))
    # each table draws its own candidates, or one unlucky draw would count for all of them
    solver._rng = np.random.default_rng(round(1e6 * task.distance))
    start = np.array([-0.15, 0.0, world.scene.support_height + 0.2])
    situation = Situation(world.stamp, (item,), (), (), start, np.zeros(3))
    target = np.array([task.distance, 0.0, item.position[2]])
    plan = solver.plan(situation, Goal("box", Pose(np.eye(3), target), 0.002), _FOREVER)
    _carry_out(world, plan.tip[-_MOVES.steps - 1 :], plan.velocity[-_MOVES.steps :])
    return float(np.linalg.norm(world.motion("box").pose.translation[:2] - target[:2]))


def _carry_out(world: World, tips: Floats, velocities: Floats) -> None:
    """Strike and wait until all is at rest."""
    drive(world, np.array([*tips[0, :2], 1.0]))
    drive(world, tips[0])
    began = world.time
    while world.time < began + len(velocities) * _MOVES.interval - 1e-6:
        time = (world.time - began) / _MOVES.interval
        k = min(int(time + 1e-6), len(velocities) - 1)
        wanted = tips[k] + (time - k) * _MOVES.interval * velocities[k]
        lag = wanted - world.motion(PUSHER).pose.translation
        world.command(velocities[k] + 5.0 * lag)
        world.advance(world.time + 0.01)
    end = world.time
    while world.time < end + _AFTER:
        world.command(np.zeros(3))
        world.advance(world.time + 0.05)


def beliefs_of(tasks: list[Strike]) -> dict[str, Any]:
    """How far off estimated log frictions are, and how many lie in their 90 % intervals."""
    rows = [(math.log(task.friction), taught(task)) for task in tasks]
    error = np.array([told.mean - true for true, told in rows])
    half = 1.645 * np.sqrt([told.variance for _, told in rows])
    before = np.array([UNKNOWN_FRICTION.mean - true for true, _ in rows])
    return {
        "strikes": len(rows),
        "learned": sum(told != UNKNOWN_FRICTION for _, told in rows),
        "rms_log_error": float(np.sqrt((error**2).mean())),
        "rms_log_error_before": float(np.sqrt((before**2).mean())),
        "inside_90": int((np.abs(error) < half).sum()),
        "said_deviation": float(half.mean() / 1.645),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--tables", type=int, default=24)
    parser.add_argument("--samples", type=int, nargs="*", default=list(SAMPLES))
    args = parser.parse_args()
    physics, learned = PriorRollout(_PHYSICS), LearnedRollout(load_world_model())
    arms: dict[str, tuple[Rollout, str]] = {
        **{name: (physics, name) for name in BELIEFS},
        "both, estimated": (CombinedRollout(physics, learned), "estimated"),
        "no physics": (learned, "estimated"),
    }
    tasks = [strike(FIRST_SEED + k) for k in range(args.tables)]
    told = [taught(task) for task in tasks]
    errors: dict[str, dict[str, list[float]]] = {}
    for name, (model, belief) in arms.items():
        for samples in args.samples:
            found = [
                outcome(task, model, BELIEFS[belief], known, samples)
                for task, known in zip(tasks, told, strict=True)
            ]
            errors.setdefault(name, {})[str(samples)] = [round(1e3 * e, 2) for e in found]
            solved = np.mean(np.array(found) < TOLERANCE)
            print(
                name, samples, f"{solved:.2f}, median {1e3 * np.median(found):.1f} mm", flush=True
            )
    bands = {
        "as believed of things, 0.2 to 0.6": tasks,
        "rougher, 0.8 to 1.1": [strike(900 + k, 0.8, 1.1) for k in range(args.tables)],
        "heavy, 2 to 5 kg": [
            replace(strike(950 + k), mass=2.0 + 3.0 * k / args.tables) for k in range(args.tables)
        ],
    }
    friction = {name: beliefs_of(drawn) for name, drawn in bands.items()}
    print(friction)
    figures = {"tolerance_mm": 1e3 * TOLERANCE, "errors_mm": errors, "friction": friction}
    write_result("planner_samples", {"tables": args.tables, **figures})


if __name__ == "__main__":
    main()
