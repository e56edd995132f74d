"""Object states in the standard messages that other people's tools show."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.geometry_messages import (
    header_to_msg,
    pose_to_msg,
    pose_with_covariance_to_msg,
    vector_to_msg,
)
from perception_nodes.ros.message_factory import MessageFactory
from perception_nodes.scene import ObjectState, Visibility

_CUBE, _TEXT, _ADD, _DELETE_ALL = 1, 9, 0, 3  # constants of visualization_msgs/Marker
_TEXT_HEIGHT = 0.04
_MIN_SIZE = 1e-3
_OPACITY = {
    Visibility.VISIBLE: 0.8,
    Visibility.OCCLUDED: 0.35,
    Visibility.OUT_OF_VIEW: 0.35,
    Visibility.LOST: 0.15,
}


def markers_to_msg(
    states: Iterable[ObjectState], stamp: int, frame_id: str, factory: MessageFactory
) -> Any:
    """A `visualization_msgs/MarkerArray`: a box and a name for each object.

    Each object keeps its color; what is hidden is translucent. The first marker removes what the
    array before showed.
    """
    header = header_to_msg(stamp, frame_id, factory)
    markers = [factory.make("visualization_msgs/msg/Marker", header=header, action=_DELETE_ALL)]
    for index, state in enumerate(states):
        markers.append(_box(state, index, header, factory))
        markers.append(_name(state, index, header, factory))
    return factory.make("visualization_msgs/msg/MarkerArray", markers=markers)


def detections_to_msg(
    states: Iterable[ObjectState], stamp: int, frame_id: str, factory: MessageFactory
) -> Any:
    """A `vision_msgs/Detection3DArray`: class is the label, score the existence probability."""
    header = header_to_msg(stamp, frame_id, factory)
    return factory.make(
        "vision_msgs/msg/Detection3DArray",
        header=header,
        detections=[_detection(state, header, factory) for state in states],
    )


def _detection(state: ObjectState, header: Any, factory: MessageFactory) -> Any:
    hypothesis = factory.make(
        "vision_msgs/msg/ObjectHypothesis", class_id=state.label, score=state.existence
    )
    result = factory.make(
        "vision_msgs/msg/ObjectHypothesisWithPose",
        hypothesis=hypothesis,
        pose=pose_with_covariance_to_msg(state.pose, state.pose_covariance, factory),
    )
    box = factory.make(
        "vision_msgs/msg/BoundingBox3D",
        center=pose_to_msg(state.pose, factory),
        size=vector_to_msg(state.size, factory),
    )
    return factory.make(
        "vision_msgs/msg/Detection3D", header=header, results=[result], bbox=box, id=state.id
    )


def _box(state: ObjectState, index: int, header: Any, factory: MessageFactory) -> Any:
    return factory.make(
        "visualization_msgs/msg/Marker",
        header=header,
        ns="objects",
        id=index,
        type=_CUBE,
        action=_ADD,
        pose=pose_to_msg(state.pose, factory),
        scale=vector_to_msg(np.maximum(state.size, _MIN_SIZE), factory),
        color=object_color(state.id, _OPACITY[state.visibility], factory),
    )


def _name(state: ObjectState, index: int, header: Any, factory: MessageFactory) -> Any:
    half_height = 0.5 * float(np.abs(state.pose.rotation[2]) @ state.size)
    name = f"{state.label} ({state.id})" if state.label else state.id
    above = state.position + np.array([0.0, 0.0, half_height + _TEXT_HEIGHT])
    return factory.make(
        "visualization_msgs/msg/Marker",
        header=header,
        ns="names",
        id=index,
        type=_TEXT,
        action=_ADD,
        pose=pose_to_msg(Pose(np.eye(3), above), factory),
        scale=factory.make("geometry_msgs/msg/Vector3", z=_TEXT_HEIGHT),
        color=factory.make("std_msgs/msg/ColorRGBA", r=1.0, g=1.0, b=1.0, a=1.0),
        text=f"{name}: {state.visibility.name.lower().replace('_', ' ')}",
    )


def object_color(name: str, opacity: float, factory: MessageFactory) -> Any:
    """A hue that follows from the id alone, so that it is the same in every run and tool."""
    hue = zlib.crc32(name.encode()) / 2**32
    r, g, b = colorsys.hsv_to_rgb(hue, 0.75, 0.95)
    return factory.make("std_msgs/msg/ColorRGBA", r=r, g=g, b=b, a=opacity)
