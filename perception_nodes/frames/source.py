"""Turns a recording into samples: frames with poses, and truth where the recording has it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from perception_nodes.bags.model import Message
from perception_nodes.bags.reader import Bag
from perception_nodes.errors import InputError
from perception_nodes.frames.camera import CameraInput, Picture
from perception_nodes.frames.poses import (
    NotYetError,
    OdometryTopicPoses,
    PoseOrigin,
    TransformPoses,
    VisualOdometry,
    world_frame_above,
)
from perception_nodes.frames.topics import (
    CAMERA_INFO,
    CameraTopics,
    TopicChoice,
    find_cameras,
    is_image,
)
from perception_nodes.geometry.transforms import TransformBuffer
from perception_nodes.ros.conversion import object_states_from_msg
from perception_nodes.ros.geometry_messages import time_from_msg, transform_from_msg
from perception_nodes.scene import Frame, Sample, Truth

_TF, _TF_STATIC = "/tf", "/tf_static"
_ODOMETRY = "nav_msgs/msg/Odometry"
_TRUTH = "truth/objects"
# Transforms and truth may be recorded later than the image that they belong to.
_PATIENCE = 1_000_000_000
_PEEK_MESSAGES = 3000
_GAP = 60.0
_JUMP = 1_000_000_000


@dataclass(slots=True)
class _Waiting:
    picture: Picture
    camera: str
    log_time: int
    pose: Any = field(default=None)


class FrameSource:
    """Iterates over the samples of a recording, in order of time.

    Every pair of color and depth is delivered; what can't be is counted in `drops` and explained in
    `notes`, both complete when the iteration has ended. Pictures whose pose can't be known are
    delivered without one.

    Args:
        bag: An open recording.
        choice: Topics that the user names.

    Raises:
        BagError: The recording has no depth images or no camera model.
    """

    def __init__(self, bag: Bag, choice: TopicChoice | None = None) -> None:
        self._bag = bag
        self._choice = choice or TopicChoice()
        self._transforms = TransformBuffer()
        self.drops: Counter[str] = Counter()
        self._notes: dict[str, None] = {}
        encodings, frame_ids, infos = self._peek()
        self.cameras = find_cameras(bag.topics, encodings, self._choice)
        self._inputs = [
            CameraInput(c, self._transforms, self._notes, self.drops) for c in self.cameras
        ]
        for topic, message in infos.items():
            self._take_info(topic, message)
        self._origin = self._choose_origin(frame_ids)
        self._truth: dict[int, Truth] = {}
        self._truth_topics = {t for t in bag.topics if t.endswith(_TRUTH)}
        self._waiting: deque[_Waiting] = deque()
        self._last: dict[str, int] = {}

    @property
    def pose_origin(self) -> str:
        """Where the poses come from, for a person."""
        return self._origin.describe()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know."""
        return tuple(self._notes)

    @property
    def expected(self) -> int:
        """How many frames to expect; 0 if unknown."""
        counts = [self._bag.topics[c.depth].expected or 0 for c in self.cameras]
        return sum(counts)

    def topics(self) -> set[str]:
        """The topics that are read."""
        names = {t for camera in self.cameras for t in camera.all()} | self._truth_topics
        names |= {_TF, _TF_STATIC} & self._bag.topics.keys()
        names |= {t.name for t in self._bag.topics.values() if t.type_name == _ODOMETRY}
        return names

    def __iter__(self) -> Iterator[Sample]:
        log_time = 0
        for message in self._bag.messages(self.topics()):
            log_time = message.log_time
            self._take(message)
            yield from self._release(log_time)
        for camera in self._inputs:
            self._hold(camera.topics, camera.flush(), log_time)
        yield from self._release(log_time + 2 * _PATIENCE)

    def _peek(self) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
        """Encodings and frame ids of images, camera models, static transforms near the start."""
        images = {t.name for t in self._bag.topics.values() if is_image(t)}
        infos = {t.name for t in self._bag.topics.values() if t.type_name == CAMERA_INFO}
        wanted = images | infos | ({_TF, _TF_STATIC} & self._bag.topics.keys())
        encodings: dict[str, str] = {}
        frame_ids: dict[str, str] = {}
        first_infos: dict[str, Any] = {}
        missing = {t for t in images | infos if self._bag.topics[t].expected != 0}
        messages = self._bag.messages(wanted)
        for count, message in enumerate(messages):
            if message.topic in (_TF, _TF_STATIC):
                self._take_transforms(message)
                continue
            frame_ids.setdefault(message.topic, message.data.header.frame_id)
            if message.topic in infos:
                first_infos.setdefault(message.topic, message.data)
            else:
                encodings.setdefault(message.topic, getattr(message.data, "encoding", ""))
            missing.discard(message.topic)
            if (not missing and count >= len(wanted)) or count > _PEEK_MESSAGES:
                break
        return encodings, frame_ids, first_infos

    def _choose_origin(self, frame_ids: dict[str, str]) -> PoseOrigin:
        camera = self.cameras[0]
        frame_id = frame_ids.get(camera.color or camera.depth, "")
        world = world_frame_above(self._transforms, frame_id)
        if world is not None:
            return TransformPoses(self._transforms, world)
        odometry = [t for t in self._bag.topics.values() if t.type_name == _ODOMETRY and t.expected]
        if odometry:
            return OdometryTopicPoses(odometry[0].name, self._transforms)
        if len(self.cameras) > 1:
            self._notes.setdefault(
                f"nothing relates the {len(self.cameras)} cameras; only {camera.name} is used"
            )
            del self.cameras[1:], self._inputs[1:]
        return VisualOdometry()

    def _take(self, message: Message) -> None:
        topic, data = message.topic, message.data
        if topic in (_TF, _TF_STATIC):
            self._take_transforms(message)
        elif topic in self._truth_topics:
            self._take_truth(data)
        elif isinstance(self._origin, OdometryTopicPoses) and message.type_name == _ODOMETRY:
            self._origin.take(data, time_from_msg(data.header.stamp))
        elif message.type_name == CAMERA_INFO:
            self._take_info(topic, data)
        else:
            for camera in self._inputs:
                if topic in (camera.topics.color, camera.topics.depth):
                    pictures = camera.take_image(topic, data, message.log_time)
                    self._hold(camera.topics, pictures, message.log_time)

    def _take_info(self, topic: str, message: Any) -> None:
        for camera in self._inputs:
            if topic in (camera.topics.color_info, camera.topics.depth_info):
                camera.take_info(topic, message)

    def _take_transforms(self, message: Message) -> None:
        static = message.topic == _TF_STATIC
        for transform in message.data.transforms:
            try:
                stamp, parent, child, pose = transform_from_msg(transform)
                self._transforms.insert(parent, child, stamp, pose, static)
            except InputError as error:
                name = f"{transform.header.frame_id} -> {transform.child_frame_id}"
                self._notes.setdefault(f"a transform {name} is ignored: {error}")

    def _take_truth(self, message: Any) -> None:
        stamp = time_from_msg(message.header.stamp)
        self._truth[stamp] = Truth(stamp, object_states_from_msg(message))
        while len(self._truth) > 1000:
            del self._truth[next(iter(self._truth))]

    def _hold(self, camera: CameraTopics, pictures: list[Picture], log_time: int) -> None:
        for picture in pictures:
            self._waiting.append(_Waiting(picture, camera.name, log_time))

    def _release(self, log_time: int) -> Iterator[Sample]:
        while self._waiting:
            first = self._waiting[0]
            expired = log_time > first.log_time + _PATIENCE
            if self._truth_topics and first.picture.stamp not in self._truth and not expired:
                return
            try:
                pose = self._origin.pose(first.picture)
            except NotYetError:
                if not expired:
                    return
                pose = None
            self._waiting.popleft()
            if not self._in_order(first):
                continue
            if pose is None:
                self.drops["frame without a known camera pose (its slots only)"] += 1
            picture = first.picture
            frame = Frame(
                picture.stamp,
                first.camera,
                picture.frame_id,
                picture.camera,
                picture.color,
                picture.depth,
                pose,
            )
            yield Sample(frame, self._truth.pop(picture.stamp, None))

    def _in_order(self, waiting: _Waiting) -> bool:
        stamp, camera = waiting.picture.stamp, waiting.camera
        last = self._last.get(camera)
        if last is not None and stamp <= last:
            if stamp > last - _JUMP:
                self.drops[f"frame of {camera} older than the one before"] += 1
                return False
            self._notes.setdefault(
                f"the clock of {camera} jumps back by {(last - stamp) / 1e9:.1f} s"
            )
        elif last is not None and (stamp - last) / 1e9 > _GAP:
            self._notes.setdefault(f"{camera} pauses for {_duration((stamp - last) / 1e9)}")
        self._last[camera] = stamp
        return True


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min"
