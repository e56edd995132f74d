"""Compares object states with truth, frame by frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.scene import UNSCORED_LABELS, ObjectState, Truth, Visibility
from perception_nodes.score.hidden import HiddenObjects
from perception_nodes.score.identity import IdentityScore
from perception_nodes.score.unasked import Unasked, gate, without_unscored

_NEES_95 = 7.815  # quantile of chi squared with 3 degrees of freedom


def similarity(truths: Sequence[ObjectState], states: Sequence[ObjectState]) -> Floats:
    """(T, S) similarity of centers: 1 at the same place, 0.5 at the gate, 0 beyond twice that."""
    if not truths or not states:
        return np.zeros((len(truths), len(states)))
    a, b = np.stack([t.position for t in truths]), np.stack([s.position for s in states])
    distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
    gates = np.array([gate(t) for t in truths])
    return np.asarray(np.maximum(0.0, 1.0 - distance / (2.0 * gates[:, None])))


@dataclass(slots=True)
class Score:
    """Accumulates truth and belief.

    Only true objects that were visible at least once count: nobody can know the others. Believed
    objects that are lost or unlikely to exist are not claims and don't count as false. True
    objects with a label in `UNSCORED_LABELS` and those not seen yet, and states that lie on them,
    are left out.

    What is *knowable* leaves out more: true objects that were moved beyond their gate while nobody
    saw them, until they are seen again (a state that is LOST agrees with these, and a right guess
    counts neither way), and states of unscored things that moved unseen (see `Unasked`).

    Attributes:
        frames: With truth, so far.
    """

    frames: int = 0
    everything: IdentityScore = field(default_factory=IdentityScore)
    visible: IdentityScore = field(default_factory=IdentityScore)
    knowable: IdentityScore = field(default_factory=IdentityScore)
    _unasked: Unasked = field(default_factory=Unasked)
    _seen: set[str] = field(default_factory=set)
    _hidden: HiddenObjects = field(default_factory=HiddenObjects)
    _errors: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _nees: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _confusion: Floats = field(default_factory=lambda: np.zeros((4, 4), dtype=np.int64))

    def add(self, truth: Truth, states: Sequence[ObjectState]) -> None:
        """Add a frame."""
        self.frames += 1
        self._seen |= {t.id for t in truth.objects if t.visibility is Visibility.VISIBLE}
        scored = [t for t in truth.objects if t.id in self._seen and t.label not in UNSCORED_LABELS]
        stated = [s for s in states if s.existence >= 0.5 and s.visibility is not Visibility.LOST]
        claims = without_unscored(stated, truth, scored)
        table = similarity(scored, claims)
        pairs = self.everything.add([t.id for t in scored], [s.id for s in claims], table)
        self._add_visible(scored, claims, table, pairs)
        displaced = {t.id for t in scored if self._displaced(t)}
        self._add_knowable(truth, scored, stated, pairs, displaced)
        by_id = {s.id: s for s in states}
        for true in scored:
            name = pairs.get(true.id)
            if true.visibility is not Visibility.VISIBLE:
                # However wrong the place of a hidden object is, its error counts: so it is
                # followed by the identity that it had when it was last seen.
                name = self._hidden.owner(true) or name
            condition = self._hidden.follow(true, truth.stamp, pairs.get(true.id))
            if name in by_id:
                self._compare(condition, true, by_id[name], true.id in displaced)

    def _displaced(self, true: ObjectState) -> bool:
        """Whether an object was moved out of its gate unseen, so that nobody can know its place."""
        if true.visibility is Visibility.VISIBLE:
            return False
        moved = float(np.linalg.norm(true.position - self._hidden.last_place(true)))
        return moved > gate(true)

    def _add_knowable(
        self,
        truth: Truth,
        scored: Sequence[ObjectState],
        stated: Sequence[ObjectState],
        pairs: Mapping[str, str],
        displaced: Collection[str],
    ) -> None:
        guessed = {state for name, state in pairs.items() if name in displaced}
        asked = [t for t in scored if t.id not in displaced]
        kept = self._unasked.without([s for s in stated if s.id not in guessed], truth, scored)
        table = similarity(asked, kept)
        self.knowable.add([t.id for t in asked], [s.id for s in kept], table)

    def _add_visible(
        self,
        scored: Sequence[ObjectState],
        claims: Sequence[ObjectState],
        table: Floats,
        pairs: Mapping[str, str],
    ) -> None:
        hidden = {t.id for t in scored if t.visibility is not Visibility.VISIBLE}
        taken = {state for truth, state in pairs.items() if truth in hidden}
        rows = [i for i, t in enumerate(scored) if t.id not in hidden]
        columns = [
            j
            for j, s in enumerate(claims)
            if s.visibility is Visibility.VISIBLE and s.id not in taken
        ]
        self.visible.add(
            [scored[i].id for i in rows],
            [claims[j].id for j in columns],
            table[np.ix_(rows, columns)],
        )

    def _compare(
        self, condition: str, true: ObjectState, state: ObjectState, displaced: bool
    ) -> None:
        lost = displaced and state.visibility is Visibility.LOST
        self._confusion[Visibility.LOST if lost else true.visibility, state.visibility] += 1
        if state.visibility is Visibility.LOST:
            return  # It claims no place.
        offset = state.position - true.position
        staying = float(np.linalg.norm(self._hidden.last_place(true) - true.position))
        self._errors[condition].append((float(np.linalg.norm(offset)), staying))
        covariance = state.pose_covariance[:3, :3] + np.eye(3) * 1e-9
        nees = float(offset @ np.linalg.solve(covariance, offset))
        self._nees["visible" if condition == "visible" else "hidden"].append(nees)

    def figures(self) -> dict[str, Any]:
        """Everything, ready for JSON; see docs/score.md."""
        total = int(self._confusion.sum())
        agreed = int(np.trace(self._confusion))
        return {
            "frames": self.frames,
            "all": self.everything.figures(),
            "visible": self.visible.figures(),
            "knowable": self.knowable.figures(),
            "hidden": self._hidden.figures(),
            "position": {name: _position(errors) for name, errors in sorted(self._errors.items())},
            "calibration": {name: _calibration(n) for name, n in sorted(self._nees.items())},
            "visibility": {
                "accuracy": agreed / total if total else None,
                "confusion": self._confusion.tolist(),
            },
        }


def _position(errors: Sequence[tuple[float, float]]) -> dict[str, float | int]:
    values = np.array(errors)
    return {
        "count": len(values),
        "median_m": float(np.median(values[:, 0])),
        "p95_m": float(np.quantile(values[:, 0], 0.95)),
        "stay_median_m": float(np.median(values[:, 1])),
    }


def _calibration(nees: Sequence[float]) -> dict[str, float | int]:
    values = np.array(nees)
    return {
        "count": len(values),
        "nees_mean": float(values.mean()),
        "nees_median": float(np.median(values)),
        "inside_95": float((values <= _NEES_95).mean()),
    }
