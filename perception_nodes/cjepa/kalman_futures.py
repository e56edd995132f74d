"""Futures without a learned model: what rests stays, what moves goes on and slows down.

The baseline that a learned world model has to beat, and what runs until there is one. It says
nothing about who moves whom: each object is alone in its world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.source import Futures
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import ObjectState, Prediction

_NANOSECONDS = 1e-9


@dataclass(frozen=True, slots=True)
class FutureParameters:
    """How far to look ahead, and how certainty fades; chosen by `bench/futures.py`.

    Attributes:
        horizons: Seconds ahead, increasing.
        slowing_time: Time constant with which a moving object loses its speed, s.
        acceleration: Spectral density of the acceleration of a moving object, m/s^2/sqrt(Hz).
        drift: Random walk of an object at rest, m/sqrt(s).
        turn: Random walk of the orientation of a moving object about each axis, rad/sqrt(s).
    """

    horizons: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    slowing_time: float = 0.3
    acceleration: float = 2.0
    drift: float = 0.005
    turn: float = 0.5


class KalmanFutures:
    """Predicts each object by itself with friction and Gaussian uncertainty.

    The velocity decays as exp(-t / slowing_time), so an object comes to rest slowing_time times
    its velocity ahead (an Ornstein-Uhlenbeck velocity, Uhlenbeck and Ornstein 1930).

    Args:
        parameters: See `FutureParameters`.
    """

    model_id = "kalman-1"

    def __init__(self, parameters: FutureParameters | None = None) -> None:
        self._parameters = parameters or FutureParameters()
        self._ahead = np.array(self._parameters.horizons)
        self._steps = [round(t / _NANOSECONDS) for t in self._parameters.horizons]
        slowing = self._parameters.slowing_time
        decay = np.exp(-self._ahead / slowing)
        self._reach = slowing * (1.0 - decay)
        # Variance of the integral of an Ornstein-Uhlenbeck velocity that starts known.
        spread = self._ahead - 2.0 * slowing * (1.0 - decay) + slowing / 2.0 * (1.0 - decay**2)
        self._noise = (self._parameters.acceleration * slowing) ** 2 * spread

    def foresee(self, stamp: int, objects: Sequence[ObjectState]) -> Futures:
        """A prediction for each object, in their order; no influences."""
        stamps = tuple(stamp + step for step in self._steps)
        return Futures(tuple(self._predict(state, stamps) for state in objects))

    def reset(self) -> None:
        """Nothing is kept between frames."""

    def _predict(self, state: ObjectState, stamps: tuple[int, ...]) -> Prediction:
        covariances = self._covariances(state)
        places = state.position + self._reach[:, None] * state.velocity
        poses = tuple(Pose(state.pose.rotation, place) for place in places)
        return Prediction(state.id, stamps, poses, covariances)

    def _covariances(self, state: ObjectState) -> Floats:
        """(T, 6, 6): what is uncertain now, and what time adds."""
        covariances = np.repeat(state.pose_covariance[None], len(self._ahead), axis=0)
        position = self._parameters.drift**2 * self._ahead
        if state.velocity.any():
            velocity = state.twist_covariance[:3, :3]
            covariances[:, :3, :3] += self._reach[:, None, None] ** 2 * velocity
            position = position + self._noise
            turned = self._parameters.turn**2 * self._ahead
            covariances[:, 3:, 3:] += turned[:, None, None] * np.eye(3)
        covariances[:, :3, :3] += position[:, None, None] * np.eye(3)
        return covariances
