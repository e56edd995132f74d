"""Futures and influences as markers for RViz: a path with its uncertainty, and arrows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.geometry_messages import pose_to_msg, vector_to_msg
from perception_nodes.ros.message_factory import MessageFactory
from perception_nodes.ros.mirrors import object_color
from perception_nodes.scene import Influence, ObjectState, Prediction

_ARROW, _SPHERE, _LINE_STRIP, _ADD = 0, 2, 4, 0  # constants of visualization_msgs/Marker
_PATH_OPACITY, _SPREAD_OPACITY = 0.9, 0.2
_LINE_WIDTH = 0.006
_SHAFT, _HEAD, _HEAD_LENGTH = 0.01, 0.025, 0.04
_MIN_MOTION = 0.01
_MIN_STRENGTH = 0.05
_SIGMAS = 2.0


def future_markers(
    states: Sequence[ObjectState],
    predictions: Iterable[Prediction],
    influences: Iterable[Influence],
    header: Any,
    factory: MessageFactory,
) -> list[Any]:
    """Markers to append to those of the objects, see `mirrors.markers_to_msg`.

    A path and an ellipsoid of two standard deviations at its end for each object that is expected
    to move more than a centimeter; an arrow for each influence above 0.05, the more opaque the
    stronger. What names an object that is not among the states is left out.
    """
    places = {state.id: state.position for state in states}
    markers = []
    for index, prediction in enumerate(moving_predictions(states, predictions)):
        path = [places[prediction.id], *(pose.translation for pose in prediction.poses)]
        markers.append(_path(prediction.id, path, index, header, factory))
        markers.append(_spread(prediction, index, header, factory))
    for index, influence in enumerate(influences):
        known = influence.source in places and influence.target in places
        if known and influence.strength >= _MIN_STRENGTH:
            markers.append(_arrow(influence, places, index, header, factory))
    return markers


def moving_predictions(
    states: Iterable[ObjectState], predictions: Iterable[Prediction]
) -> list[Prediction]:
    """Those of objects among the states that are expected to move more than a centimeter."""
    places = {state.id: state.position for state in states}
    return [p for p in predictions if p.id in places and _distance(p, places[p.id]) > _MIN_MOTION]


def _distance(prediction: Prediction, place: Floats) -> float:
    return max((math.dist(pose.translation, place) for pose in prediction.poses), default=0.0)


def _path(name: str, path: list[Floats], index: int, header: Any, factory: MessageFactory) -> Any:
    return factory.make(
        "visualization_msgs/msg/Marker",
        header=header,
        ns="futures",
        id=index,
        type=_LINE_STRIP,
        action=_ADD,
        scale=factory.make("geometry_msgs/msg/Vector3", x=_LINE_WIDTH),
        color=object_color(name, _PATH_OPACITY, factory),
        points=[vector_to_msg(place, factory, "Point") for place in path],
    )


def _spread(prediction: Prediction, index: int, header: Any, factory: MessageFactory) -> Any:
    variances, axes = np.linalg.eigh(prediction.covariances[-1, :3, :3])
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    pose = Pose(axes, prediction.poses[-1].translation)
    return factory.make(
        "visualization_msgs/msg/Marker",
        header=header,
        ns="future_spread",
        id=index,
        type=_SPHERE,
        action=_ADD,
        pose=pose_to_msg(pose, factory),
        scale=vector_to_msg(2.0 * _SIGMAS * np.sqrt(np.maximum(variances, 1e-8)), factory),
        color=object_color(prediction.id, _SPREAD_OPACITY, factory),
    )


def _arrow(
    influence: Influence,
    places: Mapping[str, Floats],
    index: int,
    header: Any,
    factory: MessageFactory,
) -> Any:
    ends = (places[influence.source], places[influence.target])
    strength = min(influence.strength, 1.0)
    return factory.make(
        "visualization_msgs/msg/Marker",
        header=header,
        ns="influences",
        id=index,
        type=_ARROW,
        action=_ADD,
        scale=factory.make("geometry_msgs/msg/Vector3", x=_SHAFT, y=_HEAD, z=_HEAD_LENGTH),
        color=factory.make("std_msgs/msg/ColorRGBA", r=1.0, g=0.6, b=0.1, a=strength),
        points=[vector_to_msg(place, factory, "Point") for place in ends],
    )
