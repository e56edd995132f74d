"""What planning consists of: a goal, a situation, futures of many candidates, and who solves it.

The plan itself is `perception_nodes.scene.Plan`. World frame throughout; meters, seconds, radians.
The pusher is a point that moves at a commanded velocity: the lower end of a tool, its tip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import ObjectState, Person, Plan, Prediction


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """Where an object shall be.

    Attributes:
        object_id: Id of its object state.
        target: Of the center of its box; only x, y and the heading count for what is pushed.
        position_tolerance: m, level.
        angle_tolerance: rad, about the vertical; 0 for any angle.
        deadline: s for reaching it, from when it was given.
    """

    object_id: str
    target: Pose
    position_tolerance: float = 0.03
    angle_tolerance: float = 0.0
    deadline: float = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """All that a plan is made from.

    Attributes:
        stamp: Of the object states, ns.
        objects: Also those that are hidden now.
        people: Tracked people.
        predictions: Futures without the robot.
        tip: (3,) of the pusher now.
        velocity: (3,) of the tip now, m/s.
    """

    stamp: int
    objects: tuple[ObjectState, ...]
    people: tuple[Person, ...]
    predictions: tuple[Prediction, ...]
    tip: Floats
    velocity: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Futures:
    """What happens to N objects under B candidates, T steps ahead.

    Attributes:
        ids: N object ids.
        poses: (B, T + 1, N, 4) x, y, z and heading in radians, from now on.
        deviation: (B, T + 1, N) standard deviation of the level position, m.
        residual: (B,) how much two models contradict each other; 0 where there is one.
    """

    ids: tuple[str, ...]
    poses: Floats
    deviation: Floats
    residual: Floats


class Rollout(Protocol):
    """Foresees what a pusher does to objects."""

    def roll(self, situation: Situation, tips: Floats, interval: float) -> Futures:
        """Futures of the objects for candidates (B, T + 1, 3) of the tip, `interval` s a step."""
        ...


class Solver(Protocol):
    """Finds how to move the tip."""

    def plan(self, situation: Situation, goal: Goal, deadline: float) -> Plan:
        """The best plan found within `deadline` seconds of computing; there always is one.

        A goal that can't be planned for (no such object, numbers that are none) gives a plan that
        holds, with the reason.
        """
        ...

    def reset(self) -> None:
        """Forget the previous plan."""
        ...
