"""The seams of `embodmocap`: who finds keypoints, what a view of people is, who gives people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame, Person


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """The joints of P people as one image shows them; P may be 0.

    Attributes:
        stamp: Of the image, ns.
        camera_name: Which camera took it.
        pixels: (P, 17, 2) in the rectified image, COCO order; NaN where a joint was not found.
        confidence: (P, 17), 0..1; 0 where a joint was not found.
    """

    stamp: int
    camera_name: str
    pixels: Floats
    confidence: Floats


class KeypointSource(Protocol):
    """Finds the joints of everyone in a frame: a network, or a user's detector."""

    @property
    def model_id(self) -> str:
        """Names the source and its model."""
        ...

    def find(self, frame: Frame) -> Keypoints:
        """The keypoints of a frame; one without people gives none (P = 0), never an error."""
        ...

    def reset(self) -> None:
        """Forget earlier frames, as after a backward jump of the clock."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What one camera tells of people at a moment.

    Attributes:
        keypoints: Its keypoints.
        camera: Intrinsics.
        pose: Optical frame in the world at the stamp of the keypoints.
        depths: (P, 17) meters along the optical axis of the surface at each keypoint; NaN where
            there is none, as everywhere from a camera without depth.
    """

    keypoints: Keypoints
    camera: Camera
    pose: Pose
    depths: Floats


class PeopleTracker(Protocol):
    """Keeps people known from view to view."""

    def update(self, views: Sequence[View]) -> tuple[Person, ...]:
        """Take what cameras show and tell everyone who is known, at the newest stamp so far."""
        ...

    def reset(self) -> None:
        """Forget everyone, as after a backward jump of the clock."""
        ...


class PeopleSource(Protocol):
    """What a pipeline asks for people."""

    def find(self, frame: Frame) -> tuple[Person, ...]:
        """Everyone known after a frame; frames of several cameras come in order of time."""
        ...

    def reset(self) -> None:
        """Forget everyone, as after a backward jump of the clock."""
        ...
