"""Search by appearance, only among vectors of one model.

Vectors of key frames are read once and kept in memory (`nearest.py`: exact up to 100,000, by cells
beyond); the few latents of objects, which change, are read for each question.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.keyframes import Pictures
from perception_nodes.memory.nearest import Nearest
from perception_nodes.memory.rows import clean

_LATENTS = "SELECT object, stamp, 0 AS id, vector FROM latent WHERE model_id = :model ORDER BY id"
_PICTURES = """
SELECT object, stamp, id, vector FROM keyframe
WHERE model_id = :model AND id > :last ORDER BY id LIMIT :k
"""
_AT_ONCE = 20_000  # vectors that are read
_DELETED = "SELECT value FROM progress WHERE name = 'keyframes deleted'"

About = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """An appearance that is like another one.

    Attributes:
        object: Whose it is.
        stamp: When it looked so, ns.
        keyframe: Number of the picture; 0 if there is none.
        similarity: Cosine, -1..1.
    """

    object: str
    stamp: int
    keyframe: int
    similarity: float


@dataclass(slots=True, eq=False)
class _Gallery:
    """The key frames of a model, by their rows in `index`: object, time and number."""

    deleted: int  # how many key frames of the memory had been deleted when it was begun
    index: Nearest
    about: list[About] = field(default_factory=list)
    last: int = 0  # number of the newest one that was read


class Looks(Pictures):
    """Questions about appearance."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        super().__init__(path, db)
        self._galleries: dict[str, _Gallery] = {}

    def similar(self, vector: Floats, model_id: str, k: int = 10) -> list[Look]:
        """The appearances that are most like a vector, most similar first.

        Args:
            vector: (D,) latent.
            model_id: The model that made it. Only vectors of the same model are compared: those
                of others mean something else.
            k: At most so many.

        Raises:
            MemoryStoreError: The vector is not of the size of that model's, or not finite.
        """
        model = clean(model_id)
        wanted = np.asarray(vector, dtype=np.float32).ravel()
        latents = self._rows(_LATENTS, model=model)
        gallery = self._gallery(model, latents)
        if gallery is None:
            return []
        size = gallery.index.size
        if wanted.shape != (size,) or not np.isfinite(wanted).all():
            raise MemoryStoreError(
                f"vectors of {model!r} have {size} finite numbers",
                "give a latent of the same model",
            )
        wanted /= max(float(np.linalg.norm(wanted)), 1e-12)
        rows, about = _units(latents, size)
        found = [Look(*about[i], float(c)) for i, c in enumerate((rows @ wanted).tolist())]
        found += [Look(*gallery.about[i], c) for i, c in gallery.index.search(wanted, k)]
        found.sort(key=lambda look: -look.similarity)
        return found[:k]

    def _gallery(self, model_id: str, latents: Sequence[sqlite3.Row]) -> _Gallery | None:
        """The key frames of a model, of which only new ones are read; None without any vector."""
        deleted = int(self._rows(_DELETED)[0][0])
        known = self._galleries.get(model_id)
        if known is not None and known.deleted != deleted:
            known = None  # some were forgotten
        while True:
            last = 0 if known is None else known.last
            added = self._rows(_PICTURES, model=model_id, last=last, k=_AT_ONCE)
            if known is None and (first := [*latents[-1:], *added[:1]]):
                known = _Gallery(deleted, Nearest(len(first[0]["vector"]) // 4))
            if known is None or not added:
                break
            rows, about = _units(added, known.index.size)
            known.index.add(rows)
            known.about += about
            known.last = added[-1]["id"]
            if len(added) < _AT_ONCE:
                break
        self._galleries = {} if known is None else {model_id: known}  # a robot has one model
        return known


def _units(rows: Sequence[sqlite3.Row], size: int) -> tuple[Floats, list[About]]:
    """Vectors of length one, and what each belongs to; those of another size are left out."""
    rows = [row for row in rows if len(row["vector"]) == 4 * size]
    data = np.frombuffer(b"".join(row["vector"] for row in rows), "<f4").reshape(-1, size)
    norms = np.linalg.norm(data, axis=1, keepdims=True)
    about = [(row["object"], row["stamp"], row["id"]) for row in rows]
    return data / np.where(norms > 0, norms, 1.0), about
