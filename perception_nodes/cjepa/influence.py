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
from perception_nodes.cjepa.bodies import INTERVAL, POSITION
from perception_nodes.cjepa.model import Bodies, Rollout, WorldModel
from perception_nodes.scene import Influence


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
    everything = model.roll(history, steps, robot, (None, *range(len(ids))))
    actual = everything.states[0, :, :, POSITION]
    found = []
    for i, source in enumerate(ids):
        other = everything.states[1 + i, :, :, POSITION]
        found += _changed(model, source, ids, actual, other, skip=i)
    if robot is not None:
        idle = model.roll(history, steps).states[0, :, :, POSITION]
        found += _changed(model, actor, ids, actual, idle, skip=None)
    first = Rollout(everything.states[:1], everything.deviations[:1])
    return first, tuple(sorted(found, key=lambda item: -item.strength))


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
