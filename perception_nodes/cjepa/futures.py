"""Futures from the learned world model, with who moves whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_nodes.cjepa.actors import ROBOT, Actor
from perception_nodes.cjepa.bodies import INTERVAL, ROTATION
from perception_nodes.cjepa.history import History
from perception_nodes.cjepa.influence import influences
from perception_nodes.cjepa.kalman_futures import KalmanFutures
from perception_nodes.cjepa.model import MAX_BODIES, Bodies, Rollout, WorldModel, nearest
from perception_nodes.cjepa.source import Futures
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Influence, ObjectState, Prediction

_STEPS = 20
_HORIZONS = (5, 10, 15, 20)
_NANOSECONDS = 1e-9


class CjepaFutures:
    """Foresees all objects of a level together, a few times a second.

    Objects beyond the nearest `MAX_BODIES` of a level, and any with a number that is not finite,
    are foreseen one by one by the Kalman filter, and `left_to_kalman` names them.

    Args:
        model: The world model.
        period: Seconds between two looks ahead; frames between get the last one.
    """

    def __init__(self, model: WorldModel, period: float = 0.5) -> None:
        self._model = model
        self._period = round(period / _NANOSECONDS)
        self._history = History()
        self._alone = KalmanFutures()
        self._actor: Actor | None = None
        self._last: tuple[int, frozenset[str], Futures] | None = None
        self.left_to_kalman: tuple[str, ...] = ()

    @property
    def model_id(self) -> str:
        """That of the network."""
        return self._model.model_id

    def tell_actor(self, actor: Actor | None) -> None:
        """Who pushes at the time of the frame to come; it is foreseen to go straight on."""
        self._actor = actor

    def reset(self) -> None:
        """Forget earlier frames."""
        self._history.reset()
        self._last, self._actor = None, None

    def foresee(self, stamp: int, objects: Sequence[ObjectState]) -> Futures:
        """See `FutureSource`."""
        robot = None if self._actor is None else self._actor.before(0.0)
        self._history.note(stamp, objects, robot)
        ids = frozenset(item.id for item in objects)
        if self._last is not None:
            before, known, futures = self._last
            if 0 <= stamp - before < self._period and known == ids:
                return futures
        futures = self._look_ahead(stamp, objects)
        self._last = (stamp, ids, futures)
        return futures

    def _look_ahead(self, stamp: int, objects: Sequence[ObjectState]) -> Futures:
        history, path = self._history.bodies(), self._history.path(_STEPS)
        name = ROBOT if self._actor is None else self._actor.name
        predicted: dict[str, Prediction] = {}
        caused: list[Influence] = []
        for level in self._history.free():
            part = [bodies.only(level) for bodies in history]
            part = [b.only(nearest(part[-1], MAX_BODIES, None)) for b in part]
            rollout, found = influences(self._model, part, _STEPS, path, name)
            caused += found
            widening = self._model.calibration.widening(_STEPS)
            honest = Rollout(rollout.states, rollout.deviations + widening)
            predicted |= _predictions(self._history.stamp, part[-1], honest)
        alone = [item for item in objects if item.id not in predicted]
        self.left_to_kalman = tuple(item.id for item in alone)
        predicted |= {p.id: p for p in self._alone.foresee(stamp, alone).predictions}
        return Futures(tuple(predicted[item.id] for item in objects), tuple(caused))


def _predictions(stamp: int, now: Bodies, rollout: Rollout) -> dict[str, Prediction]:
    """Poses and covariances at `_HORIZONS`, by id."""
    at = np.array(_HORIZONS) - 1
    stamps = tuple(stamp + round((k + 1) * INTERVAL / _NANOSECONDS) for k in at)
    found = {}
    for k, name in enumerate(now.ids):
        states, deviations = rollout.states[0, at, k], rollout.deviations[0, at, k]
        poses = tuple(Pose(s[ROTATION].reshape(3, 3), s[:3]) for s in states)
        variances = np.exp(2.0 * deviations[:, [0, 0, 1, 4, 4, 4]])
        covariances = np.stack([np.diag(v) for v in variances])
        found[name] = Prediction(name, stamps, poses, covariances)
    return found
