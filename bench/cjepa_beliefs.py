"""What is learned of mass and friction by watching: error and honesty on unseen episodes.

    python bench/cjepa_beliefs.py [--episodes 80]

Episodes as the world model's, 30 states a second; places get white noise of 1 or 2 mm and go
through the tracker's own filter, sizes are off by 5 %. Nothing was fitted to these episodes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import write_result

from perception_models.cjepa.scenes import DURATION, random_scene
from perception_nodes.arrays import Floats
from perception_nodes.cjepa.actors import ROBOT, Actor
from perception_nodes.cjepa.beliefs import PhysicsBeliefs
from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.filter import MotionFilter
from perception_nodes.objects.parameters import TrackerParameters
from perception_nodes.scene import (
    UNKNOWN_FRICTION,
    UNKNOWN_MASS,
    Gaussian,
    ObjectState,
    Visibility,
)
from perception_simulation.model import PUSHER
from perception_simulation.shapes import geometry
from perception_simulation.specification import Scene
from perception_simulation.world import World

RATE = 30
NOISES = (0.001, 0.002)
SEED = 909
SIZE_NOISE = 0.05
SUPPORT_FRICTION = 0.2
"""That of the floor: of two surfaces that slide on each other the rougher one counts."""
NINETY = 1.645


@dataclass
class Thing:
    """An object as the tracker knows it."""

    name: str
    size: Floats
    motion: MotionFilter

    def state(self, stamp: int, rotation: Floats) -> ObjectState:
        """As it is published."""
        return ObjectState(
            id=self.name,
            stamp=stamp,
            pose=Pose(rotation, self.motion.position),
            pose_covariance=np.eye(6) * 1e-5,
            velocity=self.motion.velocity,
            angular_velocity=np.zeros(3),
            twist_covariance=np.eye(6) * 1e-4,
            size=self.size,
            visibility=Visibility.VISIBLE,
            first_seen=0,
            last_seen=stamp,
            existence=1.0,
        )


def scene(number: int, seed: int = SEED) -> tuple[Scene, World]:
    """An episode that can be simulated, of 3 to 6 objects."""
    rng = np.random.default_rng([seed, number])
    while True:
        drawn = random_scene(rng, 3 + number % 4)
        try:
            return drawn, World(drawn)
        except ConfigurationError:
            continue


def watched(
    noise: float, number: int, seed: int = SEED, parameters: TrackerParameters | None = None
) -> Iterator[tuple[list[ObjectState], Actor | None, World]]:
    """The states of an episode, frame by frame, the pusher, and the world as it truly is."""
    drawn, world = scene(number, seed)
    rng, parameters = np.random.default_rng([seed, number, 1]), parameters or TrackerParameters()
    covariance = np.eye(3) * noise**2
    things = []
    for item in drawn.objects:
        size = geometry(item.shape).size * (1.0 + SIZE_NOISE * rng.normal(size=3))
        place = world.motion(item.name).pose.translation
        things.append(Thing(item.name, size, MotionFilter.start(place, covariance)))
    for k in range(int(DURATION * RATE)):
        world.advance(k / RATE)
        stamp, states = 10**9 + round(k * 1e9 / RATE), []
        for thing in things:
            if thing.name not in world.present:
                continue
            pose = world.motion(thing.name).pose
            seen = pose.translation + noise * rng.normal(size=3)
            thing.motion.predict(1.0 / RATE, False, parameters)
            thing.motion.update(seen, covariance, 1.0 / RATE, parameters)
            states.append(thing.state(stamp, pose.rotation))
        yield states, pusher(world) if drawn.pushes else None, world


def pusher(world: World) -> Actor:
    """As its joints tell."""
    motion = world.motion(PUSHER)
    return Actor(ROBOT, motion.pose.translation, motion.velocity)


def measure(noise: float, episodes: int) -> dict[str, Any]:
    """Errors of all objects, and of those whose friction was learned."""
    frictions: list[tuple[float, Gaussian]] = []
    masses: list[tuple[float, Gaussian]] = []
    for number in range(episodes):
        beliefs = PhysicsBeliefs()
        found: dict[str, tuple[Gaussian, Gaussian]] = {}
        for states, actor, _ in watched(noise, number):
            found |= beliefs.update(states, actor)
        for item in scene(number)[0].objects:
            mass, friction = found[item.name]
            masses.append((math.log(item.mass), mass))
            if friction != UNKNOWN_FRICTION:
                frictions.append((math.log(max(item.friction, SUPPORT_FRICTION)), friction))
    return {
        "objects": len(masses),
        "friction": compared(frictions, UNKNOWN_FRICTION),
        "mass": compared(masses, UNKNOWN_MASS),
    }


def compared(pairs: list[tuple[float, Gaussian]], before: Gaussian) -> dict[str, Any]:
    """Of (truth, belief): errors of the logarithm before and after, and how many are foreseen."""
    truth = np.array([t for t, _ in pairs])
    mean = np.array([b.mean for _, b in pairs])
    deviation = np.sqrt([b.variance for _, b in pairs])
    return {
        "before": [round(float(v), 4) for v in before.mean - truth],
        "after": [round(float(v), 4) for v in mean - truth],
        "inside": int((np.abs(mean - truth) < NINETY * deviation).sum()),
        "said": round(float(deviation.mean()), 3),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--episodes", type=int, default=80)
    args = parser.parse_args()
    figures = {f"{1000 * noise:g} mm": measure(noise, args.episodes) for noise in NOISES}
    for name, row in figures.items():
        for what in ("friction", "mass"):
            one = row[what]
            rms = [float(np.sqrt(np.mean(np.square(one[k])))) for k in ("before", "after")]
            print(name, what, len(one["after"]), rms, one["inside"], one["said"])
    write_result("cjepa_beliefs", {"episodes": args.episodes, "noise": figures})


if __name__ == "__main__":
    main()
