"""A simulated robot knows of its own tool by its joints: what foresees objects is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from perception_nodes.cjepa.actors import ROBOT, Actor
from perception_nodes.cjepa.foresight import Foresight
from perception_nodes.scene import Sample, Truth
from perception_simulation.model import PUSHER


def told_of_tool(samples: Iterable[Sample], foresight: Foresight) -> Iterator[Sample]:
    """The samples, each after the foresight was told of the tool at its time.

    They must be taken one by one, not ahead of what believes them.
    """
    for sample in samples:
        foresight.tell(None if sample.truth is None else tool(sample.truth))
        yield sample


def tool(truth: Truth) -> Actor | None:
    """The tip of the pusher and its velocity; none if there is no pusher."""
    for item in truth.objects:
        if item.label == PUSHER:
            tip = item.position - np.array([0.0, 0.0, item.size[2] / 2.0])
            return Actor(ROBOT, tip, item.velocity)
    return None
