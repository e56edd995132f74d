"""How objects go on that no camera sees: pushed by what pushes them.

`MotionModel` is what the tracker asks; without one it foresees each object by itself (a Kalman
filter). `CjepaMotion` answers with the learned world model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.actors import Actor
from perception_nodes.cjepa.bodies import INTERVAL, POSITION, ROTATION, VELOCITY
from perception_nodes.cjepa.history import STEP, History
from perception_nodes.cjepa.model import AGE, HISTORY, MAX_BODIES, Bodies, WorldModel, nearest
from perception_nodes.scene import Gaussian, ObjectState


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Where an unseen object is by now.

    Attributes:
        position, velocity: (3,) world frame.
        covariance: (6, 6), position first.
        rotation: (3, 3).
    """

    position: Floats
    velocity: Floats
    covariance: Floats
    rotation: Floats


class MotionModel(Protocol):
    """Says how unseen objects go on."""

    def advance(self, stamp: int, objects: Sequence[ObjectState]) -> Mapping[str, Belief]:
        """Where unseen objects are at a time.

        Args:
            stamp: ns; that of the frame to come.
            objects: All objects as of the frame before.

        Returns:
            By id, those that move or are moved, usually unseen; the tracker moves the others.
        """
        ...

    def reset(self) -> None:
        """Forget earlier frames."""
        ...


class CjepaMotion:
    """Moves unseen objects as the learned world model expects.

    Args:
        model: The world model.
    """

    def __init__(self, model: WorldModel) -> None:
        self._model = model
        self._history = History()
        self._actor: Actor | None = None
        self._ahead: dict[str, tuple[Floats, Floats, Floats]] = {}
        self._said: dict[str, Floats] = {}
        self._physics: Mapping[str, tuple[Gaussian, Gaussian]] = {}

    def tell_physics(self, beliefs: Mapping[str, tuple[Gaussian, Gaussian]]) -> None:
        """What was learned of log mass and log friction, by id; it counts until told anew."""
        self._physics = beliefs

    def tell_actor(self, actor: Actor | None) -> None:
        """Who pushes at the time of the frame to come; it counts for that frame only."""
        self._actor = actor

    def reset(self) -> None:
        """See `MotionModel`."""
        self._history.reset()
        self._ahead, self._said = {}, {}
        self._actor = None

    def advance(self, stamp: int, objects: Sequence[ObjectState]) -> Mapping[str, Belief]:
        """See `MotionModel`."""
        unseen = {item.id for item in objects if item.last_seen < item.stamp}
        if objects:
            then = objects[0].stamp
            actor, self._actor = self._actor, None
            robot = None if actor is None else actor.before((stamp - then) * 1e-9)
            if self._history.note(then, [self._with_physics(o) for o in objects], robot):
                self._ahead = self._foresee(unseen)
        share = min(max((stamp - self._history.stamp) / STEP, 0.0), 1.5)
        return {name: _between(*self._ahead[name], share) for name in unseen if name in self._ahead}

    def _with_physics(self, item: ObjectState) -> ObjectState:
        if item.id not in self._physics:
            return item
        mass, friction = self._physics[item.id]
        return replace(item, log_mass=mass, log_friction=friction)

    def _foresee(self, unseen: set[str]) -> dict[str, tuple[Floats, Floats, Floats]]:
        """By id of what moves unseen: state now, state one step ahead, its deviations."""
        found = {}
        history, robot = self._history.bodies(), self._history.path(1)
        for level in self._history.free():
            if not any(history[-1].ids[i] in unseen for i in level):
                continue
            part = [bodies.only(level) for bodies in history]
            part = [b.only(nearest(part[-1], MAX_BODIES, _now(robot))) for b in part]
            found.update(self._step(part, robot, unseen))
        self._said = {name: said for name, said in self._said.items() if name in found}
        return found

    def _step(
        self, history: list[Bodies], robot: Floats | None, unseen: set[str]
    ) -> dict[str, tuple[Floats, Floats, Floats]]:
        now, found = history[-1], {}
        for k, name in enumerate(now.ids):
            if name in unseen and name in self._said:
                # the network goes on from what it said itself, not from what that was widened to
                now.beliefs[k, :AGE] = self._said[name]
        ahead = self._model.roll(history, 1, robot)
        for k, name in enumerate(now.ids):
            before, after = now.states[k], ahead.states[0, 0, k]
            moves = bool((after[VELOCITY] != 0.0).any())
            if name in unseen and (moves or name in self._ahead):
                said = ahead.deviations[0, 0, k]
                steps = 1 + round(float(now.beliefs[k, AGE]) / INTERVAL)
                widening = self._model.calibration.widening(steps)[-1, 0]
                self._said[name] = said
                found[name] = (before, after, said + widening)
        return found


def _now(robot: Floats | None) -> Floats | None:
    return None if robot is None else robot[HISTORY - 1]


def _between(before: Floats, after: Floats, deviation: Floats, share: float) -> Belief:
    """A belief on the way from one state to the next; beyond it, it goes straight on."""
    variance = np.exp(2.0 * deviation)
    covariance = np.diag(variance[[0, 0, 1, 2, 2, 3]])
    position = before[POSITION] + share * (after[POSITION] - before[POSITION])
    rotation = (after if share > 0.5 else before)[ROTATION].reshape(3, 3)
    return Belief(position, after[VELOCITY].copy(), covariance, rotation.copy())
