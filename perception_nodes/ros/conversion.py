"""Scene types to ROS messages and back, for rclpy and rosbags messages alike.

`*_to_msg` takes a `MessageFactory`, `*_from_msg` reads fields only. What a message stores as
float32 comes back rounded to that; everything else comes back as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.errors import InputError
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.geometry_messages import (
    duration_to_msg,
    header_to_msg,
    pose_from_msg,
    pose_to_msg,
    pose_with_covariance_to_msg,
    time_from_msg,
    time_to_msg,
    vector_from_msg,
    vector_to_msg,
)
from perception_nodes.ros.message_factory import MessageFactory
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

_Kind = TypeVar("_Kind", bound=Enum)


def slots_to_msg(
    slots: Slots, camera_pose: Pose | None, world_frame: str, factory: MessageFactory
) -> Any:
    """A `SlotArray`; the masks travel as an image of their own, `image_messages.labels_to_msg`.

    Args:
        slots: What one frame shows.
        camera_pose: Of the frame, in `world_frame`; None while it is unknown.
        world_frame: Name of the world frame.
        factory: Makes the message.
    """
    return factory.make(
        "permanence/msg/SlotArray",
        header=header_to_msg(slots.stamp, slots.frame_id, factory),
        camera_name=slots.camera_name,
        model_id=slots.model_id,
        camera_pose=pose_to_msg(camera_pose or Pose.identity(), factory),
        world_frame=world_frame if camera_pose is not None else "",
        slots=[_slot_to_msg(slot, factory) for slot in slots.items],
        rested=slots.rested,
        staleness=duration_to_msg(slots.staleness, factory),
    )


def slots_from_msg(msg: Any, labels: Bytes) -> tuple[Slots, Pose | None]:
    """The slots of a `SlotArray` and the camera's pose in the world, if it is known.

    Args:
        msg: The message.
        labels: (h, w) uint8 of the `slot_masks` image of the same stamp.

    Raises:
        InputError: A pose is impossible.
    """
    pose = pose_from_msg(msg.camera_pose) if msg.world_frame else None
    slots = Slots(
        time_from_msg(msg.header.stamp),
        msg.camera_name,
        msg.header.frame_id,
        labels,
        tuple(_slot_from_msg(slot) for slot in msg.slots),
        msg.model_id,
        bool(msg.rested),
        time_from_msg(msg.staleness),
    )
    return slots, pose


def object_states_to_msg(
    states: Iterable[ObjectState],
    stamp: int,
    frame_id: str,
    factory: MessageFactory,
    camera_name: str = "",
) -> Any:
    """An `ObjectStateArray` of states in frame `frame_id` after a camera's image of `stamp`, ns."""
    return factory.make(
        "permanence/msg/ObjectStateArray",
        header=header_to_msg(stamp, frame_id, factory),
        camera_name=camera_name,
        objects=[object_state_to_msg(state, factory) for state in states],
    )


def object_states_from_msg(msg: Any) -> tuple[ObjectState, ...]:
    """The states of an `ObjectStateArray`; all have the stamp of its header.

    Raises:
        InputError: A pose or a visibility is impossible.
    """
    stamp = time_from_msg(msg.header.stamp)
    return tuple(object_state_from_msg(m, stamp) for m in msg.objects)


def object_state_to_msg(state: ObjectState, factory: MessageFactory) -> Any:
    """An `ObjectState` message."""
    twist = factory.make(
        "geometry_msgs/msg/Twist",
        linear=vector_to_msg(state.velocity, factory),
        angular=vector_to_msg(state.angular_velocity, factory),
    )
    return factory.make(
        "permanence/msg/ObjectState",
        id=state.id,
        label=state.label,
        label_score=state.label_score,
        pose=pose_with_covariance_to_msg(state.pose, state.pose_covariance, factory),
        twist=factory.make(
            "geometry_msgs/msg/TwistWithCovariance",
            twist=twist,
            covariance=state.twist_covariance.ravel(),
        ),
        size=vector_to_msg(state.size, factory),
        visibility=int(state.visibility),
        first_seen=time_to_msg(state.first_seen, factory),
        last_seen=time_to_msg(state.last_seen, factory),
        existence=state.existence,
        color=state.color,
        latent=_latent_to_msg(state.latent),
        model_id=state.model_id,
        log_mass_mean=state.log_mass.mean,
        log_mass_variance=state.log_mass.variance,
        log_friction_mean=state.log_friction.mean,
        log_friction_variance=state.log_friction.variance,
        roundness=state.roundness,
        surprise=state.surprise,
    )


def object_state_from_msg(msg: Any, stamp: int) -> ObjectState:
    """The state of an `ObjectState` message, whose array's header has `stamp`, ns.

    Raises:
        InputError: The pose or the visibility is impossible.
    """
    return ObjectState(
        id=msg.id,
        stamp=stamp,
        pose=pose_from_msg(msg.pose.pose),
        pose_covariance=_square(msg.pose.covariance, 6),
        velocity=vector_from_msg(msg.twist.twist.linear),
        angular_velocity=vector_from_msg(msg.twist.twist.angular),
        twist_covariance=_square(msg.twist.covariance, 6),
        size=vector_from_msg(msg.size),
        visibility=_known(Visibility, msg.visibility),
        first_seen=time_from_msg(msg.first_seen),
        last_seen=time_from_msg(msg.last_seen),
        existence=float(msg.existence),
        label=msg.label,
        label_score=float(msg.label_score),
        color=np.array(msg.color, dtype=np.float64),
        latent=_latent_from_msg(msg.latent),
        model_id=msg.model_id,
        log_mass=Gaussian(float(msg.log_mass_mean), float(msg.log_mass_variance)),
        log_friction=Gaussian(float(msg.log_friction_mean), float(msg.log_friction_variance)),
        roundness=np.array(msg.roundness, dtype=np.float64),
        surprise=float(msg.surprise),
    )


def event_to_msg(event: Event, factory: MessageFactory) -> Any:
    """An `Event` message."""
    return factory.make(
        "permanence/msg/Event",
        stamp=time_to_msg(event.stamp, factory),
        kind=event.kind.value,
        subjects=list(event.subjects),
        text=event.text,
        evidence=list(event.evidence),
    )


def events_to_msg(
    events: Iterable[Event], stamp: int, frame_id: str, factory: MessageFactory
) -> Any:
    """An `EventArray`."""
    return factory.make(
        "permanence/msg/EventArray",
        header=header_to_msg(stamp, frame_id, factory),
        events=[event_to_msg(event, factory) for event in events],
    )


def events_from_msg(msg: Any) -> tuple[Event, ...]:
    """The events of an `EventArray`.

    Raises:
        InputError: The kind of an event is unknown.
    """
    return tuple(
        Event(
            time_from_msg(m.stamp),
            _known(EventKind, m.kind),
            tuple(m.subjects),
            m.text,
            tuple(m.evidence),
        )
        for m in msg.events
    )


def people_to_msg(
    people: Iterable[Person], stamp: int, frame_id: str, factory: MessageFactory
) -> Any:
    """A `PersonArray` of people in frame `frame_id` at `stamp`, ns."""
    return factory.make(
        "permanence/msg/PersonArray",
        header=header_to_msg(stamp, frame_id, factory),
        people=[_person_to_msg(person, factory) for person in people],
    )


def people_from_msg(msg: Any) -> tuple[Person, ...]:
    """The people of a `PersonArray`; all have the stamp of its header."""
    stamp = time_from_msg(msg.header.stamp)
    return tuple(_person_from_msg(m, stamp) for m in msg.people)


def predictions_to_msg(
    predictions: Iterable[Prediction], stamp: int, frame_id: str, factory: MessageFactory
) -> Any:
    """A `PredictionArray` in frame `frame_id`, made at `stamp`, ns."""
    return factory.make(
        "permanence/msg/PredictionArray",
        header=header_to_msg(stamp, frame_id, factory),
        predictions=[_prediction_to_msg(p, factory) for p in predictions],
    )


def predictions_from_msg(msg: Any) -> tuple[Prediction, ...]:
    """The predictions of a `PredictionArray`.

    Raises:
        InputError: A pose is impossible.
    """
    return tuple(
        Prediction(
            m.id,
            tuple(time_from_msg(t) for t in m.stamps),
            tuple(pose_from_msg(p.pose) for p in m.poses),
            np.array([_square(p.covariance, 6) for p in m.poses]).reshape(-1, 6, 6),
        )
        for m in msg.predictions
    )


def influences_to_msg(
    influences: Iterable[Influence], stamp: int, frame_id: str, factory: MessageFactory
) -> Any:
    """An `InfluenceArray`."""
    items = [
        factory.make(
            "permanence/msg/Influence",
            source=i.source,
            target=i.target,
            strength=i.strength,
            lag=i.lag,
        )
        for i in influences
    ]
    header = header_to_msg(stamp, frame_id, factory)
    return factory.make("permanence/msg/InfluenceArray", header=header, influences=items)


def influences_from_msg(msg: Any) -> tuple[Influence, ...]:
    """The influences of an `InfluenceArray`."""
    return tuple(
        Influence(m.source, m.target, float(m.strength), float(m.lag)) for m in msg.influences
    )


def _slot_to_msg(slot: Slot, factory: MessageFactory) -> Any:
    return factory.make(
        "permanence/msg/Slot",
        index=slot.index,
        pose=pose_to_msg(slot.pose, factory),
        position_covariance=slot.covariance.ravel(),
        size=vector_to_msg(slot.size, factory),
        pixels=slot.pixels,
        score=slot.score,
        cut=slot.cut,
        color=slot.color,
        points=slot.points.ravel(),
        latent=_latent_to_msg(slot.latent),
    )


def _slot_from_msg(msg: Any) -> Slot:
    return Slot(
        index=int(msg.index),
        pose=pose_from_msg(msg.pose),
        covariance=_square(msg.position_covariance, 3),
        size=vector_from_msg(msg.size),
        pixels=int(msg.pixels),
        score=float(msg.score),
        cut=bool(msg.cut),
        color=np.array(msg.color, dtype=np.float64),
        points=np.array(msg.points, dtype=np.float32).reshape(-1, 3),
        latent=_latent_from_msg(msg.latent),
    )


def _person_to_msg(person: Person, factory: MessageFactory) -> Any:
    return factory.make(
        "permanence/msg/Person",
        id=person.id,
        joint_names=list(person.joint_names),
        joints=[vector_to_msg(joint, factory, "Point") for joint in person.joints],
        covariances=person.covariances.ravel(),
        contacts=person.contacts,
        bone_lengths=person.bone_lengths,
    )


def _person_from_msg(msg: Any, stamp: int) -> Person:
    return Person(
        id=msg.id,
        stamp=stamp,
        joint_names=tuple(msg.joint_names),
        joints=np.array([vector_from_msg(joint) for joint in msg.joints]).reshape(-1, 3),
        covariances=np.array(msg.covariances, dtype=np.float64).reshape(-1, 3, 3),
        contacts=np.array(msg.contacts, dtype=np.float64),
        bone_lengths=np.array(msg.bone_lengths, dtype=np.float64),
    )


def _prediction_to_msg(prediction: Prediction, factory: MessageFactory) -> Any:
    poses = zip(prediction.poses, prediction.covariances, strict=True)
    return factory.make(
        "permanence/msg/Prediction",
        id=prediction.id,
        stamps=[time_to_msg(stamp, factory) for stamp in prediction.stamps],
        poses=[pose_with_covariance_to_msg(pose, cov, factory) for pose, cov in poses],
    )


def _latent_to_msg(latent: Floats | None) -> Floats:
    return np.zeros(0, np.float32) if latent is None else latent


def _latent_from_msg(values: Any) -> Floats | None:
    return np.array(values, dtype=np.float32) if len(values) else None


def _square(values: Any, size: int) -> Floats:
    return np.array(values, dtype=np.float64).reshape(size, size)


def _known(kind: type[_Kind], value: Any) -> _Kind:
    try:
        return kind(value)
    except ValueError as error:
        names = ", ".join(str(member.value) for member in kind)
        raise InputError(f"{value!r} is no {kind.__name__}; known are {names}") from error
