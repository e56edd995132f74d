"""What a goal means in a situation: how far it is, whether it can be planned for, what matters."""

from __future__ import annotations

import math

import numpy as np

from perception_nodes.planner.blocks import upright
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.scene import ObjectState, Plan, PlanStatus

_BESIDE = 0.04


def held(
    situation: Situation, goal: Goal, interval: float, reason: str, status: PlanStatus
) -> Plan:
    """A plan that stays where it is."""
    tips = np.repeat(np.nan_to_num(situation.tip)[None], 2, axis=0)
    return Plan(
        stamp=situation.stamp,
        object_id=goal.object_id,
        interval=interval,
        tip=tips,
        velocity=np.zeros((1, 3)),
        predicted={},
        deviation={},
        cost=math.inf if reason else 0.0,
        physics_residual=0.0,
        iterations=0,
        deadline_used=0.0,
        status=status,
        reason=reason,
    )


def errors(situation: Situation, goal: Goal) -> tuple[float, float]:
    """How far the object is from its goal: level distance, m, and heading, rad.

    Raises:
        KeyError: There is no such object.
    """
    item = next((item for item in situation.objects if item.id == goal.object_id), None)
    if item is None:
        raise KeyError(goal.object_id)
    off = item.position[:2] - goal.target.translation[:2]
    heading = math.atan2(goal.target.rotation[1, 0], goal.target.rotation[0, 0])
    turn = (upright(item)[0][3] - heading + math.pi) % (2.0 * math.pi) - math.pi
    return float(np.hypot(*off)), abs(turn)


def reached(situation: Situation, goal: Goal) -> bool:
    """Whether the object is where it shall be, within the tolerances."""
    place, turn = errors(situation, goal)
    return place <= goal.position_tolerance and (
        goal.angle_tolerance == 0.0 or turn <= goal.angle_tolerance
    )


def problem(situation: Situation, goal: Goal) -> str:
    """Why nothing can be planned; empty if something can."""
    known = {item.id for item in situation.objects}
    if goal.object_id not in known:
        return f"there is no object {goal.object_id!r}"
    target = goal.target
    if not (np.isfinite(target.translation).all() and np.isfinite(target.rotation).all()):
        return "the goal has numbers that are not finite"
    if not (np.isfinite(situation.tip).all() and np.isfinite(situation.velocity).all()):
        return "where the pusher is, is not known"
    if not _is_finite(next(item for item in situation.objects if item.id == goal.object_id)):
        return f"the state of object {goal.object_id!r} has numbers that are not finite"
    return ""


def _is_finite(item: ObjectState) -> bool:
    parts = (item.position, item.pose.rotation, item.size, item.velocity, item.angular_velocity)
    return all(bool(np.isfinite(part).all()) for part in parts)


def relevant(situation: Situation, goal: Goal, most: int) -> list[ObjectState]:
    """The object to move, then those nearest to its way, if they stand beside it."""
    objects = [item for item in situation.objects if _is_finite(item)]
    chosen = next(item for item in objects if item.id == goal.object_id)
    a, b = chosen.position[:2], goal.target.translation[:2]
    way = b - a
    length = max(float(way @ way), 1e-9)

    reach = float(np.hypot(*chosen.size[:2])) / 2.0

    def away(item: ObjectState) -> float:
        share = min(max(float((item.position[:2] - a) @ way) / length, 0.0), 1.0)
        own = float(np.hypot(*item.size[:2])) / 2.0
        return float(np.hypot(*(item.position[:2] - a - share * way))) - own

    others = sorted((o for o in objects if o is not chosen), key=lambda o: (away(o), o.id))
    return [chosen, *[o for o in others if away(o) < _BESIDE + reach][: most - 1]]
