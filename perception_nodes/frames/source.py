"""Turns a recording into samples: frames with poses, and truth where the recording has it."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from perception_nodes.bags.model import Message
from perception_nodes.bags.reader import Bag
from perception_nodes.errors import InputError
from perception_nodes.frames.account import Account
from perception_nodes.frames.camera import CameraInput, Picture
from perception_nodes.frames.opening import ODOMETRY, read_opening, transform_topics
from perception_nodes.frames.poses import (
    NotYetError,
    OdometryTopicPoses,
    OutsideError,
    UnknownPoseError,
    VisualOdometry,
    choose_origin,
    world_frame_above,
)
from perception_nodes.frames.realsense import ViewerConstants
from perception_nodes.frames.robot_input import RobotInput, is_description
from perception_nodes.frames.topics import CAMERA_INFO, TopicChoice, find_cameras
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.transforms import BACKWARD_JUMP_NS, TransformBuffer
from perception_nodes.ros.conversion import object_states_from_msg
from perception_nodes.ros.geometry_messages import time_from_msg, transform_from_msg
from perception_nodes.scene import Frame, Sample, Truth

_TRUTH = "truth/objects"
# Transforms and truth may be recorded later than the image that they belong to.
_PATIENCE = 1_000_000_000
# Pictures wait this long for earlier ones, so that those recorded late still come in order.
_LATE = 200_000_000
_GAP = 60_000_000_000
_MAX_TRUTHS = 1000


@dataclass(slots=True, order=True)
class _Waiting:
    """A picture that waits for its turn: how often its camera's clock jumped back, its stamp."""

    turn: tuple[int, int]
    camera: str
    picture: Picture = field(compare=False)
    log_time: int = field(compare=False)
    pose: Pose | None = field(default=None, compare=False)
    problem: NotYetError | UnknownPoseError | None = field(default=None, compare=False)


@dataclass(slots=True)
class _Outside:
    """Frames before the first or after the last pose, the farthest one, and the first's reason."""

    count: int = 0
    gap: int = 0
    detail: str = ""


class FrameSource:
    """Iterates over the samples of a recording, in order of time.

    Where the recording has a robot's description, its own links are masked.

    Every pair of color and depth is delivered; what can't be is counted in `drops` and explained in
    `notes`, both complete when the iteration has ended. Pictures whose pose can't be known are
    delivered without one.

    Args:
        bag: An open recording.
        choice: Topics that the user names.

    Raises:
        BagError: The recording has no depth images or no camera model.
        InputError: What it says about a camera is impossible.
    """

    def __init__(self, bag: Bag, choice: TopicChoice | None = None) -> None:
        self._bag = bag
        self._account = Account()
        self._transforms = TransformBuffer()
        self._transform_topics = transform_topics(bag)
        opening = read_opening(
            bag,
            self._take_transforms,
            lambda frame: world_frame_above(self._transforms, frame) is not None,
        )
        self._account = Account()  # what was read ahead will be read, and counted, again
        self.cameras, unused = find_cameras(bag.topics, opening.encodings, choice or TopicChoice())
        for topic in unused:
            self._account.note(f"the depth images of {topic} are not used")
        self._origin = choose_origin(bag, self.cameras, opening, self._transforms, self._account)
        self._use_one_camera_without_poses()
        self._inputs = [
            CameraInput(
                topics,
                self._transforms,
                ViewerConstants(topics.depth, topics.color, opening.constants),
                self._account,
            )
            for topics in self.cameras
        ]
        for topic, message in opening.infos.items():
            self._take_info(topic, message)
        self._robot = RobotInput(self._transforms, self._account)
        self._description_topics = {t.name for t in bag.topics.values() if is_description(t)}
        self._truth: dict[int, Truth] = {}
        self._truth_topics = {t for t in bag.topics if t.endswith(_TRUTH)}
        self._waiting: list[_Waiting] = []  # in order of time
        self._newest: dict[str, tuple[int, int]] = {}
        self._given: dict[str, tuple[int, int]] = {}
        self._outside: dict[str, _Outside] = {}

    @property
    def pose_origin(self) -> str:
        """Where the poses come from, for a person."""
        return self._origin.describe()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know."""
        return self._account.notes

    @property
    def drops(self) -> dict[str, int]:
        """Images and frames that were not used, by cause."""
        return self._account.drops

    @property
    def expected(self) -> int:
        """How many frames to expect; 0 if unknown."""
        return sum(self._bag.topics[c.depth].expected or 0 for c in self.cameras)

    def topics(self) -> set[str]:
        """The topics that are read."""
        names = {t for camera in self.cameras for t in camera.all()} | self._truth_topics
        if isinstance(self._origin, OdometryTopicPoses):
            names.add(self._origin.topic)
        return names | self._transform_topics | self._description_topics

    def __iter__(self) -> Iterator[Sample]:
        log_time = 0
        try:
            for message in self._bag.messages(self.topics()):
                log_time = message.log_time
                self._take(message)
                yield from self._release(log_time)
            for camera in self._inputs:
                self._hold(camera, camera.flush(), log_time)
            yield from self._release(log_time + 2 * _PATIENCE, final=True)
        finally:
            self._account_for_outside()

    def _use_one_camera_without_poses(self) -> None:
        if len(self.cameras) > 1 and isinstance(self._origin, VisualOdometry):
            self._account.note(
                f"nothing relates the {len(self.cameras)} cameras: only {self.cameras[0].name} "
                "is used"
            )
            self.cameras = self.cameras[:1]

    def _take(self, message: Message) -> None:
        topic, data = message.topic, message.data
        if topic in self._transform_topics:
            self._take_transforms(message)
            self._place_waiting()
        elif topic in self._truth_topics:
            self._take_truth(data)
        elif topic in self._description_topics:
            self._robot.describe(data.data)
        elif message.type_name == ODOMETRY:
            assert isinstance(self._origin, OdometryTopicPoses)
            self._origin.take(data, time_from_msg(data.header.stamp))
            self._place_waiting()
        elif message.type_name == CAMERA_INFO:
            self._take_info(topic, data)
        else:
            for camera in self._inputs:
                if topic in (camera.topics.color, camera.topics.depth):
                    pictures = camera.take_image(topic, data, message.log_time)
                    self._hold(camera, pictures, message.log_time)

    def _take_info(self, topic: str, message: Any) -> None:
        for camera in self._inputs:
            if topic in (camera.topics.color_info, camera.topics.depth_info):
                camera.take_info(topic, message)

    def _take_transforms(self, message: Message) -> None:
        static = message.topic.endswith("tf_static")
        for transform in message.data.transforms:
            try:
                stamp, parent, child, pose = transform_from_msg(transform)
                self._transforms.insert(parent, child, stamp, pose, static)
            except InputError as error:
                name = f"{transform.header.frame_id} -> {transform.child_frame_id}"
                self._account.note(f"a transform {name} is ignored", str(error))

    def _take_truth(self, message: Any) -> None:
        stamp = time_from_msg(message.header.stamp)
        try:
            self._truth[stamp] = Truth(stamp, object_states_from_msg(message))
        except InputError as error:
            self._account.note("truth that can't be used is ignored", str(error))
        while len(self._truth) > _MAX_TRUTHS:
            del self._truth[next(iter(self._truth))]

    def _hold(self, camera: CameraInput, pictures: list[Picture], log_time: int) -> None:
        """Let pictures wait for their turn and pose; those that come too late for that go."""
        name = camera.topics.name
        for picture in pictures:
            waiting = _Waiting(self._turn(name, picture.stamp), name, picture, log_time)
            if waiting.turn <= self._given.get(name, (-1, 0)) or waiting in self._waiting:
                self._account.drop(f"frame of {name} older than the one before")
            else:
                insort(self._waiting, waiting)
        self._place_waiting()

    def _place_waiting(self) -> None:
        """Ask for poses early, since transforms are forgotten when their clock jumps."""
        if not self._origin.sequential:
            for waiting in self._waiting:
                self._place(waiting)

    def _place(self, waiting: _Waiting) -> None:
        if waiting.pose is None:
            try:
                waiting.pose = self._origin.pose(waiting.picture)
            except (NotYetError, UnknownPoseError) as error:
                waiting.problem = error

    def _release(self, log_time: int, *, final: bool = False) -> Iterator[Sample]:
        while self._waiting:
            first = self._waiting[0]
            picture = first.picture
            epoch, stamp = first.turn
            if not final and max(self._newest.values()) < (epoch, stamp + _LATE):
                return
            expired = log_time > first.log_time + _PATIENCE
            if self._truth_topics and picture.stamp not in self._truth and not expired:
                return
            if self._origin.sequential:
                self._place(first)
            if first.pose is None:
                if isinstance(first.problem, NotYetError) and not expired:
                    return
                self._account_for(first)
            del self._waiting[0]
            self._note_pause(first)
            self._given[first.camera] = first.turn
            frame = Frame(
                picture.stamp,
                first.camera,
                picture.frame_id,
                picture.camera,
                picture.color,
                picture.depth,
                first.pose,
            )
            yield Sample(self._robot.without_robot(frame), self._truth.pop(picture.stamp, None))

    def _turn(self, camera: str, stamp: int) -> tuple[int, int]:
        """The place of a picture in the order of its camera, whose clock may have jumped back."""
        newest = self._newest.get(camera)
        if newest is None:
            turn = self._newest[camera] = (0, stamp)
            return turn
        epoch, last = newest
        if stamp <= last - BACKWARD_JUMP_NS:
            epoch += 1
            self._account.note(
                f"the clock of {camera} jumps back", f"by {(last - stamp) / 1e9:.1f} s"
            )
        turn = (epoch, stamp)
        self._newest[camera] = max(newest, turn)
        return turn

    def _note_pause(self, picture: _Waiting) -> None:
        epoch, stamp = picture.turn
        before, last = self._given.get(picture.camera, picture.turn)
        if before == epoch and stamp - last > _GAP:
            self._account.note(f"{picture.camera} pauses", _duration((stamp - last) / 1e9))

    def _account_for(self, unplaced: _Waiting) -> None:
        error = unplaced.problem
        kind = f"frame of {unplaced.camera} without a camera pose, so only its slots count"
        if isinstance(error, OutsideError):
            outside = self._outside.setdefault(kind, _Outside(detail=str(error)))
            outside.count += 1
            outside.gap = max(outside.gap, error.gap_ns)
        else:
            self._account.drop(kind, str(error))

    def _account_for_outside(self) -> None:
        """Recorders do not start and stop all topics at once: up to a second of it is no loss."""
        for kind, outside in self._outside.items():
            if outside.gap > _PATIENCE:
                self._account.drop(kind, outside.detail, outside.count)
            else:
                self._account.note(f"{outside.count} x {kind}", outside.detail)
        self._outside.clear()


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min"
