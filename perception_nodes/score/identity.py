"""Detection and identity over a whole run: CLEAR MOT, IDF1 and HOTA.

All three work on the similarity of true objects and believed ones in each frame,
s = max(0, 1 - d / (2 g)), where d is the distance of their centers and g the gate of the true
object: a pair at the gate has s = 0.5. CLEAR MOT (Bernardin, Stiefelhagen 2008) and IDF1 (Ristani
et al. 2016) count pairs with s >= 0.5; HOTA (Luiten et al. 2020) averages over 19 thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_nodes.arrays import Floats

THRESHOLD = 0.5
_ALPHAS = np.arange(0.05, 0.99, 0.05)
_EPSILON = 1e-9


@dataclass(slots=True)
class IdentityScore:
    """Accumulates the frames of a run.

    Attributes:
        matches, misses, false_positives, switches: CLEAR MOT counts so far.
    """

    matches: int = 0
    misses: int = 0
    false_positives: int = 0
    switches: int = 0
    _frames: list[tuple[list[int], list[int], Floats]] = field(default_factory=list)
    _numbers: tuple[dict[str, int], dict[str, int]] = field(default_factory=lambda: ({}, {}))
    _partner: dict[str, str] = field(default_factory=dict)
    _previous: dict[str, str] = field(default_factory=dict)

    def add(
        self, truths: Sequence[str], states: Sequence[str], similarity: Floats
    ) -> dict[str, str]:
        """Add a frame.

        Args:
            truths: Ids of the T true objects.
            states: Ids of the S believed objects.
            similarity: (T, S), 0..1.

        Returns:
            Which state was matched to which true object. A pair of the last frame stays matched
            while it is similar enough.
        """
        numbers = [
            [known.setdefault(i, len(known)) for i in ids]
            for known, ids in zip(self._numbers, (truths, states), strict=True)
        ]
        self._frames.append((numbers[0], numbers[1], similarity))
        pairs = self._match(truths, states, similarity)
        self.matches += len(pairs)
        self.misses += len(truths) - len(pairs)
        self.false_positives += len(states) - len(pairs)
        for truth, state in pairs.items():
            self.switches += int(self._partner.get(truth, state) != state)
            self._partner[truth] = state
        if truths and states:
            self._previous = pairs
        return dict(pairs)

    def _match(
        self, truths: Sequence[str], states: Sequence[str], similarity: Floats
    ) -> dict[str, str]:
        gain = np.where(similarity >= THRESHOLD, similarity, 0.0)
        for i, truth in enumerate(truths):
            for j, state in enumerate(states):
                if self._previous.get(truth) == state and gain[i, j] > 0:
                    gain[i, j] += len(truths) + 1.0
        rows, columns = linear_sum_assignment(-gain)
        pairs = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True)]
        return {truths[i]: states[j] for i, j in pairs if gain[i, j] > 0}

    def figures(self) -> dict[str, float | int]:
        """Recall, precision, MOTA, IDF1, HOTA with its parts, and switches."""
        truths = self.matches + self.misses
        states = self.matches + self.false_positives
        errors = self.misses + self.false_positives + self.switches
        return {
            "recall": _ratio(self.matches, truths),
            "precision": _ratio(self.matches, states),
            "mota": 1.0 - errors / max(truths, 1),
            "idf1": self._idf1(),
            **self._hota(),
            "id_switches": self.switches,
            "switches_per_1000_frames": 1000.0 * self.switches / max(len(self._frames), 1),
        }

    def _counts(self) -> tuple[Floats, Floats]:
        truths, states = np.zeros(len(self._numbers[0])), np.zeros(len(self._numbers[1]))
        for t, s, _ in self._frames:
            truths[t] += 1
            states[s] += 1
        return truths, states

    def _idf1(self) -> float:
        truths, states = self._counts()
        together = np.zeros((len(truths), len(states)))
        for t, s, similarity in self._frames:
            together[np.ix_(t, s)] += similarity >= THRESHOLD
        rows, columns = linear_sum_assignment(-together)
        true_positives = float(together[rows, columns].sum())
        return _ratio(2 * true_positives, float(truths.sum() + states.sum()))

    def _hota(self) -> dict[str, float]:
        truths, states = self._counts()
        alignment = self._alignment(truths, states)
        shape = (len(_ALPHAS), len(truths), len(states))
        together, found = np.zeros(shape), np.zeros(len(_ALPHAS))
        for t, s, similarity in self._frames:
            rows, columns = linear_sum_assignment(-alignment[np.ix_(t, s)] * similarity)
            matched = similarity[rows, columns]
            for a, alpha in enumerate(_ALPHAS):
                enough = matched >= alpha - _EPSILON
                found[a] += enough.sum()
                together[a, np.array(t, int)[rows[enough]], np.array(s, int)[columns[enough]]] += 1
        missed, wrong = truths.sum() - found, states.sum() - found
        detection = found / np.maximum(found + missed + wrong, 1)
        union = np.maximum(truths[:, None] + states[None] - together, 1)
        association = (together * together / union).sum(axis=(1, 2)) / np.maximum(found, 1)
        return {
            "hota": float(np.sqrt(detection * association).mean()),
            "deta": float(detection.mean()),
            "assa": float(association.mean()),
        }

    def _alignment(self, truths: Floats, states: Floats) -> Floats:
        potential = np.zeros((len(truths), len(states)))
        for t, s, similarity in self._frames:
            both = similarity.sum(axis=0)[None] + similarity.sum(axis=1)[:, None] - similarity
            potential[np.ix_(t, s)] += similarity / np.maximum(both, _EPSILON)
        return potential / np.maximum(truths[:, None] + states[None] - potential, _EPSILON)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 1.0
