"""The people with limbs in a running world: puts their bodies where they are."""

from __future__ import annotations

import mujoco
import numpy as np

from perception_nodes.arrays import Floats, Ints
from perception_simulation.person import LIMBS, bodies, limb_name
from perception_simulation.specification import Scene


class Crowd:
    """Everyone with limbs in a scene.

    Args:
        scene: With its walkers.
        model: The scene compiled.

    Raises:
        InputError: A recording can't be read or has other joints.
    """

    def __init__(self, scene: Scene, model: mujoco.MjModel) -> None:
        self.people = bodies(scene)
        self._mocaps: dict[str, Ints] = {}
        for person in self.people:
            names = [person.name, *(limb_name(person.name, limb) for limb in LIMBS)]
            self._mocaps[person.name] = model.body_mocapid[[model.body(n).id for n in names]]

    def move(self, data: mujoco.MjData, time: float) -> None:
        """Put limbs where they are at a time, s."""
        for person in self.people:
            limbs = self._mocaps[person.name][1:]
            data.mocap_pos[limbs], data.mocap_quat[limbs] = person.limbs(time)

    def settle(self, data: mujoco.MjData, time: float) -> None:
        """Limbs, and the middles of the boxes, at which nothing but the truth looks."""
        self.move(data, time)
        for person in self.people:
            box, middle = person.box(time)[0], self._mocaps[person.name][0]
            data.mocap_pos[middle] = box.translation
            data.mocap_quat[middle] = np.roll(box.quaternion(), 1)

    def velocity(self, name: str, time: float) -> Floats:
        """(3,) m/s of a person; zero where nobody has that name."""
        found = (person.velocity(time) for person in self.people if person.name == name)
        return next(found, np.zeros(3))
