"""Making ROS messages without ROS: of rosbags' message classes, ours included."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg
from rosbags.typesys import get_typestore as bundled_typestore
from rosbags.typesys.store import Typestore

from perception_nodes.resources import resource

# vision_msgs is not part of rosbags' type stores; these are its interfaces since version 4.
_VISION = {
    "ObjectHypothesis": "string class_id\nfloat64 score\n",
    "ObjectHypothesisWithPose": (
        "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n"
    ),
    "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size\n",
    "Detection3D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox3D bbox\nstring id\n"
    ),
    "Detection3DArray": "std_msgs/Header header\nvision_msgs/Detection3D[] detections\n",
    "Point2D": "float64 x\nfloat64 y\n",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta\n",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n",
    "Detection2D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox2D bbox\nstring id\n"
    ),
    "Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections\n",
}
_HRI_IDS = "std_msgs/Header header\nstring[] ids\n"


class RosbagsFactory:
    """Makes messages that rosbags and `bags.writer` serialize; see `MessageFactory`."""

    def make(self, type_name: str, **fields: Any) -> Any:
        """Make a message; fields that are not given have the default of their type."""
        message_type, fixed, defaults, convert = _specification(type_name)
        values = dict(fixed)
        for name, default in defaults:
            if name not in fields:
                values[name] = default()
        try:
            for name, value in fields.items():
                values[name] = convert[name](value)
        except KeyError:
            unknown = ", ".join(fields.keys() - convert.keys())
            raise TypeError(f"{type_name} has no field {unknown}") from None
        return message_type(**values)


@cache
def typestore() -> Typestore:
    """Definitions of the standard interfaces (Jazzy), of vision_msgs and hri_msgs, and our own."""
    store = bundled_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for name, text in _VISION.items():
        types.update(get_types_from_msg(text, f"vision_msgs/msg/{name}"))
    types.update(get_types_from_msg(_HRI_IDS, "hri_msgs/msg/IdsList"))
    for path in sorted(resource("msg").glob("*.msg")):
        types.update(get_types_from_msg(path.read_text(), f"permanence/msg/{path.stem}"))
    store.register(types)
    return store


class _Specification(NamedTuple):
    """How messages of a type are made.

    Attributes:
        make: The class.
        fixed: Defaults that can't be changed, so that all messages share them.
        defaults: What makes each of the other defaults.
        convert: What turns a value into what a field takes.
    """

    make: Callable[..., Any]
    fixed: dict[str, Any]
    defaults: list[tuple[str, Callable[[], Any]]]
    convert: dict[str, Callable[[Any], Any]]


@cache
def _specification(type_name: str) -> _Specification:
    store = typestore()
    result = _Specification(store.types[type_name], {}, [], {})
    for name, kind in store.fielddefs[type_name][1]:
        default, result.convert[name] = _behavior(kind)
        if kind[0] == Nodetype.BASE:
            result.fixed[name] = default()
        else:
            result.defaults.append((name, default))
    if type_name == "geometry_msgs/msg/Quaternion":  # the one default that rosbags leaves out
        result.fixed["w"] = 1.0
    return result


def _behavior(kind: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """How to make the default of a field, and how to turn a value into what it takes."""
    node, detail = kind
    if node == Nodetype.BASE:
        return _scalar(detail[0])
    if node == Nodetype.NAME:
        return lambda: _default(detail), lambda value: value
    (element_node, element), length = detail
    count = length if node == Nodetype.ARRAY else 0
    if element_node == Nodetype.BASE and element[0] != "string":
        return _numbers(element[0], count)
    make = str if element_node == Nodetype.BASE else (lambda: _default(element))
    return lambda: [make() for _ in range(count)], list


def _default(type_name: str) -> Any:
    make, fixed, defaults, _ = _specification(type_name)
    return make(**fixed, **{name: default() for name, default in defaults})


def _scalar(name: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    kind = str if name == "string" else bool if name == "bool" else _number_type(name)
    return kind, kind


def _number_type(name: str) -> type:
    return float if name.startswith("float") else int


def _numbers(name: str, count: int) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    kind = np.dtype({"byte": "uint8", "char": "uint8"}.get(name, name))
    return (
        lambda: np.zeros(count, kind),
        lambda value: np.ascontiguousarray(_buffer(value), kind).reshape(-1),
    )


def _buffer(value: Any) -> Any:
    """Bytes as numbers; numpy would take them for a text."""
    return np.frombuffer(value, np.uint8) if isinstance(value, bytes | bytearray) else value
