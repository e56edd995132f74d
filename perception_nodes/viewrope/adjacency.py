"""Regions of the image and what lies beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats, Ints
from perception_nodes.viewrope.pairs import Pairs

Joins = list[tuple[int, int]]
"""Pairs of regions that belong together."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions and what lies beside them, of which tables are made when they are asked for.

    Row and column 0 of the (K, K) tables are the background.

    Attributes:
        labels: (h, w) int32.
        count: K.
        cells: (N,) places row * K + column, in order, where tables are not 0: most regions are far
            from most others.
        entries: (4, N) what `linked`, `bend`, `height` and `behind` hold there.
    """

    labels: Ints
    count: int
    cells: Ints
    entries: Floats

    @cached_property
    def members(self) -> Members:
        """The pixels of each region."""
        return Members(self.labels)

    @cached_property
    def linked(self) -> Floats:
        """(K, K) number of neighboring pixels on one surface."""
        return self._table(0)

    @cached_property
    def bend(self) -> Floats:
        """(K, K) sum of the concavity there, radians."""
        return self._table(1)

    @cached_property
    def height(self) -> Floats:
        """(K, K) sum of the height there, meters."""
        return self._table(2)

    @cached_property
    def behind(self) -> Floats:
        """(K, K) number of neighbors where the row's region is the farther of two surfaces."""
        return self._table(3)

    @cached_property
    def length(self) -> Floats:
        """(K, K) length of the common border in pixels."""
        return np.asarray(self.linked + self.behind + self.behind.T)

    def joined(self, joins: Joins) -> Regions:
        """The same with pairs of regions made one, numbered without gaps in the same order."""
        if not joins:
            return self
        parent = list(range(self.count))

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
        rows, columns = (groups[place] for place in np.divmod(self.cells, self.count))
        apart = np.flatnonzero(rows != columns)
        cells, cell = _ranks((rows * count + columns)[apart], count * count)
        entries = [np.bincount(cell, row[apart], len(cells)) for row in self.entries]
        labels = groups.astype(np.int32).take(self.labels)
        return Regions(labels, count, cells, np.stack(entries))

    def _table(self, entry: int) -> Floats:
        table = np.zeros(self.count * self.count)
        table[self.cells] = self.entries[entry]
        return table.reshape(self.count, self.count)


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

    here, there = a * count + b, b * count + a
    cells, cell = _ranks(np.concatenate((here, there)), count * count)

    def entries(weight: Any, transposed: Any) -> Floats:
        ahead = np.bincount(cell[: len(here)], weight, len(cells))
        return np.asarray(ahead + np.bincount(cell[len(here) :], transposed, len(cells)))

    both = (entries(linked, linked), entries(sharp, sharp), entries(level, level))
    behind = entries(farther > 0, farther < 0)
    return Regions(labels, count, cells, np.stack((*both, behind)))


def _ranks(values: Ints, limit: int) -> tuple[Ints, Ints]:
    """The different ones of some numbers below a limit, in order, and which of them each is."""
    seen = np.zeros(limit, dtype=bool)
    seen[values] = True
    used = np.flatnonzero(seen)
    rank = np.empty(limit, dtype=np.int32)
    rank[used] = np.arange(len(used))
    return used, rank[values]
