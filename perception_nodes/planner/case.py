"""A plan in its situation, as arrays that the constraints are checked on."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.planner.blocks import upright_roundness
from perception_nodes.planner.interface import Situation
from perception_nodes.planner.people import Body
from perception_nodes.planner.sweep import Path
from perception_nodes.scene import ObjectState, Plan

_STILL = 0.002
_SURELY = 0.7  # chance of being round about the vertical


@dataclass(frozen=True, slots=True)
class Limits:
    """What the robot may do.

    Attributes:
        low, high: Corners of the box that the tip, and what is pushed, stays in, world frame.
        speed: Of the tip, m/s.
        acceleration: Of the tip, m/s^2.
        tool_radius, tool_length: Of the pusher, an upright stick above its tip, m.
        clearance: Between the pusher and what it shall not touch, m.
        protected_clearance: Between protected objects and whatever moves, m.
        person_distance: Between people and whatever moves, m.
        person_acceleration: What a person is taken to be able to, m/s^2.
        soon: Until when a plan is surely verified again or the robot stands, s.
        sigmas: How many standard deviations of what is uncertain count.
        max_age: Of object states and people, s.
    """

    low: tuple[float, float, float] = (-0.6, -0.45, 0.7)
    high: tuple[float, float, float] = (0.6, 0.45, 1.3)
    speed: float = 0.3
    acceleration: float = 5.0
    tool_radius: float = 0.012
    tool_length: float = 0.184
    clearance: float = 0.005
    protected_clearance: float = 0.02
    person_distance: float = 0.1
    person_acceleration: float = 3.0
    soon: float = 0.5
    sigmas: float = 2.0
    max_age: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A plan in its situation. Of N objects, the ones that the situation knows.

    Attributes:
        limits: What is allowed.
        plan: The plan; its values are sound.
        ids: N object ids.
        tip: Path of the tip, (1, T + 1, 3).
        boxes: Paths of the upright boxes that hold the objects, (N, T + 1, 4): x, y, z, yaw.
        half: (N, 3) half extents of these boxes.
        spread: (N, T + 1) standard deviation of their places, m.
        turn: (N,) how much farther a corner can reach because the heading is uncertain, m.
        moves: (N,) which are meant to move, or predicted to.
        target: Index of the object that shall be moved.
        protected: (N,) which must not be touched.
        bodies: People.
        ages: Their ages at the start of the plan, s.
    """

    limits: Limits
    plan: Plan
    ids: tuple[str, ...]
    tip: Path
    boxes: Path
    half: Floats
    spread: Floats
    turn: Floats
    moves: Bools
    target: int
    protected: Bools
    bodies: tuple[Body, ...]
    ages: tuple[float, ...]

    @classmethod
    def of(
        cls,
        plan: Plan,
        situation: Situation,
        limits: Limits,
        protected: Collection[str],
        bodies: Sequence[Body],
        start: int,
    ) -> Case:
        """Arrange a plan that begins at `start`, ns, whose values were checked before."""
        objects = situation.objects
        steps = len(plan.tip)
        half, turn = np.zeros((len(objects), 3)), np.zeros(len(objects))
        boxes = np.zeros((len(objects), steps, 4))
        spread = np.zeros((len(objects), steps))
        for n, state in enumerate(objects):
            yaw, half[n] = upright(state)
            boxes[n] = (*state.position, yaw)
            deviation, turn[n] = uncertainty(state, half[n], limits.sigmas)
            spread[n] = np.maximum(deviation, plan.deviation.get(state.id, 0.0))
            if state.id in plan.predicted:
                boxes[n] = _predicted(plan.predicted[state.id], boxes[n, 0])
        ids = tuple(state.id for state in objects)
        target = ids.index(plan.object_id)
        moved = np.abs(boxes - boxes[:, :1])
        moved[..., 3] *= np.linalg.norm(half[:, None, :2], axis=-1)
        moves = np.asarray((moved > _STILL).any(axis=(1, 2)))
        moves[target] = True
        boxes[~moves] = boxes[~moves, :1]
        return cls(
            limits=limits,
            plan=plan,
            ids=ids,
            tip=Path(plan.tip[None], plan.interval),
            boxes=Path(boxes, plan.interval),
            half=half,
            spread=spread,
            turn=turn,
            moves=moves,
            target=target,
            protected=np.array([i in protected for i in ids], dtype=bool),
            bodies=tuple(bodies),
            ages=tuple((start - body.stamp) * 1e-9 for body in bodies),
        )

    def slack(self, first: Ints, second: Ints | None = None) -> Path:
        """What uncertainty adds to a distance, (n, T + 1, 1), m: of one object each, or of two.

        The length of a vector that changes linearly is convex, so that interpolating between
        samples errs to the safe side.
        """
        spread, turn = self.spread[first], self.turn[first]
        if second is not None:
            spread = np.hypot(spread, self.spread[second])
            turn = turn + self.turn[second]
        samples = self.limits.sigmas * spread + turn[:, None]
        return Path(samples[..., None], self.plan.interval)

    def rates(self, objects: Ints) -> Floats:
        """(n, T) how fast some point of an object moves at most, m/s."""
        around = np.linalg.norm(self.half[objects, :2], axis=-1)[:, None]
        straight = self.boxes.rates(slice(0, 3))[objects]
        return np.asarray(straight + around * self.boxes.rates(slice(3, 4))[objects])


def upright(state: ObjectState) -> tuple[float, Floats]:
    """Heading and half extents (3,) of the smallest upright box of an object's box's heading."""
    rotation = state.pose.rotation
    yaw = math.atan2(rotation[1, 0], rotation[0, 0])
    c, s = math.cos(yaw), math.sin(yaw)
    tilt = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) @ rotation
    return yaw, np.asarray(np.abs(tilt) @ (state.size / 2.0))


def uncertainty(state: ObjectState, half: Floats, sigmas: float) -> tuple[float, float]:
    """Standard deviation of an object's place, m, and what its uncertain heading adds, m.

    However wrong the heading is, the footprint stays within the circle around it; that around what
    is surely round goes through no corners.
    """
    place = math.sqrt(max(float(np.linalg.eigvalsh(state.pose_covariance[:3, :3])[-1]), 0.0))
    heading = math.sqrt(max(float(state.pose_covariance[5, 5]), 0.0))
    surely_round = upright_roundness(state) > _SURELY
    circle = float(half[:2].max() if surely_round else np.linalg.norm(half[:2]))
    return place, min(circle * sigmas * heading, circle - float(half[:2].min()))


def _predicted(predicted: Floats, now: Floats) -> Floats:
    """(T + 1, 4) course of an upright box that is at `now` (4,), turning as predicted."""
    course = np.array(predicted, dtype=np.float64)
    course[:, 3] = now[3] + np.unwrap(course[:, 3]) - course[0, 3]
    return course
