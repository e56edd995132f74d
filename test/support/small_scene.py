"""Small simulated scenes that tests share: a table, a camera before it, few pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from perception_simulation.specification import (
    Box,
    CameraKey,
    DepthSensor,
    MovingCamera,
    Object,
    Occluder,
    OccluderKey,
    Push,
    Scene,
    Shape,
)

PERFECT = DepthSensor(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0, 0.0)
TABLE = 0.7
EYE, TARGET = (-0.6, 0.0, 1.1), (0.0, 0.0, 0.72)
CAMERA = MovingCamera((CameraKey(0.0, EYE, TARGET),))
PUSH = Push("push", (-0.12, 0.0), (0.05, 0.0), start=1.2, duration=1.0)
# Covers everything from 0.8 s to 3.5 s.
PANEL = Occluder(
    "panel",
    (0.01, 0.9, 0.9),
    (
        OccluderKey(0.3, (-0.35, 1.5, 0.95)),
        OccluderKey(0.8, (-0.35, 0.0, 0.95)),
        OccluderKey(3.5, (-0.35, 0.0, 0.95)),
        OccluderKey(4.0, (-0.35, 1.5, 0.95)),
    ),
)


def thing(name: str = "box", shape: Shape | None = None, **keys: Any) -> Object:
    """A box of 6 cm in the middle of the table, unless told otherwise."""
    keys.setdefault("position", (0.0, 0.0))
    return Object(name, shape or Box((0.06, 0.06, 0.06)), **keys)


def small_scene(*objects: Object, **keys: Any) -> Scene:
    """A tabletop at 10 frames a second, 160x120, with a perfect sensor, for one second."""
    scene = Scene(
        objects or (thing(),),
        (CAMERA,),
        width=160,
        height=120,
        rate=10.0,
        duration=1.0,
        sensor=PERFECT,
    )
    return replace(scene, **keys)
