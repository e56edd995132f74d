"""How well the physics step foresees pushes: a box, a box that meets another, a round thing.

    python bench/planner_prior.py [--pushes 60]

Random boxes and cylinders in the simulator are pushed 24 cm along a line; the prior is told the way
of the tip and must say where they end. It believes the true mass, friction, extents and roundness
(oracle), the extents and what is believed of any object before it was touched (default), or wrong
ones: five times the mass where it is light and a fifth where it is heavy, extents a third too
large; or it takes what is round for a box. The calibration
(oracle) is the share of objects that end within one and two of the said standard deviations (39 %
and 86 % of level places, were they Gaussian and right).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from common import write_result

from perception_nodes.arrays import Floats
from perception_nodes.planner.interface import Situation
from perception_nodes.planner.prior import PriorRollout
from perception_nodes.scene import (
    UNKNOWN_FRICTION,
    UNKNOWN_MASS,
    UNKNOWN_ROUNDNESS,
    Gaussian,
    ObjectState,
    Visibility,
)
from perception_simulation.model import PUSHER
from perception_simulation.shapes import geometry
from perception_simulation.specification import (
    Box,
    CameraKey,
    Cylinder,
    MovingCamera,
    Object,
    Scene,
)
from perception_simulation.world import World

_CAMERA = MovingCamera((CameraKey(0.0, (-0.6, 0.0, 1.1), (0.0, 0.0, 0.72)),))
_STEPS, _SPEED = 20, 0.12


def state_of(world: World, item: Object) -> ObjectState:
    """The true state with true mass and friction."""
    motion = world.motion(item.name)
    return ObjectState(
        id=item.name,
        stamp=world.stamp,
        pose=motion.pose,
        pose_covariance=np.eye(6) * 1e-6,
        velocity=motion.velocity,
        angular_velocity=motion.angular_velocity,
        twist_covariance=np.eye(6) * 1e-6,
        size=geometry(item.shape).size,
        visibility=Visibility.VISIBLE,
        first_seen=1,
        last_seen=world.stamp,
        existence=1.0,
        log_mass=Gaussian(math.log(item.mass), 0.01),
        log_friction=Gaussian(math.log(item.friction), 0.01),
        roundness=np.array([0.0, 0.0, float(isinstance(item.shape, Cylinder))]),
    )


def _default(item: ObjectState) -> ObjectState:
    return replace(item, log_mass=UNKNOWN_MASS, log_friction=UNKNOWN_FRICTION)


def _wrong(item: ObjectState) -> ObjectState:
    factor = math.log(5.0) * (1.0 if item.log_mass.mean < math.log(0.5) else -1.0)
    mass = Gaussian(item.log_mass.mean + factor, 0.01)
    return replace(item, log_mass=mass, size=item.size * np.array([4.0 / 3.0, 4.0 / 3.0, 1.0]))


BELIEFS: dict[str, Callable[[ObjectState], ObjectState]] = {
    "oracle": lambda item: item,
    "default": _default,
    "wrong": _wrong,
    "box": lambda item: replace(item, roundness=np.full(3, UNKNOWN_ROUNDNESS)),
}


def can(rng: np.random.Generator) -> Scene:
    """A cylinder in the middle."""
    shape = Cylinder(float(rng.uniform(0.025, 0.06)), float(rng.uniform(0.05, 0.12)))
    mass, friction = float(rng.uniform(0.1, 1.0)), float(rng.uniform(0.3, 0.7))
    item = Object("can", shape, (0.0, 0.0), mass=mass, friction=friction)
    return Scene((item,), (_CAMERA,), pusher=True)


def scene(rng: np.random.Generator, count: int) -> Scene:
    """A box in the middle, perhaps another one 12 cm behind it; a cylinder if no boxes."""
    if not count:
        return can(rng)
    objects = []
    for k in range(count):
        size = (*(float(v) for v in rng.uniform(0.05, 0.09, 2)), 0.06)
        place = (0.12 * k, float(rng.uniform(-0.04, 0.04)) * k)
        yaw = float(rng.uniform(-3.0, 3.0))
        mass, friction = float(rng.uniform(0.1, 1.0)), float(rng.uniform(0.3, 0.7))
        objects.append(
            Object(f"box_{k}", Box(size), place, (0.0, 0.0, yaw), mass=mass, friction=friction)
        )
    return Scene(tuple(objects), (_CAMERA,), pusher=True)


def drive(world: World, target: Floats) -> None:
    """Bring the tip somewhere."""
    for _ in range(400):
        way = target - world.motion(PUSHER).pose.translation
        length = float(np.linalg.norm(way))
        if length < 2e-3:
            return
        world.command(way / length * min(0.4, 5.0 * length))
        world.advance(world.time + 0.02)


def push(seed: int, count: int) -> list[dict[str, float]]:
    """One push: the errors of each object that moved."""
    rng = np.random.default_rng((seed, count, 5))
    world = World(scene(rng, count))
    offset = float(rng.uniform(-0.03, 0.03))
    drive(world, np.array([-0.15, offset, 1.0]))
    drive(world, np.array([-0.15, offset, 0.715]))
    objects = tuple(state_of(world, item) for item in world.scene.objects)
    tips = [world.motion(PUSHER).pose.translation.copy()]
    for _ in range(_STEPS):
        for _ in range(5):
            world.command(np.array([_SPEED, 0.0, 0.0]))
            world.advance(world.time + 0.02)
        tips.append(world.motion(PUSHER).pose.translation.copy())
    futures = {}
    for name, believe in BELIEFS.items():
        believed = tuple(believe(item) for item in objects)
        situation = Situation(world.stamp, believed, (), (), tips[0], np.zeros(3))
        futures[name] = PriorRollout().roll(situation, np.array(tips)[None], 0.1)
    oracle = futures["oracle"]
    rows = []
    for k, item in enumerate(objects):
        end = world.motion(item.id).pose
        heading = oracle.poses[0, -1, k, 3]
        moved = float(np.hypot(*(end.translation - item.position)[:2]))
        if moved < 0.005:
            continue
        turn = math.atan2(end.rotation[1, 0], end.rotation[0, 0])
        rows.append(
            {
                "moved": moved,
                **{
                    name: float(np.hypot(*(end.translation[:2] - f.poses[0, -1, k, :2])))
                    for name, f in futures.items()
                },
                "turn": abs((turn - heading + math.pi) % (2.0 * math.pi) - math.pi),
                "deviation": float(oracle.deviation[0, -1, k]),
            }
        )
    return rows


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Medians and calibration."""
    error, said = np.array([r["oracle"] for r in rows]), np.array([r["deviation"] for r in rows])
    return {
        "errors_mm": {name: [round(1e3 * r[name], 2) for r in rows] for name in BELIEFS},
        "objects": len(rows),
        "moved_mm": 1e3 * float(np.median([r["moved"] for r in rows])),
        "median_mm": {name: 1e3 * float(np.median([r[name] for r in rows])) for name in BELIEFS},
        "upper_quartile_mm": 1e3 * float(np.quantile(error, 0.75)),
        "turn_rad": float(np.median([r["turn"] for r in rows])),
        "within_1": float((error < said).mean()),
        "within_2": float((error < 2.0 * said).mean()),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--pushes", type=int, default=60)
    args = parser.parse_args()
    found = {}
    for name, count in (("one box", 1), ("two boxes", 2), ("one cylinder", 0)):
        rows = [row for seed in range(args.pushes) for row in push(seed, count)]
        found[name] = summary(rows)
        print(name, {k: v for k, v in found[name].items() if k != "errors_mm"})
    write_result("planner_prior", {"pushes": args.pushes, "cases": found})


if __name__ == "__main__":
    main()
