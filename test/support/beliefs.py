"""Object states and scenes as a tracker would give them, with few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Event, EventKind, ObjectState, SceneState, Slots, Visibility

SECOND = 1_000_000_000


def state(
    object_id: str,
    stamp: int,
    position: Sequence[float] = (0.0, 0.0, 0.0),
    visibility: Visibility = Visibility.VISIBLE,
    last_seen: int | None = None,
    **changes: object,
) -> ObjectState:
    """A cube of 10 cm that is known to a centimeter."""
    made = ObjectState(
        id=object_id,
        stamp=stamp,
        pose=Pose(np.eye(3), np.array(position, dtype=np.float64)),
        pose_covariance=np.eye(6) * 1e-4,
        velocity=np.zeros(3),
        angular_velocity=np.zeros(3),
        twist_covariance=np.eye(6) * 1e-2,
        size=np.full(3, 0.1),
        visibility=visibility,
        first_seen=0,
        last_seen=stamp if last_seen is None else last_seen,
        existence=0.95,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def scene(
    stamp: int, *objects: ObjectState, events: Sequence[Event] = (), camera: str = "camera"
) -> SceneState:
    """What was believed after a frame."""
    slots = Slots(stamp, camera, f"{camera}_optical_frame", np.zeros((1, 1), np.uint8), (), "test")
    return SceneState(stamp, slots, objects, tuple(events))


def event(stamp: int, kind: EventKind, *subjects: str, text: str = "") -> Event:
    """Something that happened."""
    return Event(stamp, kind, subjects, text or f"{' and '.join(subjects)} {kind.value}")
