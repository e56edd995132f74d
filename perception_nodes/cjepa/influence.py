"""Who moves whom: the future of j with and without i.

The strength of i on j is how far j ends from where it had ended without i. Ground truth is a
re-simulation without i (`perception_simulation.counterfactual`); precision and recall against it
are in `docs/evidence/cjepa.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.actors import ROBOT
from perception_nodes.cjepa.bodies import (
    INTERVAL,
    POSITION,
    STOP_SPEED,
    VELOCITY,
    box_gaps,
    reach,
)
from perception_nodes.cjepa.model import Bodies, Rollout, WorldModel
from perception_nodes.scene import Influence

_NEAR = 0.1
"""Gap of boxes, m, beyond which the network's messages have faded to less than a thousandth."""
_LEVEL = 0.01
"""Difference of bottoms, m, from which one object may lie on another."""


def influences(
    model: WorldModel,
    history: Sequence[Bodies],
    steps: int,
    robot: Floats | None = None,
    actor: str = ROBOT,
) -> tuple[Rollout, tuple[Influence, ...]]:
    """The future of some objects, and who changes it.

    Args:
        model: The world model.
        history: The same objects in the last steps; see `WorldModel.roll`.
        steps: How far ahead.
        robot: (HISTORY + steps, 6) of the pusher as it will move; the null action is that it is
            not there.
        actor: Source of the influences that the pusher has.

    Returns:
        The future as it will be, and the influences above the calibrated threshold, strongest
        first. A strength of one half is at the threshold.
    """
    ids = history[-1].ids
    first = model.roll(history, steps, robot)
    actual = first.states[0, :, :, POSITION]
    found = []
    if sources := _near_others(history[-1], first):
        without = model.roll(history, steps, robot, sources).states[..., POSITION]
        for i, other in zip(sources, without, strict=True):
            found += _changed(model, ids[i], ids, actual, other, skip=i)
    if robot is not None:
        idle = model.roll(history, steps).states[0, :, :, POSITION]
        found += _changed(model, actor, ids, actual, idle, skip=None)
    return first, tuple(sorted(found, key=lambda item: -item.strength))


def _near_others(now: Bodies, ahead: Rollout) -> tuple[int, ...]:
    """Indices of objects that may matter to another: what is far, or rests beside it, does not."""
    course = np.concatenate((now.states[None], ahead.states[0]))
    size = np.broadcast_to(now.size, (*course.shape[:2], 3))
    moves = np.linalg.norm(course[..., VELOCITY], axis=-1) > STOP_SPEED
    bottom = course[..., 2] - reach(course, size)[..., 2]
    carries = np.abs(bottom[..., :, None] - bottom[..., None, :]) > _LEVEL
    acts = (box_gaps(course, size) < _NEAR) & (moves[..., :, None] | moves[..., None, :] | carries)
    return tuple(int(i) for i in np.flatnonzero(acts.any(axis=(0, 2))))


def _changed(
    model: WorldModel,
    source: str,
    ids: Sequence[str],
    actual: Floats,
    other: Floats,
    skip: int | None,
) -> list[Influence]:
    """Influences of one source, from futures (T, N, 3) with and without it."""
    threshold = model.calibration.influence
    apart = np.linalg.norm(actual - other, axis=-1)
    found = []
    for j, target in enumerate(ids):
        away = float(apart[-1, j])
        if j == skip or away <= threshold:
            continue
        lag = INTERVAL * (1 + int(np.argmax(apart[:, j] > 0.5 * threshold)))
        found.append(Influence(source, target, away / (away + threshold), lag))
    return found
