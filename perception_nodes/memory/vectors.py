"""Search by appearance: exact, and only among vectors of one model.

The number of vectors is bounded (one for each object and model, and those of the key frames that
are kept), so that an exact search in memory is fast enough and no index has to be kept true.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.keyframes import Pictures
from perception_nodes.memory.rows import clean

_LATENTS = "SELECT object, stamp, 0 AS id, vector FROM latent WHERE model_id = :model ORDER BY id"
_PICTURES = """
SELECT object, stamp, id, vector FROM keyframe
WHERE model_id = :model AND vector IS NOT NULL AND id > :last ORDER BY id
"""
_COUNT = """
SELECT count(*) FROM keyframe WHERE model_id = :model AND vector IS NOT NULL AND id <= :last
"""


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


@dataclass(frozen=True, slots=True, eq=False)
class _Matrix:
    """Unit rows, and the object, time and key frame that each belongs to."""

    rows: Floats
    about: list[tuple[str, int, int]]

    @classmethod
    def of(cls, rows: Sequence[sqlite3.Row], size: int) -> _Matrix:
        rows = [row for row in rows if len(row["vector"]) == 4 * size]
        data = np.frombuffer(b"".join(row["vector"] for row in rows), "<f4").reshape(-1, size or 1)
        norms = np.linalg.norm(data, axis=1, keepdims=True)
        about = [(row["object"], row["stamp"], row["id"]) for row in rows]
        return cls(data / np.where(norms > 0, norms, 1.0), about)

    def __add__(self, other: _Matrix) -> _Matrix:
        if not len(other.about):
            return self
        if not len(self.about):
            return other
        return _Matrix(np.vstack([self.rows, other.rows]), self.about + other.about)


class Looks(Pictures):
    """Questions about appearance."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        super().__init__(path, db)
        self._matrices: dict[str, _Matrix] = {}

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
        wanted = np.asarray(vector, dtype=np.float32).ravel()
        parts = [part for part in self._parts(clean(model_id)) if part.about]
        if not parts:
            return []
        size = parts[0].rows.shape[1]
        if wanted.shape != (size,) or not np.isfinite(wanted).all():
            raise MemoryStoreError(
                f"vectors of {clean(model_id)!r} have {size} finite numbers",
                "give a latent of the same model",
            )
        wanted /= max(float(np.linalg.norm(wanted)), 1e-12)
        cosine = np.concatenate([part.rows @ wanted for part in parts])
        about = [part.about for part in parts]
        best = np.argpartition(-cosine, min(k, len(cosine)) - 1)[:k]
        order: list[int] = sorted(best.tolist(), key=lambda i: (-float(cosine[i]), i))
        found = []
        for i in order:
            part, row = (0, i) if i < len(about[0]) else (1, i - len(about[0]))
            found.append(Look(*about[part][row], float(cosine[i])))
        return found

    def _parts(self, model_id: str) -> tuple[_Matrix, _Matrix]:
        """Everything of a model; of the key frames only what is new is read again."""
        known = self._matrices.get(model_id, _Matrix(np.zeros((0, 1), np.float32), []))
        last = known.about[-1][2] if known.about else 0
        if self._rows(_COUNT, model=model_id, last=last)[0][0] != len(known.about):
            known, last = _Matrix(np.zeros((0, 1), np.float32), []), 0  # some were forgotten
        latents = self._rows(_LATENTS, model=model_id)
        added = self._rows(_PICTURES, model=model_id, last=last)
        newest = latents[-1:] or added[-1:]
        size = (
            known.rows.shape[1] if known.about else len(newest[0]["vector"]) // 4 if newest else 0
        )
        known = known + _Matrix.of(added, size)
        self._matrices = {model_id: known}  # one model at a time, as a robot has
        return _Matrix.of(latents, size), known
