"""Choose a compact set from many candidates: correct, hard, different, and from every leaf.

After CHIMERA (Zhu et al., arXiv 2603.00889), carried over from questions to scenarios: a taxonomy
instead of topics, a second simulator instead of a second verifier, the present model's error as
difficulty, trajectories instead of n-grams for duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class Candidates:
    """What is known about n scenarios.

    Attributes:
        leaf: [n] index into the taxonomy.
        reproducible: [n] whether the same seed gave the same bytes again.
        correct: [n] whether an independent simulation agrees with the answer.
        difficulty: [n] error of the present model.
        embedding: [n, d] of the trajectory; what points the same way is a duplicate.
    """

    leaf: Ints
    reproducible: Bools
    correct: Bools
    difficulty: Floats
    embedding: Floats


@dataclass(frozen=True)
class Selection:
    """A chosen set.

    Attributes:
        indices: [k] into the candidates, k at most what was asked for.
        counts: How many candidates were left after each check.
        coverage: Share of the taxonomy's leaves that the set has episodes of.
    """

    indices: Ints
    counts: dict[str, int]
    coverage: float


def compact(
    candidates: Candidates,
    size: int,
    leaves: int,
    easiest: float = 0.6,
    similarity: float = 0.95,
) -> Selection:
    """Choose scenarios in turn from all leaves.

    Args:
        candidates: To choose from, in the order in which they are preferred.
        size: How many to choose; fewer where not enough pass.
        leaves: Of the taxonomy, whether or not a candidate belongs to them.
        easiest: Share of each leaf that is too easy to teach anything; 0 keeps all.
        similarity: Cosine from which two scenarios of a leaf are duplicates.
    """
    sound = candidates.reproducible & candidates.correct
    hard = sound & _hard(candidates, sound, leaves, easiest)
    queues = [
        _distinct(np.flatnonzero(hard & (candidates.leaf == leaf)), candidates, similarity)
        for leaf in range(leaves)
    ]
    chosen = _in_turn(queues, size)
    counts = {
        "candidates": len(candidates.leaf),
        "reproducible": int(candidates.reproducible.sum()),
        "and correct": int(sound.sum()),
        "and hard": int(hard.sum()),
        "and different": sum(map(len, queues)),
        "chosen": len(chosen),
    }
    return Selection(chosen, counts, coverage(candidates.leaf[chosen], leaves))


def coverage(leaf: Ints, leaves: int) -> float:
    """Share of the leaves that occur."""
    return len(np.unique(leaf)) / leaves


def overlap(a: Floats, b: Floats, decimals: int = 6) -> int:
    """How many rows of a [n, d] are also rows of b [m, d]: episodes leaked into a test."""
    known = {row.tobytes() for row in np.round(b, decimals) + 0.0}
    return sum(row.tobytes() in known for row in np.round(a, decimals) + 0.0)


def _hard(candidates: Candidates, sound: Bools, leaves: int, easiest: float) -> Bools:
    """Above the quantile of the difficulty in their own leaf, so that no leaf is lost."""
    hard = np.zeros(len(sound), dtype=bool)
    for leaf in range(leaves):
        mine = sound & (candidates.leaf == leaf)
        if mine.any():
            limit = np.quantile(candidates.difficulty[mine], easiest)
            hard |= mine & (candidates.difficulty >= limit)
    return hard


def _distinct(indices: Ints, candidates: Candidates, similarity: float) -> list[int]:
    """Those that resemble none before them."""
    vectors = candidates.embedding[indices]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.maximum(norms, 1e-12)
    kept: list[int] = []
    for k in range(len(indices)):
        if not kept or float((vectors[kept] @ vectors[k]).max()) < similarity:
            kept.append(k)
    return [int(indices[k]) for k in kept]


def _in_turn(queues: list[list[int]], size: int) -> Ints:
    """One of each queue, again and again, until enough or all are taken."""
    chosen: list[int] = []
    for turn in range(max(map(len, queues), default=0)):
        for queue in queues:
            if turn < len(queue) and len(chosen) < size:
                chosen.append(queue[turn])
    return np.array(chosen, dtype=np.int64)
