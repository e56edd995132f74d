"""Who pushes things: the robot's tool, or a person's hand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from perception_nodes.arrays import Floats

ROBOT = "robot"
"""Name of the robot's tool as a source of influences."""


class Actor(NamedTuple):
    """Something that pushes objects and is known by other means than as an object.

    Attributes:
        name: Source of the influences that it has; `ROBOT`, or the id of a person.
        tip: (3,) its lower end, world frame.
        velocity: (3,) m/s.
    """

    name: str
    tip: Floats
    velocity: Floats

    def before(self, seconds: float) -> Floats:
        """(6,) tip and velocity so long ago, had it moved straight on."""
        return np.concatenate((self.tip - seconds * self.velocity, self.velocity))
