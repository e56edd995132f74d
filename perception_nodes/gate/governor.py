"""Keeps the mean load at a target by how much must happen before it is looked at.

One integrator on the logarithm of a threshold, and a clock that ticks when something happened:
subjective duration as accumulated salient change (Roseboom et al., Nature Communications 10:267).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from perception_nodes.errors import ConfigurationError

GAIN = 0.1
_LOWEST, _HIGHEST = 0.003, 0.08


@dataclass(slots=True)
class Governor:
    """Owns the threshold of a gate.

    Loads are shares of a budget: of frames in a replay, which is the same each time, or of the
    seconds between frames on a robot.

    Attributes:
        target: Mean load to keep, between 0 and 1.
        threshold: Meters that something must move now to be looked at; it rises while the load is
            above the target and falls while it is below, within 3 mm and 8 cm.
        ticks: How often something happened so far: subjective time.

    Raises:
        ConfigurationError: The target is not between 0 and 1.
    """

    target: float
    threshold: float = 0.02
    ticks: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.target <= 1.0:
            raise ConfigurationError(
                f"a load of {self.target} can't be kept", "choose one above 0 and up to 1"
            )

    def worth(self, change: float) -> bool:
        """Whether something moved far enough, meters, to be looked at; then the clock ticks."""
        happened = change > self.threshold
        self.ticks += happened
        return happened

    def spent(self, load: float) -> None:
        """What the frame at hand took of the budget."""
        moved = math.log(self.threshold) + GAIN * (load - self.target)
        self.threshold = min(max(math.exp(moved), _LOWEST), _HIGHEST)
