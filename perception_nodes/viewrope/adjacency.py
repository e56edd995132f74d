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
        roots = np.array([root(i) for i in range(len(parent))])
        _, groups = np.unique(roots, return_inverse=True)
        count = int(groups.max()) + 1
        cells = (groups[:, None] * count + groups[None]).ravel()

        def summed(table: Floats) -> Floats:
            total = np.bincount(cells, table.ravel(), count * count).reshape(count, count)
            np.fill_diagonal(total, 0.0)
            return np.asarray(total)

        tables = (self.linked, self.bend, self.height, self.behind)
        return Regions(groups.astype(np.int32)[self.labels], *map(summed, tables))


def members(labels: Ints) -> list[Ints]:
    """The flat pixel indices of each region of (h, w) labels below 65536, the background first."""
    flat = labels.ravel().astype(np.uint16)  # NumPy sorts short numbers in linear time
    order = np.argsort(flat, kind="stable")
    return np.split(order, np.cumsum(np.bincount(flat))[:-1])


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

    def table(weight: Any, transposed: Any) -> Floats:
        total = np.bincount(a * count + b, weight, count * count)
        total += np.bincount(b * count + a, transposed, count * count)
        return np.asarray(total.reshape(count, count), dtype=np.float64)

    return Regions(
        labels,
        table(linked, linked),
        table(sharp, sharp),
        table(level, level),
        table(farther > 0, farther < 0),
    )
