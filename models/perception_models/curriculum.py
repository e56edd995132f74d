"""A curriculum over the horizon: look further ahead once the present horizon is mastered.

Competence-based pacing: the horizon doubles when the validation error at the present one improved
by less than a share for several validations in a row. Whether an order of tasks helps at all
depends on the budget (Wu, Dyer and Neyshabur, arXiv 2012.03107), hence an option.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass
class HorizonCurriculum:
    """Which horizon to train at now.

    Attributes:
        longest: The horizon it grows to; without `grows` it is there from the beginning.
        grows: Begin at one interval.
        patience: Validations without enough improvement before the horizon doubles.
        improvement: What share counts as enough.
    """

    longest: int
    grows: bool
    patience: int = 2
    improvement: float = 0.05
    horizon: int = 0
    best: float = float("inf")
    idle: int = 0

    def __post_init__(self) -> None:
        if self.horizon == 0:
            self.horizon = 1 if self.grows else self.longest

    def told(self, error: float) -> bool:
        """Take note of a validation error; returns whether the horizon grew."""
        if error < self.best * (1 - self.improvement):
            self.best, self.idle = error, 0
            return False
        self.idle += 1
        if self.idle < self.patience or self.horizon >= self.longest:
            return False
        self.horizon = min(2 * self.horizon, self.longest)
        self.best, self.idle = float("inf"), 0
        return True

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return dataclasses.asdict(self)
