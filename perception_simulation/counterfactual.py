"""What would have happened without an object or an action: true causes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_simulation.specification import Scene
from perception_simulation.world import World


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """True motion of the objects of a scene.

    Attributes:
        times: (T,) seconds.
        positions: By name of the object, (T, 3) centers in the world.
        quaternions: By name of the object, (T, 4) in the order x, y, z, w.
    """

    times: Floats
    positions: dict[str, Floats]
    quaternions: dict[str, Floats]


def follow(world: World, until: float, rate: float) -> Trajectory:
    """Advance a world and record where its objects are, `rate` times a second."""
    count = max(0, round((until - world.time) * rate))
    times = world.time + np.arange(1, count + 1) / rate
    rows: dict[str, list[Floats]] = {name: [] for name in world.present}
    turns: dict[str, list[Floats]] = {name: [] for name in world.present}
    for time in times:
        world.advance(float(time))
        for name in rows:
            pose = world.motion(name).pose
            rows[name].append(pose.translation)
            turns[name].append(pose.quaternion())
    return Trajectory(
        times,
        {name: np.reshape(row, (-1, 3)) for name, row in rows.items()},
        {name: np.reshape(turn, (-1, 4)) for name, turn in turns.items()},
    )


def resimulate(
    scene: Scene,
    start: float,
    without: Collection[str] = (),
    *,
    until: float | None = None,
    rate: float | None = None,
) -> Trajectory:
    """Run a scene to `start`, leave something out, and follow what happens then.

    Args:
        scene: The scene.
        start: Seconds; everything before happens as it did.
        without: Names of objects, pushes and carries that are not there from then on; nothing
            gives exactly what happened.
        until: Seconds; the end of the scene where it is not given.
        rate: Samples a second; that of the scene where it is not given.

    Raises:
        ConfigurationError: The scene is impossible, or has nothing of that name.
    """
    world = World(scene)
    world.advance(start)
    return follow(world.branch(without), until or scene.duration, rate or scene.rate)
