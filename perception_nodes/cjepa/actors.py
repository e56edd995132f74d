"""Who pushes things: the robot's tool, or a person's hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.scene import Person

ROBOT = "robot"
"""Name of the robot's tool as a source of influences."""
_HANDS = ((9, 7), (10, 8))  # wrist and elbow of each arm, COCO order
_PALM = 0.1
_NEAR = 0.3
_LIFE = 300_000_000


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


class Hands:
    """People as those who push: the hand nearest to an object."""

    def __init__(self) -> None:
        self._people: tuple[Person, ...] = ()
        self._earlier: tuple[Person, ...] = ()

    def take(self, people: Sequence[Person]) -> None:
        """Take who is there; the same ones again, with their old stamps, change nothing."""
        if [(p.id, p.stamp) for p in people] != [(p.id, p.stamp) for p in self._people]:
            self._earlier, self._people = self._people, tuple(people)

    def at(self, stamp: int, places: Floats) -> Actor | None:
        """The palm nearest to an object counts as a tip; None if no hand is near.

        Args:
            stamp: ns; a hand is taken to have gone straight on since it was seen.
            places: (N, 3) where objects are.
        """
        earlier = {person.id: person for person in self._earlier}
        found: list[tuple[float, Actor]] = []
        for person in self._people:
            then = earlier.get(person.id)
            if then is None or not 0 <= stamp - person.stamp < _LIFE:
                continue
            dt = (person.stamp - then.stamp) * 1e-9
            for hand in _HANDS:
                palm, before = _palm(person, *hand), _palm(then, *hand)
                if dt <= 0.0 or not np.isfinite(palm + before).all():
                    continue
                velocity = np.asarray((palm - before) / dt)
                tip = palm + velocity * (stamp - person.stamp) * 1e-9
                away = np.linalg.norm(places - tip, axis=-1).min(initial=np.inf)
                if away < _NEAR:
                    found.append((float(away), Actor(person.id, tip, velocity)))
        return min(found, key=lambda item: item[0])[1] if found else None


def _palm(person: Person, wrist: int, elbow: int) -> Floats:
    """(3,) the middle of a hand, as far beyond the wrist as a palm is; NaN where unknown."""
    arm = person.joints[wrist] - person.joints[elbow]
    return np.asarray(person.joints[wrist] + _PALM * arm / max(float(np.linalg.norm(arm)), 1e-6))
