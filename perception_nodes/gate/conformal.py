"""Bounds that hold with a stated probability, from a finite sample (split conformal).

Vovk, Gammerman, Shafer, *Algorithmic Learning in a Random World* (2005); Lei et al., JASA 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from perception_nodes.errors import InputError


def upper_bound(sequences: Sequence[Sequence[float]], risk: float) -> float:
    """What an error of the next sequence exceeds with probability `risk` at most.

    Whole sequences are taken to be exchangeable, not their frames, which come in clumps: each
    sequence has the same weight, however many errors it has, and so has one of infinite errors
    that stands for the sequence to come (Lee, Barber, Willett, arXiv 2306.06342). Where each
    error is a sequence of its own this is split conformal prediction.

    Args:
        sequences: Errors of each; those without any are left out.
        risk: Between 0 and 1.

    Returns:
        The bound; infinite where there are too few sequences to promise that.

    Raises:
        InputError: The risk is not between 0 and 1.
    """
    if not 0.0 < risk < 1.0:
        raise InputError(f"a risk of {risk} can't be promised", "choose one between 0 and 1")
    told = [np.asarray(errors, np.float64) for errors in sequences if len(errors)]
    if not told:
        return float("inf")
    errors = np.concatenate(told)
    weights = np.concatenate([np.full(len(e), 1.0 / (len(told) + 1) / len(e)) for e in told])
    order = np.argsort(errors, kind="stable")
    reached = np.cumsum(weights[order]) >= 1.0 - risk - 1e-9
    return float(errors[order][reached.argmax()]) if reached.any() else float("inf")


def choose_threshold(
    errors: Mapping[float, Sequence[Sequence[float]]], tolerance: float, risk: float
) -> float:
    """The largest threshold up to which every one keeps the promise.

    Args:
        errors: By threshold, the errors of the frames that were skipped with it on each of the
            calibration sequences.
        tolerance: What errors shall not exceed, m.
        risk: Share of skips for which they may.

    Returns:
        The threshold; 0 (never rest) if none keeps the promise.

    Raises:
        InputError: As `upper_bound`.
    """
    chosen = 0.0
    for threshold in sorted(errors):
        if upper_bound(errors[threshold], risk) > tolerance:
            break
        chosen = threshold
    return chosen
