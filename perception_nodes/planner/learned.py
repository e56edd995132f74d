"""Futures by the learned world model, alone or together with the physics prior.

Two Gaussians that say where an object will be are one: their mean is weighted by precision. How
much they contradict each other,

    delta = |z - mu|^2 / (sigma_z^2 + sigma_mu^2),

is the physics residual. In the cost it is a trust region: a plan that only one of the two models
believes in exploits the error of that model.
"""

from __future__ import annotations

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.bodies import INTERVAL, ROTATION
from perception_nodes.cjepa.model import HISTORY, Bodies, WorldModel
from perception_nodes.planner.interface import Futures, Rollout, Situation

_MOST = 9.0
"""A contradiction beyond three standard deviations counts no more than that."""


class LearnedRollout:
    """Foresees by the world model alone; see `interface.Rollout`.

    Args:
        model: Its step is 0.1 s, and so must be that of the plan.
    """

    def __init__(self, model: WorldModel) -> None:
        self._model = model

    def roll(self, situation: Situation, tips: Floats, interval: float) -> Futures:
        """See `interface.Rollout`.

        Raises:
            ValueError: The interval is not that of the model.
        """
        if abs(interval - INTERVAL) > 1e-9:
            raise ValueError(f"the world model foresees in steps of {INTERVAL} s, not {interval}")
        bodies = Bodies.of(situation.objects)
        count, steps = len(tips), tips.shape[1] - 1
        rolled = self._model.roll([bodies] * HISTORY, steps, _ways(tips, interval))
        states = np.concatenate(
            (np.broadcast_to(bodies.states, (count, 1, *bodies.states.shape)), rolled.states), 1
        )
        turn = states[..., ROTATION]
        heading = np.unwrap(np.arctan2(turn[..., 3], turn[..., 0]), axis=1)
        poses = np.concatenate((states[..., :3], heading[..., None]), axis=-1)
        widening = self._model.calibration.widening(steps)[:, :, 0]
        ahead = np.exp(rolled.deviations[..., 0] + widening)
        now = np.broadcast_to(np.exp(bodies.beliefs[:, 0]), (count, 1, len(bodies.ids)))
        return Futures(bodies.ids, poses, np.concatenate((now, ahead), 1), np.zeros(count))


class CombinedRollout:
    """Both, by precision; see `interface.Rollout`.

    Args:
        prior: The physics prior.
        learned: The world model, of the same objects.
    """

    def __init__(self, prior: Rollout, learned: Rollout) -> None:
        self._prior, self._learned = prior, learned

    def roll(self, situation: Situation, tips: Floats, interval: float) -> Futures:
        """See `interface.Rollout`."""
        a = self._prior.roll(situation, tips, interval)
        b = self._learned.roll(situation, tips, interval)
        if a.ids != b.ids:
            return a
        return combined(a, b)


def combined(a: Futures, b: Futures) -> Futures:
    """Two opinions about the same candidates as one, by precision."""
    of_a, of_b = 1.0 / (a.deviation**2 + 1e-8), 1.0 / (b.deviation**2 + 1e-8)
    share = of_b / (of_a + of_b)
    apart = b.poses - a.poses
    apart[..., 3] = (apart[..., 3] + np.pi) % (2.0 * np.pi) - np.pi
    squared = apart[..., 0] ** 2 + apart[..., 1] ** 2
    delta = squared / (1.0 / of_a + 1.0 / of_b)
    residual = np.minimum(delta[:, 1:], _MOST).mean(axis=(1, 2))
    poses = a.poses + share[..., None] * apart
    return Futures(a.ids, poses, 1.0 / np.sqrt(of_a + of_b), residual)


def _ways(tips: Floats, interval: float) -> Floats:
    """(B, HISTORY + T, 6) tip and velocity; before the plan it rested where it starts."""
    before = np.repeat(tips[:, :1], HISTORY - 1, axis=1)
    places = np.concatenate((before, tips), axis=1)
    velocity = np.zeros_like(places)
    velocity[:, 1:] = np.diff(places, axis=1) / interval
    return np.concatenate((places, velocity), axis=-1)
