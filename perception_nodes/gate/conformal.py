"""Bounds that hold with a stated probability, from a finite sample (split conformal).

Vovk, Gammerman, Shafer, *Algorithmic Learning in a Random World* (2005); Lei et al., JASA 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError


def upper_bound(errors: Floats, risk: float) -> float:
    """What the next error exceeds with probability `risk` at most, if exchangeable with these.

    Args:
        errors: (n,) of the calibration.
        risk: Between 0 and 1.

    Returns:
        The ceil((n + 1) (1 - risk))-th smallest; infinite where n is too small to promise that.

    Raises:
        InputError: The risk is not between 0 and 1.
    """
    if not 0.0 < risk < 1.0:
        raise InputError(f"a risk of {risk} can't be promised", "choose one between 0 and 1")
    rank = int(np.ceil((len(errors) + 1) * (1.0 - risk) - 1e-9))
    return float(np.sort(errors)[rank - 1]) if rank <= len(errors) else float("inf")


def choose_threshold(
    errors: Mapping[float, Sequence[float]], tolerance: float, risk: float
) -> float:
    """The largest threshold up to which every one keeps the promise.

    Args:
        errors: By threshold, the errors of the frames that were skipped with it on the
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
        if upper_bound(np.asarray(errors[threshold]), risk) > tolerance:
            break
        chosen = threshold
    return chosen
