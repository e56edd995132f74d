"""Compares object states with truth, frame by frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.scene import UNSCORED_LABELS, ObjectState, Truth, Visibility
from perception_nodes.score.identity import IdentityScore

_MIN_GATE = 0.05
_PUSHED = 0.02
_NEES_95 = 7.815  # quantile of chi squared with 3 degrees of freedom


def gate(truth: ObjectState) -> float:
    """How far a state may be from a true object to count as this object, m."""
    return max(_MIN_GATE, 0.5 * float(truth.size.max()))


def similarity(truths: Sequence[ObjectState], states: Sequence[ObjectState]) -> Floats:
    """(T, S) similarity of centers: 1 at the same place, 0.5 at the gate, 0 beyond twice that."""
    if not truths or not states:
        return np.zeros((len(truths), len(states)))
    a, b = np.stack([t.position for t in truths]), np.stack([s.position for s in states])
    distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
    gates = np.array([gate(t) for t in truths])
    return np.asarray(np.maximum(0.0, 1.0 - distance / (2.0 * gates[:, None])))


@dataclass(slots=True)
class _Hiding:
    """A stretch in which a true object is not visible."""

    seen_at: Floats
    identity: str | None
    pushed: bool = False
    known: int = 0
    frames: int = 0


@dataclass(slots=True)
class Score:
    """Accumulates truth and belief.

    Only true objects that were visible at least once count: nobody can know the others. Believed
    objects that are lost or unlikely to exist are not claims and don't count as false. True
    objects with a label in `UNSCORED_LABELS`, and states nearest to them, are left out.

    Attributes:
        frames: With truth, so far.
    """

    frames: int = 0
    everything: IdentityScore = field(default_factory=IdentityScore)
    visible: IdentityScore = field(default_factory=IdentityScore)
    _seen: set[str] = field(default_factory=set)
    _hiding: dict[str, _Hiding] = field(default_factory=dict)
    _identity: dict[str, str] = field(default_factory=dict)
    _last_place: dict[str, Floats] = field(default_factory=dict)
    _errors: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _nees: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _confusion: Floats = field(default_factory=lambda: np.zeros((4, 4), dtype=np.int64))
    _episodes: list[tuple[bool, float]] = field(default_factory=list)

    def add(self, truth: Truth, states: Sequence[ObjectState]) -> None:
        """Add a frame."""
        self.frames += 1
        self._seen |= {t.id for t in truth.objects if t.visibility is Visibility.VISIBLE}
        scored = [t for t in truth.objects if t.id in self._seen and t.label not in UNSCORED_LABELS]
        claims = _without_unscored(
            [s for s in states if s.existence >= 0.5 and s.visibility is not Visibility.LOST],
            truth,
            scored,
        )
        table = similarity(scored, claims)
        pairs = self.everything.add([t.id for t in scored], [s.id for s in claims], table)
        by_id = {s.id: s for s in states}
        self._add_visible(scored, claims, table, pairs)
        for true in scored:
            # However wrong the place of a hidden object is, its error counts: so it is followed by
            # the identity that it had when it was last seen.
            name = pairs.get(true.id, self._identity.get(true.id, ""))
            if true.visibility is Visibility.VISIBLE:
                name = pairs.get(true.id, "")
            self._follow(true, by_id.get(name), matched=true.id in pairs)

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

    def _follow(self, true: ObjectState, state: ObjectState | None, *, matched: bool) -> None:
        condition = self._condition(true, state, matched)
        if state is None:
            return
        offset = state.position - true.position
        last = self._last_place.get(true.id, true.position)
        staying = float(np.linalg.norm(last - true.position))
        self._errors[condition].append((float(np.linalg.norm(offset)), staying))
        covariance = state.pose_covariance[:3, :3] + np.eye(3) * 1e-9
        nees = float(offset @ np.linalg.solve(covariance, offset))
        self._nees["visible" if condition == "visible" else "hidden"].append(nees)
        self._confusion[true.visibility, state.visibility] += 1

    def _condition(self, true: ObjectState, state: ObjectState | None, matched: bool) -> str:
        hiding = self._hiding.get(true.id)
        if true.visibility is Visibility.VISIBLE:
            if hiding is not None and state is not None:
                kept = state.id == hiding.identity
                self._episodes.append((kept, hiding.known / max(hiding.frames, 1)))
                del self._hiding[true.id]
            if state is not None:
                self._identity[true.id] = state.id
            self._last_place[true.id] = true.position
            return "visible"
        if hiding is None:
            place = self._last_place.get(true.id, true.position)
            hiding = _Hiding(place, self._identity.get(true.id))
            self._hiding[true.id] = hiding
        hiding.frames += 1
        hiding.known += matched
        hiding.pushed |= bool(np.linalg.norm(true.position - hiding.seen_at) > _PUSHED)
        return "hidden_pushed" if hiding.pushed else "hidden_untouched"

    def figures(self) -> dict[str, Any]:
        """Everything, ready for JSON; see docs/score.md."""
        total = int(self._confusion.sum())
        agreed = int(np.trace(self._confusion))
        episodes = self._episodes
        return {
            "frames": self.frames,
            "all": self.everything.figures(),
            "visible": self.visible.figures(),
            "hidden": {
                "episodes": len(episodes),
                "kept": sum(kept for kept, _ in episodes),
                "recall": float(np.mean([known for _, known in episodes])) if episodes else None,
            },
            "position": {name: _position(errors) for name, errors in sorted(self._errors.items())},
            "calibration": {name: _calibration(n) for name, n in sorted(self._nees.items())},
            "visibility": {
                "accuracy": agreed / total if total else None,
                "confusion": self._confusion.tolist(),
            },
        }


def _without_unscored(
    states: Sequence[ObjectState], truth: Truth, scored: Sequence[ObjectState]
) -> list[ObjectState]:
    """Drop states that are nearer to an unscored true thing than to any scored object."""
    unscored = [t for t in truth.objects if t.label in UNSCORED_LABELS]
    if not unscored or not states:
        return list(states)
    kept = []
    for state in states:
        inside = [_inside(state.position, t) for t in unscored]
        near = [float(np.linalg.norm(state.position - t.position)) <= gate(t) for t in scored]
        if any(near) or not any(inside):
            kept.append(state)
    return kept


def _inside(point: Floats, thing: ObjectState) -> bool:
    local = (point - thing.position) @ thing.pose.rotation
    return bool((np.abs(local) <= 0.5 * thing.size + _MIN_GATE).all())


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
