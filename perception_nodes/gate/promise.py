"""Keeps a stated error in a stated share of the frames that are not searched, for ever.

Frames of a stream are not exchangeable: errors come in clumps, when something is pushed. So what
was calibrated is corrected online, as in adaptive conformal inference (Gibbs and Candes, arXiv
2106.00170) and rolling risk control (Feldman et al., arXiv 2205.09095): after each error that is
seen, the threshold takes a step down if it was too large and a smaller one up if not, and the
share of errors that are too large tends to the stated one whatever the stream does. Errors of
skipped frames are seen by audits: one skip in seven, drawn evenly, is searched all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.errors import ConfigurationError
from perception_nodes.scene import ObjectState, Visibility

AUDITED = 0.15
"""Share of the skips that are searched all the same."""
GAIN = 0.5
RISK = 0.1
_LOWEST, _HIGHEST = 0.001, 0.08
_LARGEST = 0.3
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(slots=True)
class Promise:
    """Moves the threshold of a gate so that its skips keep a stated error.

    Attributes:
        tolerance: Meters that an object may have moved unnoticed, see `corrected`.
        risk: Share of the skips that may exceed it.
        threshold: Meters that an outline must move to be looked at; within 1 mm and 8 cm.
        skips, audits, broken: How many there were, and audits that exceeded the tolerance.

    Raises:
        ConfigurationError: The tolerance or the risk is impossible.
    """

    tolerance: float
    risk: float = RISK
    threshold: float = 0.02
    skips: int = field(default=0, init=False)
    audits: int = field(default=0, init=False)
    broken: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not (0.0 < self.tolerance <= _LARGEST and 0.0 < self.risk < 1.0):
            raise ConfigurationError(
                f"an error of {self.tolerance:g} m in all but {self.risk:g} can't be promised",
                f"choose up to {_LARGEST:g} m, and a risk between 0 and 1",
            )

    def audited(self) -> bool:
        """Whether the skip at hand is searched all the same; evenly spread, without a rhythm."""
        self.skips += 1
        return (self.skips * _GOLDEN) % 1.0 < AUDITED

    def learn(self, error: float) -> None:
        """Take the error of an audited skip, m."""
        self.audits += 1
        broken = error > self.tolerance
        self.broken += broken
        moved = math.log(self.threshold) + GAIN * (self.risk - broken)
        self.threshold = min(max(math.exp(moved), _LOWEST), _HIGHEST)


def corrected(before: Iterable[ObjectState], after: Iterable[ObjectState]) -> float:
    """How far a search moved a visible object from where it was believed to be, m.

    Known without truth, so on any stream. What came or went is not counted.

    Args:
        before: States after the frame before the search, which was skipped.
        after: States after the search.
    """
    places = {state.id: state.position for state in before}
    ways = [
        float(np.linalg.norm(state.position - places[state.id]))
        for state in after
        if state.visibility is Visibility.VISIBLE and state.id in places
    ]
    return max(ways, default=0.0)
