"""The first seconds of a recording, read ahead: what must be known before the first frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perception_nodes.bags.model import Message
from perception_nodes.bags.reader import Bag
from perception_nodes.frames.realsense import is_constant
from perception_nodes.frames.topics import CAMERA_INFO, is_image

ODOMETRY = "nav_msgs/msg/Odometry"
_TRANSFORMS = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")
_LONGEST = 5_000_000_000
_MOST_MESSAGES = 3000


@dataclass(slots=True)
class Opening:
    """The first message of each topic that matters.

    Attributes:
        encodings: Encoding or format by image topic.
        frame_ids: Frame by image topic.
        infos: CameraInfo messages by topic.
        children: Child frame by odometry topic.
        constants: What the RealSense viewer notes once, by topic.
    """

    encodings: dict[str, str] = field(default_factory=dict)
    frame_ids: dict[str, str] = field(default_factory=dict)
    infos: dict[str, Any] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """Keep what the first message of its topic says."""
        topic, data = message.topic, message.data
        if message.type_name == CAMERA_INFO:
            self.infos.setdefault(topic, data)
        elif message.type_name == ODOMETRY:
            self.children.setdefault(topic, data.child_frame_id)
        elif is_constant(topic):
            self.constants.setdefault(topic, data)
        else:
            self.frame_ids.setdefault(topic, data.header.frame_id)
            form = data.format if hasattr(data, "format") else data.encoding
            self.encodings.setdefault(topic, form)


def transform_topics(bag: Bag) -> set[str]:
    """The topics that bring transforms: /tf and /tf_static, or else those of some namespace."""
    found = {t.name for t in bag.topics.values() if t.type_name in _TRANSFORMS}
    return found & {"/tf", "/tf_static"} or found


def read_opening(
    bag: Bag,
    take_transforms: Callable[[Message], None],
    placed: Callable[[str], bool],
) -> Opening:
    """Read ahead until every topic has been heard and every camera is placed in a world.

    It ends after five seconds of recording in any case: some topics fall silent, some cameras are
    in no transform.

    Args:
        bag: The recording.
        take_transforms: Takes messages that bring transforms.
        placed: Whether a frame hangs from a world by the transforms so far.
    """
    moving = transform_topics(bag)
    wanted = {
        t.name
        for t in bag.topics.values()
        if is_image(t) or t.type_name in (CAMERA_INFO, ODOMETRY) or is_constant(t.name)
    }
    missing = {name for name in wanted if bag.topics[name].expected != 0}
    opening = Opening()
    start: int | None = None
    for count, message in enumerate(bag.messages(wanted | moving)):
        start = message.log_time if start is None else start
        if message.topic in moving:
            take_transforms(message)
        else:
            opening.take(message)
            missing.discard(message.topic)
        if not missing and (not moving or all(map(placed, opening.frame_ids.values()))):
            break
        if count > _MOST_MESSAGES or message.log_time > start + _LONGEST:
            break
    return opening
