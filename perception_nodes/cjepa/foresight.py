"""What foresees objects, by name: the learned world model, or each object by itself.

The one place that knows which there are; commands and the node choose here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.actors import ROBOT, Actor, Hands
from perception_nodes.cjepa.beliefs import PhysicsBeliefs
from perception_nodes.cjepa.events import EventDetector
from perception_nodes.cjepa.futures import CjepaFutures
from perception_nodes.cjepa.kalman_futures import KalmanFutures
from perception_nodes.cjepa.loading import load_world_model
from perception_nodes.cjepa.model import WorldModel
from perception_nodes.cjepa.motion import CjepaMotion, MotionModel
from perception_nodes.cjepa.names import DEFAULT, KALMAN, LEARNED, MOTIONS
from perception_nodes.cjepa.source import EventSource, FutureSource
from perception_nodes.errors import ConfigurationError, ModelError
from perception_nodes.scene import ObjectState, Person


class Foresight:
    """The parts that need a model of how objects move.

    Args:
        model: The world model; None leaves each object to a Kalman filter.
        problem: Why there is none although it was asked for.

    Attributes:
        motion: Moves unseen objects; None where the tracker does it by itself.
        futures: Foresees all objects.
        events: Tells of contacts and surprises; None without a world model.
        problem: See above; empty if all is as asked for.
    """

    def __init__(self, model: WorldModel | None = None, problem: str = "") -> None:
        self.problem = problem
        self.motion: MotionModel | None = None
        self.futures: FutureSource = KalmanFutures()
        self.events: EventSource | None = None
        self._physics = PhysicsBeliefs()
        self._actor: Actor | None = None
        self._hands = Hands()
        self._places: Floats = np.zeros((0, 3))
        self._learned: tuple[CjepaMotion, CjepaFutures, EventDetector] | None = None
        if model is not None:
            self._learned = CjepaMotion(model), CjepaFutures(model), EventDetector(model)
            self.motion, self.futures, self.events = self._learned

    def tell(self, actor: Actor | None) -> None:
        """Who pushes things at the time of the frame to come; it counts for that frame only."""
        self._actor = actor
        if self._learned is not None:
            for part in self._learned:
                part.tell_actor(actor)

    def meet(self, stamp: int, people: Sequence[Person]) -> None:
        """Who is there at the time of the frame to come, ns: a hand pushes if the robot does not.

        The objects that a hand is near to are those of the frame before.
        """
        self._hands.take(people)
        if self._actor is None or self._actor.name != ROBOT:
            self.tell(self._hands.at(stamp, self._places))

    def learn(self, objects: Sequence[ObjectState]) -> tuple[ObjectState, ...]:
        """The states after a frame with what is believed of their mass and friction."""
        found = self._physics.update(objects, self._actor)
        self._places = np.array([item.position for item in objects]).reshape(-1, 3)
        if self._learned is not None:
            # the tracker keeps what it was told at the start, and asks the model with that
            self._learned[0].tell_physics(found)
        return tuple(
            replace(item, log_mass=found[item.id][0], log_friction=found[item.id][1])
            for item in objects
        )

    def reset(self) -> None:
        """Forget earlier frames, in all parts that the tracker does not own."""
        self._physics.reset()
        self._hands = Hands()
        self.futures.reset()
        if self.events is not None:
            self.events.reset()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the reader of a report."""
        return (self.problem,) if self.problem else ()


def make_foresight(
    name: str = DEFAULT,
    device: str = "auto",
    models: Path | None = None,
    precision: str = "auto",
) -> Foresight:
    """What was asked for, or the Kalman filter with the reason in `problem`.

    Args:
        name: One of `MOTIONS`.
        device: What its network runs on, one of `perception_nodes.inference.providers.DEVICES`.
        models: Folder of networks and cards; None for those that come with the program.
        precision: Of its network, one of `perception_nodes.inference.precision.PRECISIONS`.

    Raises:
        ConfigurationError: There is no such choice or device.
    """
    if name == KALMAN:
        return Foresight()
    if name != LEARNED:
        raise ConfigurationError(
            f"there is no model of motion {name!r}", f"choose one of {', '.join(MOTIONS)}"
        )
    try:
        return Foresight(load_world_model(models, device, precision))
    except ModelError as error:
        return Foresight(
            problem=f"no world model, so objects move by themselves (Kalman filter): {error}"
        )
