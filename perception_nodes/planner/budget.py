"""What a planner may use: time and candidates, and the support that things stand on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from perception_nodes.arrays import Floats


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is tried.

    Attributes:
        method: "cem" or "mppi".
        samples: Candidates a round.
        rounds: At most, besides the round of proposals.
        elites: Candidates that the next round is drawn around (CEM).
        temperature: Of the weights, in units of cost (MPPI).
        start_deviation: Of where a push starts in the first round, m.
        speed_deviation: Of its velocities, m/s.
        favorites: Proposals that are judged together with the other objects.
        slice: Candidates judged between two looks at the clock.
        most_objects: Those farther from the push stay where they are.
    """

    method: Literal["cem", "mppi"] = "cem"
    samples: int = 64
    rounds: int = 4
    elites: int = 8
    temperature: float = 0.01
    start_deviation: float = 0.01
    speed_deviation: float = 0.05
    favorites: int = 16
    slice: int = 32
    most_objects: int = 4


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The support.

    Attributes:
        height: m, world frame.
        area: (4,) low x, low y, high x, high y that objects shall stay in.
    """

    height: float
    area: Floats = field(default_factory=lambda: np.array([-10.0, -10.0, 10.0, 10.0]))
