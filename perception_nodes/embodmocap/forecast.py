"""Where joints will be within a second: motion that goes on, and dies down.

The trunk's velocity, and that of each joint against it, are Ornstein-Uhlenbeck processes (Singer
1970): they decay - people stop and turn more often than they go on, and limbs soon swing back -
and are stirred by as much as the body was seen to be. From a known velocity v, after a time t,

    E x = x + tau (1 - e) v,   e = exp(-t / tau)
    Var x = q tau^2 (t - 2 tau (1 - e) + tau / 2 (1 - e^2))

A measured velocity is believed as far as it is surer than what usual motion would have told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.body import Body

HORIZONS = (0.4, 0.6, 0.8, 1.0)
"""Seconds."""
_TRUNK_DECAY, _LIMB_DECAY = 0.5, 0.06
_TRUNK = np.array([5, 6, 11, 12])


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """The future of one person: (T,) stamps, (T, 17, 3) joints and (T, 17, 3, 3) covariances."""

    id: str
    stamps: tuple[int, ...]
    joints: Floats
    covariances: Floats


def forecast(name: str, body: Body, horizons: tuple[float, ...] = HORIZONS) -> Forecast:
    """What a body will do.

    Args:
        name: Id of the person.
        body: Its joints and velocities now.
        horizons: Seconds ahead.
    """
    joints, velocities, unsure = body.joints, body.velocities, body.speed_variances
    own, shared = body.agility
    trunk = velocities[_TRUNK].mean(axis=0)
    gain_trunk = _gain(shared * _TRUNK_DECAY / 2.0, float(unsure[_TRUNK].mean()))
    gain_own = _gain(own * _LIMB_DECAY / 2.0, unsure)
    places, covariances = [], []
    for t in horizons:
        far, wander = _ahead(t, _TRUNK_DECAY)
        near, tremble = _ahead(t, _LIMB_DECAY)
        places.append(joints + far * gain_trunk * trunk
                      + near * gain_own[:, None] * (velocities - trunk))  # fmt: skip
        spread = shared * (wander + far**2 * (1.0 - gain_trunk) * _TRUNK_DECAY / 2.0)
        spread = spread + own * (tremble + near**2 * (1.0 - gain_own) * _LIMB_DECAY / 2.0)
        covariances.append(body.covariances + spread[:, None, None] * np.eye(3))
    stamps = tuple(body.stamp + round(t * 1e9) for t in horizons)
    return Forecast(name, stamps, np.array(places), np.array(covariances))


def _gain(usual: Floats | float, unsure: Floats | float) -> Floats:
    """How far a velocity is believed, by its variance and that of usual ones."""
    return np.asarray(usual / (usual + unsure))


def _ahead(t: float, decay: float) -> tuple[float, float]:
    """How far a velocity reaches, s, and the variance that unit agility adds, s^3."""
    left = math.exp(-t / decay)
    wander = t - 2.0 * decay * (1.0 - left) + decay / 2.0 * (1.0 - left**2)
    return decay * (1.0 - left), decay**2 * wander
