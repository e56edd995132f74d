"""What the live page draws, as plain JSON: the picture's outlines and the map's shapes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.embodmocap.skeleton import BONES
from perception_nodes.report.markup import color
from perception_nodes.report.overlay import corners, outlines
from perception_nodes.scene import (
    Event,
    Frame,
    Influence,
    ObjectState,
    Person,
    Prediction,
    SceneState,
    Visibility,
)

WIDTH = 640
_NANOSECONDS = 1e-9
_EVENTS = 40
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 80]


@dataclass(frozen=True, slots=True, eq=False)
class PlanShown:
    """A plan as far as it is drawn: status, reason, and (T, 3) places of the pusher's tip."""

    status: str
    reason: str
    tip: Floats


@dataclass(slots=True, eq=False)
class Story:
    """What the page must know besides the newest scene; grows no further than a bound.

    Attributes:
        first: Stamp of the first scene, ns; None before it.
        events: The newest ones.
        numbers: By object id, in which order they appeared: their colors.
    """

    first: int | None = None
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=_EVENTS))
    numbers: dict[str, int] = field(default_factory=dict)

    def note(self, state: SceneState) -> None:
        """Take the next scene."""
        self.first = state.stamp if self.first is None else self.first
        self.events.extend(state.events)
        for item in state.objects:
            self.numbers.setdefault(item.id, len(self.numbers))


def picture(frame: Frame) -> bytes:
    """The color image as JPEG, at most `WIDTH` pixels wide."""
    image: Bytes = frame.color
    width, height = shown_size(frame)
    if width < frame.camera.width:
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    _, data = cv2.imencode(".jpg", image[..., ::-1], _JPEG)
    return bytes(data)


def shown_size(frame: Frame) -> tuple[int, int]:
    """Width and height of the picture on the page."""
    width = min(WIDTH, frame.camera.width)
    return width, round(width * frame.camera.height / frame.camera.width)


def scene_json(frame: Frame | None, state: SceneState, story: Story, plan: PlanShown | None) -> Any:
    """The scene as lists, texts and finite numbers; what is not known is null."""
    first = state.stamp if story.first is None else story.first
    return {
        "stamp": state.stamp,
        "seconds": (state.stamp - first) * _NANOSECONDS,
        "picture": None if frame is None else _picture(frame, state),
        "camera": None if frame is None or frame.pose is None else _camera(frame),
        "objects": [_object(item, state.stamp, story.numbers) for item in state.objects],
        "futures": [_future(item) for item in state.predictions],
        "influences": [_influence(item) for item in state.influences],
        "people": [_person(item) for item in state.people],
        "plan": None if plan is None else _plan(plan),
        "events": [_event(item, first) for item in reversed(story.events)],
    }


def _picture(frame: Frame, state: SceneState) -> dict[str, Any]:
    width, height = shown_size(frame)
    drawn = outlines(frame, state.slots, state.objects, (width, height))
    return {
        "width": width,
        "height": height,
        "outlines": [
            {
                "id": item.id,
                "visibility": item.visibility.name,
                "mask": item.mask,
                "box": item.box,
                "anchor": numbers(item.anchor),
            }
            for item in drawn
        ],
    }


def _camera(frame: Frame) -> dict[str, Any]:
    assert frame.pose is not None
    ahead = frame.pose.rotation @ np.array([0.0, 0.0, 1.0])
    half = math.atan2(frame.camera.width / 2.0, frame.camera.fx)
    return {
        "place": numbers(frame.pose.translation),
        "heading": number(math.atan2(ahead[1], ahead[0])),
        "half_angle": number(half),
    }


def _object(item: ObjectState, stamp: int, order: dict[str, int]) -> dict[str, Any]:
    ground = corners(item)[:, :2]
    known = bool(np.isfinite(ground).all())
    hull = cv2.convexHull(ground.astype(np.float32))[:, 0] if known else ()
    spread = np.linalg.eigvalsh(item.pose_covariance[:2, :2])[-1]
    return {
        "id": item.id,
        "label": item.label,
        "color": color(order.get(item.id, 0)),
        "visibility": item.visibility.name,
        "hidden": item.visibility is not Visibility.VISIBLE,
        "place": numbers(item.position),
        "size": numbers(item.size),
        "ground": [numbers(point) for point in hull],
        "deviation": number(math.sqrt(max(float(spread), 0.0))),
        "unseen": number((stamp - item.last_seen) * _NANOSECONDS),
        "existence": number(item.existence),
    }


def _future(item: Prediction) -> dict[str, Any]:
    return {"id": item.id, "path": [numbers(pose.translation[:2]) for pose in item.poses]}


def _influence(item: Influence) -> dict[str, Any]:
    return {"source": item.source, "target": item.target, "strength": number(item.strength)}


def _person(item: Person) -> dict[str, Any]:
    joints = [numbers(joint) for joint in item.joints]
    return {"id": item.id, "joints": joints, "bones": [list(bone) for bone in BONES]}


def _plan(plan: PlanShown) -> dict[str, Any]:
    return {
        "status": plan.status,
        "reason": plan.reason,
        "tip": [numbers(place[:2]) for place in plan.tip],
    }


def _event(item: Event, first: int) -> dict[str, Any]:
    return {"seconds": (item.stamp - first) * _NANOSECONDS, "kind": item.kind, "text": item.text}


def numbers(values: Iterable[float] | Floats) -> list[float | None]:
    """Numbers for JSON, which has none that are not finite."""
    return [number(float(value)) for value in values]


def number(value: float) -> float | None:
    """A number for JSON."""
    return round(value, 4) if math.isfinite(value) else None
