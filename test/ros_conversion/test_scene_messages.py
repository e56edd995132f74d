"""Scene types survive the way through message, bytes and back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_nodes.errors import InputError
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros import conversion
from perception_nodes.ros.factory import RosbagsFactory, typestore
from perception_nodes.ros.geometry_messages import (
    pose_from_msg,
    pose_to_msg,
    time_from_msg,
    time_to_msg,
    transform_from_msg,
    transform_to_msg,
    transforms_to_msg,
)
from perception_nodes.ros.mirrors import detections_to_msg, markers_to_msg
from perception_nodes.scene import (
    Event,
    EventKind,
    Gaussian,
    Influence,
    ObjectState,
    Person,
    Prediction,
    Slot,
    Slots,
    Visibility,
)

FACTORY = RosbagsFactory()
RNG = np.random.default_rng(3)
STAMP = 1_604_357_089_919_704_830


def through_bytes(message: Any) -> Any:
    """What another process would receive."""
    store, kind = typestore(), message.__msgtype__
    return store.deserialize_cdr(store.serialize_cdr(message, kind), kind)


def pose() -> Pose:
    return Pose(Rotation.random(rng=RNG).as_matrix(), RNG.normal(size=3))


def single(*shape: int) -> Any:
    """Numbers that float32 holds exactly."""
    return RNG.normal(size=shape).astype(np.float32)


def state(name: str = "o1", **changes: Any) -> ObjectState:
    values: dict[str, Any] = {
        "id": name,
        "stamp": STAMP,
        "pose": pose(),
        "pose_covariance": RNG.normal(size=(6, 6)),
        "velocity": RNG.normal(size=3),
        "angular_velocity": RNG.normal(size=3),
        "twist_covariance": RNG.normal(size=(6, 6)),
        "size": np.array([0.1, 0.2, 0.3]),
        "visibility": Visibility.OCCLUDED,
        "first_seen": STAMP - 10,
        "last_seen": STAMP - 5,
        "existence": 0.75,
        "label": "röd mugg",
        "label_score": 0.5,
        "color": single(3).astype(np.float64),
        "latent": single(128),
        "model_id": "m1",
        "log_mass": Gaussian(-1.1, 0.3),
        "log_friction": Gaussian(-0.7, 0.2),
        "roundness": single(3).astype(np.float64),
        "surprise": 2.5,
    }
    return ObjectState(**(values | changes))


def assert_same(actual: Any, expected: Any) -> None:
    """Equality of scene types: exact, but for rotations, which travel as quaternions."""
    if dataclasses.is_dataclass(expected) and not isinstance(expected, type):
        assert type(actual) is type(expected)
        for field in dataclasses.fields(expected):
            assert_same(getattr(actual, field.name), getattr(expected, field.name))
    elif isinstance(expected, tuple):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        rotation = expected.shape == (3, 3) and np.allclose(expected @ expected.T, np.eye(3))
        tolerance = 1e-14 if rotation else 0.0
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)
    else:
        assert actual == expected
        assert type(actual) is type(expected)


def test_object_states_come_back_as_they_were() -> None:
    states = (state(), state("o2", latent=None, model_id="", visibility=Visibility.LOST))
    message = through_bytes(conversion.object_states_to_msg(states, STAMP, "map", FACTORY))
    assert message.header.frame_id == "map"
    assert_same(conversion.object_states_from_msg(message), states)


def slot(index: int, **changes: Any) -> Slot:
    values: dict[str, Any] = {
        "index": index,
        "pose": pose(),
        "covariance": RNG.normal(size=(3, 3)),
        "size": RNG.normal(size=3),
        "pixels": 1234,
        "score": 0.5,
        "cut": True,
        "color": single(3).astype(np.float64),
        "points": single(7, 3),
        "latent": single(128),
    }
    return Slot(**(values | changes))


@pytest.mark.parametrize("camera_pose", [None, pose()])
def test_slots_come_back_as_they_were_with_the_camera_pose(camera_pose: Pose | None) -> None:
    labels = RNG.integers(0, 3, (6, 8), dtype=np.uint8)
    empty = slot(1, points=np.zeros((0, 3), np.float32), latent=None, cut=False)
    slots = Slots(STAMP, "camera_a", "a_optical_frame", labels, (slot(0), empty), "finder-1")
    message = through_bytes(conversion.slots_to_msg(slots, camera_pose, "map", FACTORY))
    result, result_pose = conversion.slots_from_msg(message, labels)
    assert_same(result, slots)
    assert_same(result_pose, camera_pose)


def test_slots_of_a_source_that_rested_say_so_and_how_stale_they_are() -> None:
    labels = np.zeros((6, 8), np.uint8)
    slots = Slots(STAMP, "camera_a", "a", labels, (), "finder-1", True, 1_250_000_000)
    message = through_bytes(conversion.slots_to_msg(slots, None, "map", FACTORY))
    assert message.staleness.nanosec == 250_000_000
    assert_same(conversion.slots_from_msg(message, labels)[0], slots)


def test_events_come_back_as_they_were() -> None:
    events = tuple(
        Event(STAMP + i, kind, ("a", "b")[: i % 3], f"text {i}", ("camera@1",) * (i % 2))
        for i, kind in enumerate(EventKind)
    )
    message = through_bytes(conversion.events_to_msg(events, STAMP, "map", FACTORY))
    assert_same(conversion.events_from_msg(message), events)


def test_people_come_back_as_they_were_with_unknown_joints() -> None:
    joints = RNG.normal(size=(17, 3))
    joints[4] = np.nan
    names = tuple(f"joint {i}" for i in range(17))
    contacts, bones = single(17).astype(np.float64), single(16).astype(np.float64)
    person = Person("p", STAMP, names, joints, RNG.normal(size=(17, 3, 3)), contacts, bones)
    message = through_bytes(conversion.people_to_msg([person], STAMP, "map", FACTORY))
    assert_same(conversion.people_from_msg(message), (person,))


@pytest.mark.parametrize("length", [0, 3])
def test_predictions_come_back_as_they_were(length: int) -> None:
    covariances = RNG.normal(size=(length, 6, 6))
    poses = tuple(pose() for _ in range(length))
    prediction = Prediction("a", tuple(range(length)), poses, covariances)
    message = through_bytes(conversion.predictions_to_msg([prediction], STAMP, "map", FACTORY))
    assert_same(conversion.predictions_from_msg(message), (prediction,))


def test_influences_come_back_as_they_were() -> None:
    influences = (Influence("a", "b", 0.5, 0.25), Influence("b", "a", 0.0, 0.0))
    message = through_bytes(conversion.influences_to_msg(influences, STAMP, "map", FACTORY))
    assert_same(conversion.influences_from_msg(message), influences)


@pytest.mark.parametrize("stamp", [0, 1, 999_999_999, 1_000_000_000, STAMP])
def test_stamps_are_exact_to_the_nanosecond(stamp: int) -> None:
    assert time_from_msg(through_bytes(time_to_msg(stamp, FACTORY))) == stamp


def test_transforms_come_back_and_lose_the_slashes_of_ros1() -> None:
    expected = pose()
    transform = transform_to_msg(expected, STAMP, "/map", "/camera", FACTORY)
    message = through_bytes(transforms_to_msg([transform], FACTORY))
    stamp, parent, child, result = transform_from_msg(message.transforms[0])
    assert (stamp, parent, child) == (STAMP, "map", "camera")
    assert_same(result, expected)


def test_a_quaternion_that_is_none_is_refused() -> None:
    message = pose_to_msg(Pose.identity(), FACTORY)
    message.orientation.w = 0.0
    with pytest.raises(InputError, match="length 0"):
        pose_from_msg(message)


def test_default_messages_are_valid() -> None:
    """An orientation that nobody sets is the identity, as in ROS."""
    message = FACTORY.make("geometry_msgs/msg/PoseStamped")
    assert_same(pose_from_msg(message.pose), Pose.identity())


def test_a_field_that_does_not_exist_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="no field colour"):
        FACTORY.make("permanence/msg/ObjectState", colour=1)


def test_every_interface_of_the_package_can_be_made_and_serialized() -> None:
    names = [name for name in typestore().fielddefs if name.startswith("permanence/")]
    assert len(names) >= 14
    for name in names:
        through_bytes(FACTORY.make(name))


def test_hidden_objects_are_more_transparent_and_colors_follow_the_id() -> None:
    states = [state("a", visibility=Visibility.VISIBLE), state("a"), state("b", label="")]
    message = through_bytes(markers_to_msg(states, STAMP, "map", FACTORY))
    clear, *markers = message.markers
    assert clear.action == 3
    boxes, names = markers[::2], markers[1::2]
    colors = [(box.color.r, box.color.g, box.color.b) for box in boxes]
    assert colors[0] == colors[1] != colors[2]
    assert boxes[0].color.a > boxes[1].color.a > 0
    assert [name.text for name in names] == [
        "röd mugg (a): visible",
        "röd mugg (a): occluded",
        "b: occluded",
    ]
    assert len({(m.ns, m.id) for m in markers}) == len(markers)
    assert_same(pose_from_msg(boxes[2].pose), states[2].pose)


def test_names_stand_above_their_objects() -> None:
    lying = Pose(Rotation.from_euler("y", 90, degrees=True).as_matrix(), np.zeros(3))
    upright = state(pose=Pose.identity(), size=np.array([0.1, 0.1, 1.0]))
    flat = state(pose=lying, size=np.array([0.1, 0.1, 1.0]))
    markers = markers_to_msg([upright, flat], STAMP, "map", FACTORY).markers
    assert markers[2].pose.position.z > 0.5
    assert 0.05 < markers[4].pose.position.z < 0.2


def test_detections_carry_label_existence_and_box() -> None:
    expected = state()
    message = through_bytes(detections_to_msg([expected], STAMP, "map", FACTORY))
    (detection,) = message.detections
    assert (detection.id, detection.header.frame_id) == ("o1", "map")
    hypothesis = detection.results[0].hypothesis
    assert (hypothesis.class_id, hypothesis.score) == ("röd mugg", 0.75)
    assert_same(pose_from_msg(detection.bbox.center), expected.pose)
    assert detection.bbox.size.z == 0.3
