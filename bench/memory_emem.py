"""eMEM (arXiv 2606.03374, `pip install emem`), the closest open rival, over the same events.

Its text encoder needs weights from the network; it gets the hashed TF-IDF vectors of the arm
"embedding" instead. Every event is an observation with text, place and time; questions go to its
semantic search with the time up to which they ask. It has no causal edges.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from emem import SpatioTemporalMemory  # type: ignore[import-not-found]
from emem.embeddings import CallableEmbeddingProvider  # type: ignore[import-not-found]
from memory_questions import Question
from memory_world import SECOND

from perception_nodes.arrays import Floats
from perception_nodes.memory.answers import LoggedEvent


class Rival:
    """An eMEM memory of one episode.

    Args:
        events: The log.
        embed: (N, D) vectors of N texts.
        size: D.
    """

    def __init__(self, events: Sequence[LoggedEvent], embed: object, size: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._memory = SpatioTemporalMemory(
            str(Path(self._folder.name) / "memory.db"),
            embedding_provider=CallableEmbeddingProvider(embed, dim=size),
        )
        self._by_id: dict[str, LoggedEvent] = {}
        origin = np.zeros(3)
        for event in events:
            x, y, z = (origin if event.place is None else event.place).tolist()
            key = self._memory.add(event.text, x, y, z, timestamp=event.stamp / SECOND)
            self._by_id[key] = event
        self._memory._ensure_flushed()

    def find(self, question: Question, k: int) -> list[LoggedEvent]:
        """Its `k` best observations up to the time of the question."""
        found = self._memory.store.semantic_search(
            question.text, n_results=k, time_range=(0.0, question.at / SECOND + 1e-3)
        )
        return [self._by_id[item.id] for item in found if item.id in self._by_id]


def normalized(vectors: Floats) -> Floats:
    """Rows of unit length, float32, as its index takes them; a row of zeros stays."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
