"""Where joints will be within a second: motion that goes on, and dies down.

Velocities decay with a time constant (a damped constant-velocity model, Singer 1970 without
maneuvers): people stop and turn more often than they go on for a second. Uncertainty grows with
what the motion prior allows. A baseline that any learned forecast has to beat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.body import Body
from perception_nodes.embodmocap.skeleton import AGILITY, BODY_AGILITY

HORIZONS = (0.4, 0.6, 0.8, 1.0)
"""Seconds."""
_DECAY = 0.6


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
    joints, velocities = body.joints, body.velocities
    places, covariances = [], []
    for t in horizons:
        reach = _DECAY * (1.0 - np.exp(-t / _DECAY))
        cross = body.cross_covariances
        grown = body.covariances + reach * (cross + np.swapaxes(cross, 1, 2))
        grown = grown + reach**2 * body.velocity_covariances
        wander = (AGILITY + BODY_AGILITY) * t**3 / 3.0
        places.append(joints + reach * velocities)
        covariances.append(grown + wander[:, None, None] * np.eye(3))
    stamps = tuple(body.stamp + round(t * 1e9) for t in horizons)
    return Forecast(name, stamps, np.array(places), np.array(covariances))
