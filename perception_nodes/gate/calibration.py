"""What a gate would have missed on frames that were all searched, and the threshold to choose."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

from perception_nodes.gate.conformal import choose_threshold, upper_bound
from perception_nodes.gate.promise import corrected
from perception_nodes.gate.source import GatedSource
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.scene import Frame, Slots

THRESHOLDS = (0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08)
Looks = Sequence[tuple[Frame, Slots]]
"""Frames of a sequence in order of time, with what a search of each found."""


class Known:
    """A slot source that gives what was found before."""

    def __init__(self, looks: Looks) -> None:
        self._slots = {frame.stamp: slots for frame, slots in looks}
        self.model_id = looks[0][1].model_id if looks else ""

    def find(self, frame: Frame) -> Slots:
        """Those of the frame."""
        return self._slots[frame.stamp]

    def reset(self) -> None:
        """Nothing depends on the past."""


def errors_of_skips(looks: Looks, gate: GatedSource) -> list[float]:
    """How far searching each frame that a gate skips would have moved a visible object, m.

    Args:
        looks: A sequence.
        gate: Its source is `Known`; its `frames` and `rested` count on.
    """
    tracker, errors = ObjectTracker(), []
    for frame, slots in looks:
        found, believed = gate.find(frame), tracker.states()
        if found.rested:
            searched, _ = copy.deepcopy(tracker).update(frame, slots)
            errors.append(corrected(believed, searched))
            found = replace(slots, items=(), rested=True)
        gate.learn(frame.stamp, tracker.update(frame, found)[0])
    return errors


@dataclass(frozen=True, slots=True)
class Tried:
    """A threshold on the calibration sequences.

    Attributes:
        threshold: Meters.
        searched: Share of the frames that are searched.
        bound: Meters that errors of skips keep with the stated probability; infinite if unknown.
    """

    threshold: float
    searched: float
    bound: float


def calibrate(
    sequences: Sequence[Looks], tolerance: float, risk: float
) -> tuple[float, tuple[Tried, ...]]:
    """The largest threshold that keeps a promise, 0 if none does, and all that were tried.

    Args:
        sequences: Taken to be exchangeable with those to come; at least 1 / risk - 1 of them.
        tolerance: What errors of skips shall not exceed, m.
        risk: Share of skips for which they may.

    Raises:
        InputError: The risk is not between 0 and 1.
    """
    errors: dict[float, list[list[float]]] = {}
    tried = []
    for threshold in THRESHOLDS:
        gates = [GatedSource(Known(looks), threshold) for looks in sequences]
        errors[threshold] = [
            errors_of_skips(looks, gate) for looks, gate in zip(sequences, gates, strict=True)
        ]
        frames, rested = sum(g.frames for g in gates), sum(g.rested for g in gates)
        searched = 1.0 - rested / max(frames, 1)
        tried.append(Tried(threshold, searched, upper_bound(errors[threshold], risk)))
    return choose_threshold(errors, tolerance, risk), tuple(tried)
