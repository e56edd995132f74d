"""A Kalman filter for the position and velocity of one object.

Objects are at rest most of the time, and an object at rest is known far better than a
constant-velocity filter admits. So the filter has two modes: at rest (a slow random walk, velocity
zero) and moving (constant velocity with white acceleration). A sighting that the mode "at rest"
can't explain switches it to "moving"; a low speed switches it back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.objects.parameters import TrackerParameters

_START_SPEED = 0.3
_REST_TIME = 0.4


def mahalanobis(offset: Floats, covariance: Floats) -> Floats:
    """Squared Mahalanobis length (...) of offsets (..., 3) with covariances (..., 3, 3)."""
    scaled = np.linalg.solve(covariance, offset[..., None])
    return np.asarray((offset[..., None, :] @ scaled)[..., 0, 0])


def _covariance(position_variance: Floats) -> Floats:
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = position_variance
    return covariance


@dataclass(slots=True)
class MotionFilter:
    """Position and velocity (3 + 3) of one object in the world.

    Attributes:
        position, velocity: (3,) m and m/s.
        covariance: (6, 6), position first.
        moving: Which of the two modes holds.
        slow_for: How long the speed has been low, s.
        surprise: Normalized innovation squared of the last update, divided by 3.
        coasting: Whether it moves on unseen, with the velocity it was last seen with.
    """

    position: Floats
    covariance: Floats
    velocity: Floats = field(default_factory=lambda: np.zeros(3))
    moving: bool = False
    slow_for: float = 0.0
    surprise: float = 0.0
    coasting: bool = False

    @classmethod
    def start(cls, position: Floats, covariance: Floats) -> MotionFilter:
        """An object at rest, first seen at a position with a (3, 3) covariance."""
        return cls(position.copy(), _covariance(covariance))

    @property
    def speed(self) -> float:
        """How fast it moves, m/s; 0 where that can't be told from noise."""
        known = self.moving and self._velocity_is_known()
        return float(np.linalg.norm(self.velocity)) if known else 0.0

    def predict(
        self, dt: float, hidden: bool, parameters: TrackerParameters, departed: float = 0.0
    ) -> None:
        """Advance by dt seconds; `departed` is the speed with which it got out of sight, m/s."""
        drift = parameters.hidden_drift if hidden else parameters.still_drift
        if hidden:  # what was being moved may well be moved on
            drift = max(drift, parameters.departed_drift * departed)
        self.covariance[:3, :3] += np.eye(3) * drift**2 * dt
        if not self.moving:
            return
        if hidden and not self.coasting and not self._velocity_is_known():
            self._rest()
            return
        self.coasting = hidden
        decay = float(np.exp(-dt / parameters.friction_time)) if hidden else 1.0
        reach = parameters.friction_time * (1.0 - decay) if hidden else dt
        transition = np.eye(6)
        transition[:3, 3:] = np.eye(3) * reach
        transition[3:, 3:] *= decay
        state = transition @ np.concatenate((self.position, self.velocity))
        self.position, self.velocity = state[:3], state[3:]
        q = parameters.acceleration**2 * (decay if hidden else 1.0)
        noise = np.zeros((6, 6))
        noise[:3, :3] = np.eye(3) * q * dt**3 / 3
        noise[:3, 3:] = noise[3:, :3] = np.eye(3) * q * dt**2 / 2
        noise[3:, 3:] = np.eye(3) * q * dt
        self.covariance = transition @ self.covariance @ transition.T + noise
        if hidden and float(np.linalg.norm(self.velocity)) < parameters.stop_speed:
            self._rest()

    def follow(self, position: Floats, velocity: Floats, covariance: Floats) -> None:
        """Go on unseen as a motion model says; `covariance` (6, 6), position first."""
        self.position, self.velocity = position.copy(), velocity.copy()
        self.covariance = covariance.copy()
        self.moving = self.coasting = bool(velocity.any())
        if not self.moving:
            self._rest()

    def distance(self, position: Floats, covariance: Floats) -> float:
        """Squared Mahalanobis distance of a measured position (3 degrees of freedom)."""
        return float(mahalanobis(position - self.position, self.covariance[:3, :3] + covariance))

    def update(
        self, position: Floats, covariance: Floats, dt: float, parameters: TrackerParameters
    ) -> None:
        """Take a measured position (3,) with covariance (3, 3), dt seconds after the last."""
        distance = self.distance(position, covariance)
        self.surprise = distance / 3.0
        if distance > parameters.move_gate and not self.moving:
            self.moving, self.slow_for = True, 0.0
            self.covariance[3:, 3:] += np.eye(3) * _START_SPEED**2
            self.covariance[:3, :3] += np.eye(3) * (_START_SPEED * max(dt, 0.02)) ** 2
        gain = np.linalg.solve(self.covariance[:3, :3] + covariance, self.covariance[:3, :]).T
        change = gain @ (position - self.position)
        self.position = self.position + change[:3]
        keep = np.eye(6)
        keep[:, :3] -= gain
        self.covariance = keep @ self.covariance @ keep.T + gain @ covariance @ gain.T
        if not self.moving:
            return
        self.velocity = self.velocity + change[3:]
        slow = float(np.linalg.norm(self.velocity)) < parameters.stop_speed
        self.slow_for = self.slow_for + dt if slow else 0.0
        if self.slow_for > _REST_TIME:
            self._rest()

    def jump(self, position: Floats, covariance: Floats) -> None:
        """Put the object somewhere else, at rest: it was carried there unseen."""
        self.position = position.copy()
        self.covariance = _covariance(covariance)
        self._rest()

    def _velocity_is_known(self) -> bool:
        """Whether the velocity is more than noise: 3 standard deviations from zero."""
        variance = self.covariance[3:, 3:] + np.eye(3) * 1e-9
        return float(self.velocity @ np.linalg.solve(variance, self.velocity)) > 9.0

    def _rest(self) -> None:
        self.moving, self.slow_for = False, 0.0
        self.velocity = np.zeros(3)
        self.covariance[3:, :] = 0.0
        self.covariance[:, 3:] = 0.0
