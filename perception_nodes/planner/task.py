"""What one call of a solver carries from step to step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perception_nodes.arrays import Floats
from perception_nodes.planner.blocks import Blocks
from perception_nodes.planner.cost import Aim
from perception_nodes.planner.interface import Goal, Situation

_RESERVE, _LAST = 0.75, 0.85
"""Shares of the deadline after which no slice is begun, and after which one is given up."""


class TimeUpError(Exception):
    """The slice under way is not worth waiting for."""


@dataclass(slots=True, eq=False)
class Task:
    """One call of a solver: what is asked, and the time there is.

    Attributes:
        low: Whether the tip may slide from where it is.
        now, began: The clock, s, and when the call began.
        deadline: Seconds that the call may take.
    """

    situation: Situation
    goal: Goal
    blocks: Blocks
    aim: Aim
    height: float
    low: bool
    now: Callable[[], float]
    began: float
    deadline: float

    def left(self) -> float:
        """Seconds to search in; the rest is for the plan itself."""
        return self.deadline * _RESERVE - (self.now() - self.began)

    def tick(self) -> None:
        """Between two steps of a roll-out.

        Raises:
            TimeUpError: Only the time for the plan itself is left.
        """
        if self.now() - self.began > self.deadline * _LAST:
            raise TimeUpError


@dataclass(slots=True, eq=False)
class Best:
    """The best candidate so far; `lifted`: the tip goes above things to where its push starts."""

    candidate: Floats
    cost: float
    lifted: bool
    residual: float = 0.0
