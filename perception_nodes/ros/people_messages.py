"""Keypoints from messages; people as markers and transforms (names of REP-155), and forecasts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.bones import forward
from perception_nodes.embodmocap.calibration import SurfacePoints
from perception_nodes.embodmocap.forecast import Forecast
from perception_nodes.embodmocap.interface import Keypoints
from perception_nodes.embodmocap.skeleton import BONES, COUNT, INDEX
from perception_nodes.errors import InputError
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.synchronizer import Synchronizer
from perception_nodes.ros.camera_input import Shot
from perception_nodes.ros.geometry_messages import (
    header_to_msg,
    time_from_msg,
    time_to_msg,
    transform_to_msg,
    transforms_to_msg,
    vector_to_msg,
)
from perception_nodes.ros.message_factory import MessageFactory
from perception_nodes.ros.mirrors import object_color
from perception_nodes.scene import Person

_LINE_LIST, _SPHERE_LIST, _ADD, _DELETE_ALL = 5, 7, 0, 3  # constants of visualization_msgs/Marker
_LINE, _BALL = 0.03, 0.06
_MOST = 100
_HIPS = INDEX["left_hip"], INDEX["right_hip"]


def keypoints_from_msg(message: Any, camera_name: str) -> Keypoints:
    """The keypoints of a `KeypointArray`.

    Raises:
        InputError: A person has not 17 joints, or there are more than 100 people.
    """
    people = message.people
    if len(people) > _MOST:
        raise InputError(f"{len(people)} people in one image: more than {_MOST} are not taken")
    pixels = np.full((len(people), COUNT, 2), np.nan)
    confidence = np.zeros((len(people), COUNT))
    for k, person in enumerate(people):
        if len(person.pixels) != 2 * COUNT or len(person.confidence) != COUNT:
            raise InputError(
                f"a person has {len(person.pixels)} pixel coordinates and "
                f"{len(person.confidence)} confidences, not {2 * COUNT} and {COUNT}",
                "send the 17 joints of COCO in their order",
            )
        pixels[k] = np.array(person.pixels, dtype=np.float64).reshape(COUNT, 2)
        confidence[k] = np.array(person.confidence, dtype=np.float64)
    known = np.isfinite(pixels).all(axis=-1) & np.isfinite(confidence)
    confidence = np.where(known, np.clip(np.nan_to_num(confidence), 0.0, 1.0), 0.0)
    return Keypoints(time_from_msg(message.header.stamp), camera_name, pixels, confidence)


def keypoints_to_msg(keypoints: Keypoints, frame_id: str, factory: MessageFactory) -> Any:
    """A `KeypointArray` in the optical frame `frame_id`."""
    people = [
        factory.make(
            "permanence/msg/Keypoints",
            pixels=pixels.ravel().astype(np.float32),
            confidence=confidence.astype(np.float32),
        )
        for pixels, confidence in zip(keypoints.pixels, keypoints.confidence, strict=True)
    ]
    header = header_to_msg(keypoints.stamp, frame_id, factory)
    return factory.make("permanence/msg/KeypointArray", header=header, people=people)


class KeypointInput:
    """Brings images and the keypoints in them together, by stamp."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what waits, as after a backward jump of the clock."""
        self._pairs: Synchronizer[Shot, Keypoints] = Synchronizer(
            "image", "keypoints", newest_only=True
        )

    def take_shot(self, shot: Shot) -> tuple[Shot, Keypoints] | None:
        """Take an image; give it with its keypoints if they are here already."""
        return self._newest(self._pairs.add_first(shot.stamp, shot))

    def take_keypoints(self, message: Any, camera_name: str) -> tuple[Shot, Keypoints] | None:
        """Take a `KeypointArray`; give it with its image if that is here.

        Raises:
            InputError: The keypoints are impossible.
        """
        keypoints = keypoints_from_msg(message, camera_name)
        return self._newest(self._pairs.add_second(keypoints.stamp, keypoints))

    def explain(self) -> str:
        """Why no image has keypoints."""
        return self._pairs.explain()

    def _newest(self, pairs: list[Any]) -> tuple[Shot, Keypoints] | None:
        return (pairs[-1].first, pairs[-1].second) if pairs else None


def people_markers(
    people: Iterable[Person], stamp: int, frame_id: str, factory: MessageFactory
) -> Any:
    """A `visualization_msgs/MarkerArray`: bones as lines and joints as balls."""
    header = header_to_msg(stamp, frame_id, factory)
    markers = [factory.make("visualization_msgs/msg/Marker", header=header, action=_DELETE_ALL)]
    for index, person in enumerate(people):
        known = np.asarray(np.isfinite(person.joints).all(axis=1))
        ends = [person.joints[k] for a, b in BONES if known[a] and known[b] for k in (a, b)]
        balls = list(person.joints[known])
        color = object_color(person.id, 0.9, factory)
        for kind, space, width, points in (
            (_LINE_LIST, "bones", _LINE, ends),
            (_SPHERE_LIST, "joints", _BALL, balls),
        ):
            markers.append(
                factory.make(
                    "visualization_msgs/msg/Marker",
                    header=header,
                    ns=space,
                    id=index,
                    type=kind,
                    action=_ADD,
                    scale=factory.make("geometry_msgs/msg/Vector3", x=width, y=width, z=width),
                    color=color,
                    points=[vector_to_msg(point, factory, "Point") for point in points],
                )
            )
    return factory.make("visualization_msgs/msg/MarkerArray", markers=markers)


def people_transforms(
    people: Sequence[Person], stamp: int, frame_id: str, factory: MessageFactory
) -> Any:
    """A `TFMessage`: `body_<id>` of each person at the pelvis, x where it looks, z up."""
    transforms = [
        transform_to_msg(_pelvis(person.joints), stamp, frame_id, f"body_{person.id}", factory)
        for person in people
        if np.isfinite(person.joints[list(_HIPS)]).all()
    ]
    return transforms_to_msg(transforms, factory)


def forecasts_to_msg(
    forecasts: Iterable[Forecast], stamp: int, frame_id: str, factory: MessageFactory
) -> Any:
    """A `PersonForecastArray` of people in frame `frame_id`, made at `stamp`, ns."""
    return factory.make(
        "permanence/msg/PersonForecastArray",
        header=header_to_msg(stamp, frame_id, factory),
        forecasts=[
            factory.make(
                "permanence/msg/PersonForecast",
                id=told.id,
                stamps=[time_to_msg(t, factory) for t in told.stamps],
                joints=[vector_to_msg(j, factory, "Point") for j in told.joints.reshape(-1, 3)],
                covariances=told.covariances.ravel(),
            )
            for told in forecasts
        ],
    )


def people_ids(people: Sequence[Person], stamp: int, frame_id: str, factory: MessageFactory) -> Any:
    """A `hri_msgs/IdsList` of REP-155; the transform of each is `body_<id>`."""
    header = header_to_msg(stamp, frame_id, factory)
    ids = [person.id for person in people]
    return factory.make("hri_msgs/msg/IdsList", header=header, ids=ids)


def surface_to_msg(
    surface: SurfacePoints, stamp: int, frame_id: str, factory: MessageFactory
) -> Any:
    """A `sensor_msgs/PointCloud2` of the static scene, x, y, z as float32."""
    data = np.ascontiguousarray(surface.points, dtype="<f4")
    fields = [
        factory.make("sensor_msgs/msg/PointField", name=name, offset=4 * k, datatype=7, count=1)
        for k, name in enumerate("xyz")
    ]
    return factory.make(
        "sensor_msgs/msg/PointCloud2",
        header=header_to_msg(stamp, frame_id, factory),
        height=1,
        width=len(data),
        fields=fields,
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(data),
        data=data.view(np.uint8).reshape(-1),
        is_dense=True,
    )


def _pelvis(joints: Floats) -> Pose:
    ahead = np.array([*forward(joints)[:2], 0.0])
    length = float(np.linalg.norm(ahead))
    x, y = ahead[:2] / length if length > 1e-6 else (1.0, 0.0)
    turn = np.array([[x, -y, 0.0], [y, x, 0.0], [0.0, 0.0, 1.0]])
    return Pose(turn, joints[list(_HIPS)].mean(axis=0))
