"""Regions of the image and what lies beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats, Ints
from perception_nodes.viewrope.pairs import Pairs

Joins = list[tuple[int, int]]
"""Pairs of regions that belong together."""


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Regions and what lies beside them; row and column 0 of the tables are the background.

    Attributes:
        labels: (h, w) int32.
        linked: (K, K) number of neighboring pixels on one surface.
        bend: (K, K) sum of the concavity there, radians.
        height: (K, K) sum of the height there, meters.
        behind: (K, K) number of neighbors where the row's region is the farther of two surfaces.
    """

    labels: Ints
    linked: Floats
    bend: Floats
    height: Floats
    behind: Floats

    @property
    def length(self) -> Floats:
        """(K, K) length of the common border in pixels."""
        return np.asarray(self.linked + self.behind + self.behind.T)

    def joined(self, joins: Joins) -> Regions:
        """The same with pairs of regions made one, numbered without gaps in the same order."""
        if not joins:
            return self
        parent = list(range(len(self.linked)))

        def root(i: int) -> int:
            while parent[i] != i:
                i = parent[i]
            return i

        for i, j in joins:
            low, high = sorted((root(i), root(j)))
            parent[high] = low
        for i, above in enumerate(parent):  # a parent comes first, so it knows its root already
            parent[i] = parent[above]
        roots = np.array(parent)
        groups = (np.cumsum(roots == np.arange(len(roots))) - 1)[roots]
        count = int(groups.max()) + 1
        beside = np.flatnonzero(self.length)  # most regions are far from most others
        rows, columns = np.divmod(beside, len(roots))
        cells = groups[rows] * count + groups[columns]

        def summed(table: Floats) -> Floats:
            total = np.bincount(cells, table.ravel()[beside], count * count).reshape(count, count)
            np.fill_diagonal(total, 0.0)
            return np.asarray(total)

        tables = (self.linked, self.bend, self.height, self.behind)
        return Regions(groups.astype(np.int32)[self.labels], *map(summed, tables))


class Members:
    """The flat pixel indices of each region of (h, w) labels below 65536, in order of the image.

    Attributes:
        sizes: (K,) how many pixels each region has, the background first.
    """

    def __init__(self, labels: Ints) -> None:
        flat = labels.ravel().astype(np.uint16)  # NumPy sorts short numbers in linear time
        self._order = np.argsort(flat, kind="stable")
        self.sizes = np.bincount(flat)
        self._ends = np.cumsum(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, region: int) -> Ints:
        end = self._ends[region]
        return self._order[end - self.sizes[region] : end]


def tabulate(pairs: Pairs, labels: Ints, bend: Floats, height: Floats) -> Regions:
    """Look along the borders of all regions.

    Args:
        pairs: Neighboring pixels.
        labels: (h, w) regions, 0 for background.
        bend: (h * w,) concavity.
        height: (h * w,) along the vertical.
    """
    count = int(labels.max()) + 1
    flat = labels.ravel()
    a, b = flat[pairs.first], flat[pairs.second]
    differ = np.flatnonzero(a != b)
    a, b = a[differ].astype(np.intp), b[differ].astype(np.intp)
    first, second = pairs.first[differ], pairs.second[differ]
    linked, farther = pairs.linked[differ], pairs.farther[differ]
    sharp = linked * np.maximum(bend[first], bend[second])
    level = linked * (height[first] + height[second]) / 2.0

    used, cell = _ranks(a * count + b, count * count)
    mirrored = used % count * count + used // count

    def table(weight: Any, transposed: Any) -> Floats:
        total = np.zeros(count * count)
        total[used] = np.bincount(cell, weight, len(used))
        total[mirrored] += np.bincount(cell, transposed, len(used))
        return np.asarray(total.reshape(count, count))

    return Regions(
        labels,
        table(linked, linked),
        table(sharp, sharp),
        table(level, level),
        table(farther > 0, farther < 0),
    )


def _ranks(values: Ints, limit: int) -> tuple[Ints, Ints]:
    """The different ones of some numbers below a limit, in order, and which of them each is."""
    seen = np.zeros(limit, dtype=bool)
    seen[values] = True
    used = np.flatnonzero(seen)
    rank = np.empty(limit, dtype=np.int32)
    rank[used] = np.arange(len(used))
    return used, rank[values]
