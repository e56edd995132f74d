"""Which states are of things that nobody is asked to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.scene import ObjectState, Truth, Visibility

MIN_GATE = 0.05
"""An object is found if a state is no farther from it than this, m, or half its extent."""


def gate(truth: ObjectState) -> float:
    """How far a state may be from a true object to count as this object, m."""
    return max(MIN_GATE, 0.5 * float(truth.size.max()))


def without_unscored(
    states: Sequence[ObjectState], truth: Truth, scored: Sequence[ObjectState]
) -> list[ObjectState]:
    """Drop states that lie on something that is not scored, and near no scored object."""
    unscored = _unscored(truth, scored)
    if not unscored or not states:
        return list(states)
    return [
        s for s in states if _near(s, scored) or not any(_inside(s.position, t) for t in unscored)
    ]


@dataclass(slots=True)
class Unasked:
    """Remembers which states are of things that are not scored: those seen on one.

    A thing that is not scored may move unseen as objects do; a state that stays where it was seen
    is no claim about a scored object.
    """

    _states: set[str] = field(default_factory=set)

    def without(
        self, claims: Sequence[ObjectState], truth: Truth, scored: Sequence[ObjectState]
    ) -> list[ObjectState]:
        """The claims that are about scored objects, as far as can be told.

        A claim that lies on something that is not scored, and near no scored object, is about that;
        it stays so out of sight.
        """
        unscored = _unscored(truth, scored)
        kept = []
        for state in claims:
            if _near(state, scored):
                self._states.discard(state.id)
            elif any(_inside(state.position, t) for t in unscored):
                if state.visibility is Visibility.VISIBLE:
                    self._states.add(state.id)
                continue
            elif state.visibility is Visibility.VISIBLE:
                self._states.discard(state.id)
            if state.id not in self._states:
                kept.append(state)
        return kept


def _unscored(truth: Truth, scored: Sequence[ObjectState]) -> list[ObjectState]:
    asked = {t.id for t in scored}
    return [t for t in truth.objects if t.id not in asked]


def _near(state: ObjectState, things: Sequence[ObjectState]) -> bool:
    return any(float(np.linalg.norm(state.position - t.position)) <= gate(t) for t in things)


def _inside(point: Floats, thing: ObjectState) -> bool:
    local = (point - thing.position) @ thing.pose.rotation
    return bool((np.abs(local) <= 0.5 * thing.size + MIN_GATE).all())
