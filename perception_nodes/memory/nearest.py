"""The nearest of many unit vectors: exact while they are few, by cells once they are many.

The index is an inverted file: k-means cells of directions, and a search compares all vectors of the
cells whose centers are nearest (Sivic and Zisserman, Video Google, ICCV 2003; Jegou, Douze, Schmid,
Product quantization for nearest neighbor search, TPAMI 2011, section 4; here without quantization,
so that similarities are exact). New vectors wait outside the cells and are all compared. The index
lives in memory and follows from the vectors, so that nothing in the file has to be kept true.
"""

from __future__ import annotations

import math

import numpy as np

from perception_nodes.arrays import Floats, Ints

EXACT = 100_000
"""Vectors up to which every one is compared."""

_PROBED = 0.06  # share of the cells that are searched; recall is in docs/evidence/memory.md
_SAMPLE = 48  # vectors a cell from which its center is learned
_ROUNDS = 6
_FRESH = 0.1  # of the vectors in cells; if more wait outside, they get in
_BLOCK = 4096  # rows that are compared with all centers at once


class Nearest:
    """Unit vectors in numbered rows, which only grow in number.

    Args:
        size: Length of a vector.
        exact: How many are compared one by one before there are cells.
    """

    def __init__(self, size: int, exact: int = EXACT) -> None:
        self._exact = exact
        self._centers: Floats = np.zeros((0, size), np.float32)
        self._learned = 0  # vectors from which the centers were learned
        self._inside: Floats = np.zeros((0, size), np.float32)  # sorted by cell
        self._numbers: Ints = np.zeros(0, np.int64)  # rows of `inside`
        self._starts: Ints = np.zeros(1, np.int64)  # where each cell begins in `inside`
        self._outside: Floats = np.zeros((0, size), np.float32)  # with room for more
        self._waiting = 0  # how many of them are filled

    def __len__(self) -> int:
        return len(self._inside) + self._waiting

    @property
    def size(self) -> int:
        """Length of a vector."""
        return int(self._inside.shape[1])

    def add(self, rows: Floats) -> None:
        """Append (N, D) unit vectors."""
        wanted = self._waiting + len(rows)
        if wanted > len(self._outside):
            room = np.zeros((max(wanted, 2 * len(self._outside)), self.size), np.float32)
            room[: self._waiting] = self._outside[: self._waiting]
            self._outside = room
        self._outside[self._waiting : wanted] = rows
        self._waiting = wanted
        if len(self) > self._exact and wanted > _FRESH * len(self._inside):
            self._sort()

    def search(self, vector: Floats, k: int) -> list[tuple[int, float]]:
        """Row numbers and cosines of the `k` nearest to a unit vector, nearest first."""
        numbers: list[Ints] = [np.arange(len(self._inside), len(self))]
        cosines: list[Floats] = [self._outside[: self._waiting] @ vector]
        count = math.ceil(_PROBED * len(self._centers))
        if count:
            order = np.argpartition(-(self._centers @ vector), count - 1)
            for cell in order[:count].tolist():
                part = slice(int(self._starts[cell]), int(self._starts[cell + 1]))
                numbers.append(self._numbers[part])
                cosines.append(self._inside[part] @ vector)
        number, cosine = np.concatenate(numbers), np.concatenate(cosines)
        if not len(number):
            return []
        best = np.argpartition(-cosine, min(k, len(cosine)) - 1)[:k].tolist()
        found = [(int(number[i]), float(cosine[i])) for i in best]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def _sort(self) -> None:
        """Take what waits into the cells; learn new centers whenever the vectors have doubled."""
        rows = np.vstack([self._inside, self._outside[: self._waiting]])
        rows[self._numbers] = self._inside  # in order of their numbers
        if len(rows) >= 2 * self._learned:
            self._centers, self._learned = _centers(rows), len(rows)
            owner = _owner(rows, self._centers)
        else:
            known = np.repeat(np.arange(len(self._centers)), np.diff(self._starts))
            owner = np.concatenate([known, _owner(rows[len(known) :], self._centers)])
            owner[self._numbers] = known
        self._numbers = np.argsort(owner, kind="stable")
        self._starts = np.searchsorted(owner[self._numbers], np.arange(len(self._centers) + 1))
        self._inside = rows[self._numbers]
        self._outside, self._waiting = self._outside[:0], 0


def _centers(rows: Floats) -> Floats:
    """Spherical k-means (Dhillon and Modha, 2001) on a sample, the same for the same rows."""
    count = round(math.sqrt(len(rows)))
    random = np.random.default_rng(0)
    sample = rows[random.choice(len(rows), min(len(rows), _SAMPLE * count), replace=False)]
    centers: Floats = sample[:count]
    for _ in range(_ROUNDS):
        sums = np.zeros_like(centers)
        np.add.at(sums, _owner(sample, centers), sample)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centers = np.where(norms > 0, sums / np.where(norms > 0, norms, 1.0), centers)
    return centers


def _owner(rows: Floats, centers: Floats) -> Ints:
    """(N,) number of the nearest center of each row."""
    blocks = [rows[i : i + _BLOCK] for i in range(0, len(rows), _BLOCK)]
    return np.concatenate([(block @ centers.T).argmax(axis=1) for block in blocks])
