"""Fewer tokens that still carry what the others knew: anchors and optimal transport.

After AOT (arXiv 2603.01400): half of the tokens that are kept are the most important of all, half
the most important of their windows; a Sinkhorn plan says which anchors the dropped ones belong to.
With the paper's uniform marginals each of K anchors moves by 1 / (K + 1) only; with the plan's rows
normalized each dropped token gives itself whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
EPSILON = 0.1
ITERATIONS = 10


def choose_anchors(importance: Floats, budget: int) -> Ints:
    """Which tokens to keep: half of them the most important, the others best of their windows.

    Args:
        importance: (rows, columns) of the tokens of an image.
        budget: How many, at most rows x columns.

    Returns:
        (budget,) ascending flat indices; ties go to the smaller index.

    Raises:
        ValueError: The budget is less than 1 or more than there are.
    """
    rows, columns = importance.shape
    if not 1 <= budget <= importance.size:
        raise ValueError(f"{budget} of {importance.size} tokens can't be kept")
    flat = importance.ravel()
    kept = list(np.argsort(-flat, kind="stable")[: budget - budget // 2])
    side = max(1, int(np.ceil(np.sqrt(max(budget // 2, 1)))))
    row, column = np.divmod(np.arange(flat.size), columns)
    window = (row * side // rows) * side + column * side // columns
    free = np.ones(flat.size, bool)
    free[kept] = False
    while len(kept) < budget:  # the best of each window, then the second best
        best = [
            members[np.argmax(flat[members])]
            for number in range(side * side)
            if (members := np.flatnonzero(free & (window == number))).size
        ]
        best = sorted(best, key=lambda i: (-flat[i], i))[: budget - len(kept)]
        kept += best
        free[best] = False
    return np.sort(np.array(kept, dtype=np.intp))


def unlike_mean(tokens: Floats) -> Floats:
    """(N,) how unlike the mean of the tokens (N, D) each is: 1 - cosine, an importance."""
    mean = tokens.mean(axis=0)
    norms = np.linalg.norm(tokens, axis=1) * np.linalg.norm(mean)
    return np.asarray(1.0 - tokens @ mean / np.maximum(norms, 1e-9))


def sinkhorn(cost: Floats, epsilon: float = EPSILON, iterations: int = ITERATIONS) -> Floats:
    """The plan that carries n equal sources to m equal targets (Cuturi 2013), in log space.

    Args:
        cost: (n, m).
        epsilon: Of the entropy; smaller is sharper.
        iterations: Fixed, so that the same computation can be a static graph.

    Returns:
        (n, m) float64; its columns sum to 1 / m, its rows nearly to 1 / n.
    """
    n, m = cost.shape
    gibbs = -np.asarray(cost, np.float64) / epsilon
    right = np.zeros(m)
    for _ in range(iterations):
        left = -np.log(n) - _log_sum(gibbs + right, 1)
        right = -np.log(m) - _log_sum(gibbs + left[:, None], 0)
    return np.asarray(np.exp(gibbs + left[:, None] + right))


def sinkhorn_reference(
    cost: Floats, epsilon: float = EPSILON, iterations: int = ITERATIONS
) -> Floats:
    """`sinkhorn` written plainly, by scaling rows and columns in turn."""
    plan = np.exp(-np.asarray(cost, np.float64) / epsilon)
    for _ in range(iterations):
        for i in range(plan.shape[0]):
            plan[i] *= 1.0 / (plan.shape[0] * plan[i].sum())
        for j in range(plan.shape[1]):
            plan[:, j] *= 1.0 / (plan.shape[1] * plan[:, j].sum())
    return plan


def merge_tokens(tokens: Floats, anchors: Ints, *, row_normalized: bool = True) -> Floats:
    """The tokens that are kept, with what the others knew.

    Args:
        tokens: (N, D).
        anchors: (K,) which are kept, none twice.
        row_normalized: Whether each dropped token gives itself whole; else the paper's formula.

    Returns:
        (K, D) float32, in the order of `anchors`.
    """
    kept = tokens[anchors].astype(np.float64)
    dropped = np.delete(tokens, anchors, axis=0).astype(np.float64)
    if not len(dropped):
        return kept.astype(np.float32)
    plan = sinkhorn(1.0 - _unit(dropped) @ _unit(kept).T)
    if row_normalized:
        plan = plan / plan.sum(axis=1, keepdims=True)
    load = plan.sum(axis=0)[:, None]
    return np.asarray((kept + plan.T @ dropped) / (1.0 + load), np.float32)


def _log_sum(x: Floats, axis: int) -> Floats:
    top = x.max(axis=axis, keepdims=True)
    return np.asarray(np.squeeze(top, axis) + np.log(np.exp(x - top).sum(axis=axis)))


def _unit(x: Floats) -> Floats:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
