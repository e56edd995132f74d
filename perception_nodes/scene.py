"""The data that flow through the pipeline, in the order in which they come to be.

frame -> slot -> object state -> prediction, influence, event -> plan. Units are meters, seconds,
radians and kilograms; stamps are integer nanoseconds of the message header. Images are views where
possible: treat every array as read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple

import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose

LATENT_SIZE = 128
MAX_SLOTS = 16
MAX_OBJECTS = 64

WORLD_FRAME = "map"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One synchronized RGB-D image with its camera model and pose.

    Attributes:
        stamp: Time of the image, ns.
        camera_name: Which camera took it; frames of one camera are in order of time.
        frame_id: TF name of the optical frame.
        camera: Intrinsics of both images (depth is registered to color).
        color: (H, W, 3) uint8, RGB.
        depth: (H, W) float32, meters along the optical axis; NaN where there is no reading.
        pose: Optical frame in the world frame; None while it is unknown.
    """

    stamp: int
    camera_name: str
    frame_id: str
    camera: Camera
    color: Bytes
    depth: Floats
    pose: Pose | None


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """An object as one frame shows it, in the camera's optical frame.

    Attributes:
        index: Position in the frame's slots; its mask is `labels == index + 1`.
        pose: Center and orientation of the object's box in the optical frame.
        covariance: (3, 3) of the center, meters squared.
        size: (3,) full extents of the box along its own axes, meters.
        pixels: How many pixels show it.
        score: Objectness, 0..1.
        cut: Whether it touches the image border or something in front of it, so that the size is
            a lower bound.
        color: (3,) mean RGB, 0..255.
        points: (P, 3) float32, a small sample of its visible surface, optical frame.
        latent: (128,) float32 that is the same from every viewpoint; None from sources without one.
    """

    index: int
    pose: Pose
    covariance: Floats
    size: Floats
    pixels: int
    score: float
    cut: bool
    color: Floats
    points: Floats
    latent: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """All slots of one frame.

    Attributes:
        stamp, camera_name, frame_id: Those of the frame.
        labels: (h, w) uint8, 0 for background, slot index + 1 elsewhere. It shows the same view
            as the frame's images, possibly at a lower resolution.
        items: The slots, in order of index.
        model_id: Which source and model found them; latents of different ids are not comparable.
        rested: Nobody looked, so that an empty frame says nothing about objects.
        staleness: Since the newest frame of this camera that was looked at, ns; 0 if it is this.
    """

    stamp: int
    camera_name: str
    frame_id: str
    labels: Bytes
    items: tuple[Slot, ...]
    model_id: str
    rested: bool = False
    staleness: int = 0


class Visibility(IntEnum):
    """What the depth image says at the place where an object should be."""

    VISIBLE = 0
    OCCLUDED = 1
    OUT_OF_VIEW = 2
    LOST = 3


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A scalar belief."""

    mean: float
    variance: float


# Before any interaction: 0.1 to 1 kg, friction coefficient 0.3 to 0.8 (one standard deviation).
UNKNOWN_MASS = Gaussian(-1.0, 1.0)
UNKNOWN_FRICTION = Gaussian(-0.7, 0.25)
UNKNOWN_ROUNDNESS = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ObjectState:
    """An object as believed now, seen or not, in the world frame.

    Attributes:
        id: Stable for life, also across restarts with the same memory.
        stamp: Time of the belief, ns.
        pose: Center and orientation of the object's box in the world.
        pose_covariance: (6, 6), position then small rotation about the world axes.
        velocity, angular_velocity: (3,) each, world frame.
        twist_covariance: (6, 6).
        size: (3,) full extents of the box along its own axes.
        visibility: What the cameras say now.
        first_seen, last_seen: Stamps of images that showed it, ns.
        existence: Probability that it is still there, 0..1.
        label, label_score: What a person or classifier calls it; empty if unknown.
        color: (3,) mean RGB.
        latent, model_id: Viewpoint-independent appearance and the model that made it.
        log_mass, log_friction: Physics beliefs psi.
        surprise: Normalized innovation of the last update; 0 if there was none.
        roundness: (3,) chance that the surface is round about each axis of the box: all 1 for a
            ball, 1 for the axis of a cylinder; 0.5 is unknown.
    """

    id: str
    stamp: int
    pose: Pose
    pose_covariance: Floats
    velocity: Floats
    angular_velocity: Floats
    twist_covariance: Floats
    size: Floats
    visibility: Visibility
    first_seen: int
    last_seen: int
    existence: float
    label: str = ""
    label_score: float = 0.0
    color: Floats = field(default_factory=lambda: np.zeros(3))
    latent: Floats | None = None
    model_id: str = ""
    log_mass: Gaussian = UNKNOWN_MASS
    log_friction: Gaussian = UNKNOWN_FRICTION
    surprise: float = 0.0
    roundness: Floats = field(default_factory=lambda: np.full(3, UNKNOWN_ROUNDNESS))

    @property
    def position(self) -> Floats:
        """(3,) center in the world."""
        return self.pose.translation


class EventKind(StrEnum):
    """What can happen to an object.

    The subjects of an ACTION are the objects that it is meant for, then its agent: a person, a
    robot, a hand. Its text begins with the name of the action and a colon, as in
    "push: robot pushes o3".
    """

    APPEARED = "appeared"
    HIDDEN = "hidden"
    REAPPEARED = "reappeared"
    MOVED = "moved"
    MOVED_UNSEEN = "moved_unseen"
    STOPPED = "stopped"
    CONTACT_ON = "contact_on"
    CONTACT_OFF = "contact_off"
    LOST = "lost"
    REMOVED = "removed"
    LABELED = "labeled"
    SURPRISE = "surprise"
    ACTION = "action"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a time.

    Attributes:
        stamp: When, ns.
        kind: What.
        subjects: Ids of the objects concerned, the one that changed first.
        text: One sentence for a person.
        evidence: Where it can be checked, such as "camera@1234567890" for a frame.
    """

    stamp: int
    kind: EventKind
    subjects: tuple[str, ...]
    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A person: joints in the world frame.

    Attributes:
        id: Stable while the person is tracked.
        stamp: ns.
        joint_names: 17 names, COCO order.
        joints: (17, 3) meters, world frame; NaN where unknown.
        covariances: (17, 3, 3).
        contacts: (17,) probability that the joint touches something.
        bone_lengths: (16,) meters.
    """

    id: str
    stamp: int
    joint_names: tuple[str, ...]
    joints: Floats
    covariances: Floats
    contacts: Floats
    bone_lengths: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The future of one object: (T,) stamps, T poses and (T, 6, 6) covariances, world frame."""

    id: str
    stamps: tuple[int, ...]
    poses: tuple[Pose, ...]
    covariances: Floats


@dataclass(frozen=True, slots=True)
class Influence:
    """How much object `source` explains the motion of object `target`, 0..1, after `lag` s."""

    source: str
    target: str
    strength: float
    lag: float


class PlanStatus(IntEnum):
    """What a plan says, as in `msg/PlanStatus`."""

    IDLE = 0
    RUNNING = 1
    SUCCEEDED = 2
    HOLDING = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How to move the pusher, and what that is expected to do.

    Attributes:
        stamp: Of the object states that it is made from, ns.
        object_id: What shall be moved.
        interval: Seconds a step.
        tip: (T + 1, 3) positions of the pusher's tip in the world, from now on.
        velocity: (T, 3) m/s, each held for one interval.
        predicted: By object id (T + 1, 4): x, y, z and heading in radians, world frame.
        deviation: By object id (T + 1,) standard deviation of the level position, m.
        cost: Of the expected course; infinite if there is none.
        physics_residual: How much the learned model and the physics step contradict each other.
        iterations: How often candidates were drawn and judged.
        deadline_used: Share of the time allowed, 0..1.
        status: RUNNING if it shall be carried out.
        reason: Why not, else empty.
    """

    stamp: int
    object_id: str
    interval: float
    tip: Floats
    velocity: Floats
    predicted: Mapping[str, Floats]
    deviation: Mapping[str, Floats]
    cost: float
    physics_residual: float
    iterations: int
    deadline_used: float
    status: PlanStatus
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SceneState:
    """What the pipeline believes after one frame."""

    stamp: int
    slots: Slots
    objects: tuple[ObjectState, ...]
    events: tuple[Event, ...] = ()
    people: tuple[Person, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    influences: tuple[Influence, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a simulator knows to be true of one frame.

    Attributes:
        stamp: ns, that of the frame.
        objects: True states, including hidden ones; `id` is the simulator's name. Those whose
            `label` is in `UNSCORED_LABELS` are there, but nobody is asked to find them.
        labels: (h, w) uint8, 0 for background, position in `objects` + 1 elsewhere; or None.
        events: What truly happened since the truth before.
        people: Those whose joints are known.
    """

    stamp: int
    objects: tuple[ObjectState, ...]
    labels: Bytes | None = None
    events: tuple[Event, ...] = ()
    people: tuple[Person, ...] = ()


UNSCORED_LABELS = frozenset({"occluder", "pusher", "fixture", "person"})
"""Labels of true objects that a score neither requires nor counts as wrong when they are found."""


class Sample(NamedTuple):
    """What a source of recordings or a simulator delivers: a frame, and truth where there is."""

    frame: Frame
    truth: Truth | None
