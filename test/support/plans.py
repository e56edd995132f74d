"""A table, a pusher, and straight pushes over it, with few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from beliefs import SECOND, state

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.planner.people import JOINTS
from perception_nodes.scene import ObjectState, Person, Plan, PlanStatus

TABLE = 0.7
NOW = 100 * SECOND
INTERVAL = 0.1
_FROM_TIP = 0.07
_CERTAIN = np.eye(6) * 1e-6


def thing(name: str, x: float, y: float, height: float = 0.05, **changes: object) -> ObjectState:
    """A cube of 10 cm whose place is known to a millimeter; it stands on the table."""
    made = state(name, NOW, (x, y, TABLE + height), pose_covariance=_CERTAIN)
    return replace(made, **changes)  # type: ignore[arg-type]


def situation(
    *objects: ObjectState, people: Sequence[Person] = (), tip: Sequence[float] | None = None
) -> Situation:
    """The pusher stands left of the first object, low enough to push it."""
    x, y, _ = objects[0].position
    place = np.array([x - _FROM_TIP, y, TABLE + 0.03]) if tip is None else np.array(tip)
    return Situation(NOW, objects, tuple(people), (), place, np.zeros(3))


def goal(name: str, x: float, y: float, **changes: object) -> Goal:
    """Some place on the table."""
    made = Goal(name, Pose(np.eye(3), np.array([x, y, TABLE + 0.05])))
    return replace(made, **changes)  # type: ignore[arg-type]


def push(now: Situation, way: Sequence[float], seconds: float = 1.0) -> Plan:
    """A straight line of the tip from rest to rest, which the first object follows.

    Args:
        now: Where things are.
        way: (x, y) of the whole line, m.
        seconds: How long it takes.
    """
    steps = round(seconds / INTERVAL)
    share = np.linspace(0.0, 1.0, steps + 1)
    share = share * share * (3.0 - 2.0 * share)
    tip = now.tip + share[:, None] * np.array([*way, 0.0])
    target = now.objects[0]
    moved = tip[:, :2] - now.tip[:2]
    gap = _FROM_TIP - 0.062
    follow = np.maximum(np.linalg.norm(moved, axis=1) - gap, 0.0)[:, None]
    direction = np.array(way) / max(float(np.linalg.norm(way)), 1e-9)
    course = np.zeros((steps + 1, 4))
    course[:, :3] = target.position
    course[:, :2] += follow * direction
    return plan(tip, target.id, {target.id: course})


def plan(tip: Floats, name: str, predicted: Mapping[str, Floats], **changes: object) -> Plan:
    """A plan of the tip's positions (T + 1, 3)."""
    made = Plan(
        stamp=NOW,
        object_id=name,
        interval=INTERVAL,
        tip=tip,
        velocity=np.diff(tip, axis=0) / INTERVAL,
        predicted=predicted,
        deviation={key: np.full(len(tip), 0.001) for key in predicted},
        cost=1.0,
        physics_residual=0.0,
        iterations=1,
        deadline_used=0.5,
        status=PlanStatus.RUNNING,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def person(
    name: str, x: float, y: float, stamp: int = NOW, wrist: Sequence[float] | None = None
) -> Person:
    """Somebody who stands upright at a place, known to a centimeter; one wrist may be elsewhere."""
    heights = {
        "nose": 1.6, "eye": 1.65, "ear": 1.62, "shoulder": 1.4, "elbow": 1.15, "wrist": 0.95,
        "hip": 0.95, "knee": 0.5, "ankle": 0.1,
    }  # fmt: skip
    sides = {"left": 0.2, "right": -0.2}
    joints = np.array(
        [
            [x, y + (sides[j.split("_")[0]] if "_" in j else 0.0), heights[j.split("_")[-1]]]
            for j in JOINTS
        ]
    )
    if wrist is not None:
        joints[JOINTS.index("left_wrist")] = wrist
    covariances = np.tile(np.eye(3) * 1e-4, (17, 1, 1))
    return Person(name, stamp, JOINTS, joints, covariances, np.zeros(17), np.zeros(16))
