"""Who can see what: from where a person's head is turned, and what stands in between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.scene import ObjectState, Person

HALF_ANGLE = math.radians(60.0)
"""Half of the angle within which a person notices things."""

REACH = 6.0
"""Meters up to which a person notices small things."""

_LEAST_DEVIATION = math.radians(5.0)
_CERTAIN = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Gaze:
    """Where somebody looks.

    Attributes:
        agent: Id of the person or robot.
        stamp: ns.
        eye: (3,) meters, world frame.
        direction: (3,) of the middle of the view, unit length.
        deviation: Standard deviation of the direction, radians.
        half_angle: Of the view, radians.
        reach: Meters.
    """

    agent: str
    stamp: int
    eye: Floats
    direction: Floats
    deviation: float = _LEAST_DEVIATION
    half_angle: float = HALF_ANGLE
    reach: float = REACH


def gaze_of(person: Person) -> Gaze | None:
    """Where a person looks, from nose, eyes and ears; None if the head is not known well enough.

    The view's direction is from the middle of the ears to the nose; how sure it is follows from
    the covariances of these joints across their distance.
    """
    index = {name: k for k, name in enumerate(person.joint_names)}
    if not {"nose", "left_ear", "right_ear"} <= index.keys():
        return None
    nose, left, right = (index[name] for name in ("nose", "left_ear", "right_ear"))
    joints = person.joints
    if not np.isfinite(joints[[nose, left, right]]).all():
        return None
    back = (joints[left] + joints[right]) / 2.0
    ahead = joints[nose] - back
    length = float(np.linalg.norm(ahead))
    if length < _CERTAIN:
        return None
    around = person.covariances[nose] + (person.covariances[left] + person.covariances[right]) / 4.0
    sideways = math.sqrt(max(0.0, float(np.trace(around)) / 3.0))
    deviation = math.hypot(_LEAST_DEVIATION, math.atan2(sideways, length))
    return Gaze(person.id, person.stamp, joints[nose].copy(), ahead / length, deviation)


def sees(gaze: Gaze, place: Floats, others: Sequence[ObjectState]) -> float:
    """The probability that somebody sees a place.

    Args:
        gaze: Where they look.
        place: (3,) meters, world frame.
        others: Objects that may stand in between.
    """
    offset = place - gaze.eye
    distance = float(np.linalg.norm(offset))
    if not _CERTAIN < distance <= gaze.reach:
        return 0.0
    angle = math.acos(min(1.0, max(-1.0, float(offset @ gaze.direction) / distance)))
    inside = 0.5 * math.erfc((angle - gaze.half_angle) / (math.sqrt(2.0) * gaze.deviation))
    if inside < _CERTAIN or any(blocks(gaze.eye, place, other) for other in others):
        return 0.0
    return inside


def blocks(eye: Floats, place: Floats, state: ObjectState) -> bool:
    """Whether the box of an object cuts the line from an eye to a place."""
    turn = state.pose.rotation
    start, way = (eye - state.position) @ turn, (place - eye) @ turn
    half = state.size / 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (-half - start) / way, (half - start) / way
    # A line along a face is inside if its start is: then NaN and infinities leave no bound.
    enter = np.nanmax(np.minimum(one, other), initial=0.0)
    leave = np.nanmin(np.maximum(one, other), initial=1.0)
    parallel = (np.abs(way) < 1e-12) & (np.abs(start) > half)
    return bool(enter < leave and not parallel.any())
