"""Symmetric positive matrices by Cholesky factors: half the work of a general inverse."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.linalg.lapack import dposv, dpotrf, dpotri

from perception_nodes.arrays import Bools, Floats

_LEAST = 1e-12


def invert(matrix: Floats) -> Floats:
    """(N, N) inverse; one that rounding made indefinite is taken for the nearest that is not."""
    factor, failed = dpotrf(matrix, lower=1)
    if not failed:
        return from_factor(factor)
    if not np.isfinite(matrix).all():
        return np.full(matrix.shape, np.nan)
    values, axes = np.linalg.eigh(matrix)
    return np.asarray((axes / np.maximum(values, _LEAST * values[-1])) @ axes.T)


def solve(matrix: Floats, right: Floats) -> tuple[Floats, Floats]:
    """What the matrix (N, N) takes to `right`, (N,) or (N, K), NaN where none is; its factor."""
    factor, found, failed = dposv(matrix, right, lower=1)
    return np.asarray(np.full(right.shape, np.nan) if failed else found), np.asarray(factor)


def from_factor(factor: Floats) -> Floats:
    """(N, N) inverse of the matrix with a lower factor."""
    lower = dpotri(factor, lower=1)[0]
    return np.asarray(np.where(_below(len(lower)), lower, lower.T))


@cache
def _below(size: int) -> Bools:
    return np.tri(size, dtype=bool)
