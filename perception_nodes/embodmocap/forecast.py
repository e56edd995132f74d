"""Where joints will be within a second: the way of a walk goes on, limbs swing back.

Velocities are Ornstein-Uhlenbeck processes (Singer 1970) about a slower one: they decay, and are
stirred by as much as the body was seen to be. From a known velocity v, after a time t,

    E x = x + tau (1 - e) v,   e = exp(-t / tau)
    Var x = q tau^2 (t - 2 tau (1 - e) + tau / 2 (1 - e^2))

The slow one is the trunk's mean velocity w of the last second or so (`Body.drift`). Whoever sways
on the spot has a velocity, but goes nowhere: all of it counts by the share |w|^4 / (|w|^4 + s^4).
The trunk's velocity beyond w is believed as far as it is surer than what usual motion would have
told. Constants were chosen on walks that stop, turn and march on the spot, of other builds than
those that are measured, and no recorded one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.body import TRUNK, Body

HORIZONS = (0.4, 0.6, 0.8, 1.0)
"""Seconds."""
_WALK_DECAY, _TRUNK_DECAY, _LIMB_DECAY = 1.0, 0.5, 0.06
_STROLL = 0.25  # m/s


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
    joints, unsure = body.joints, body.speed_variances
    own, shared = body.agility
    trunk = body.velocities[TRUNK].mean(axis=0)
    # A velocity is believed by how sure it is, against that of usual motion.
    usual = shared * _TRUNK_DECAY / 2.0
    gain_trunk = usual / (usual + float(unsure[TRUNK].mean()))
    squared = float(body.drift @ body.drift) ** 2
    going = squared / (squared + _STROLL**4)
    places, covariances = [], []
    for t in horizons:
        far, wander = _ahead(t, _TRUNK_DECAY)
        near, tremble = _ahead(t, _LIMB_DECAY)
        on, _ = _ahead(t, _WALK_DECAY)
        way = on * body.drift + far * gain_trunk * (trunk - body.drift)
        places.append(joints + going * way)
        common = shared * (wander + far**2 * (1.0 - gain_trunk) * _TRUNK_DECAY / 2.0)
        spread = common + own * (tremble + near**2 * _LIMB_DECAY / 2.0)
        covariances.append(body.covariances + spread[:, None, None] * np.eye(3))
    stamps = tuple(body.stamp + round(t * 1e9) for t in horizons)
    return Forecast(name, stamps, np.array(places), np.array(covariances))


def _ahead(t: float, decay: float) -> tuple[float, float]:
    """How far a velocity reaches, s, and the variance that unit agility adds, s^3."""
    left = math.exp(-t / decay)
    wander = t - 2.0 * decay * (1.0 - left) + decay / 2.0 * (1.0 - left**2)
    return decay * (1.0 - left), decay**2 * wander
