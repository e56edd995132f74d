"""Finds the color, depth and camera_info topics of a recording by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from perception_nodes.bags.model import Topic
from perception_nodes.errors import BagError

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_DEPTH_ENCODINGS = {"16UC1", "32FC1", "mono16"}
_TRANSPORTS = ("/compressedDepth", "/compressed")
_COLOR_WORDS = ("color", "rgb")
_REGISTERED_WORDS = ("aligned", "registered")
# Images that are not what a camera saw.
_NOT_A_CAMERA = ("mask", "preview", "truth", "infra", "confidence", "thumbnail")


@dataclass(frozen=True, slots=True)
class CameraTopics:
    """The topics of one RGB-D camera.

    Attributes:
        name: Of the camera, such as "camera".
        depth, color: Image topics; color is empty where the recording has none.
        color_info, depth_info: CameraInfo topics; depth_info is empty where there is none.
    """

    name: str
    depth: str
    color: str
    color_info: str
    depth_info: str

    def all(self) -> set[str]:
        """Their names."""
        return {t for t in (self.depth, self.color, self.color_info, self.depth_info) if t}


@dataclass(frozen=True, slots=True)
class TopicChoice:
    """What the user says about topics; empty where the program shall find them."""

    color: str = ""
    depth: str = ""
    info: str = ""


def is_image(topic: Topic) -> bool:
    """Whether messages of the topic are images."""
    return topic.type_name in (IMAGE, COMPRESSED)


def find_cameras(
    topics: Mapping[str, Topic], encodings: Mapping[str, str], choice: TopicChoice
) -> list[CameraTopics]:
    """Group the topics of a recording into RGB-D cameras.

    Args:
        topics: All topics.
        encodings: Of the first message of each image topic.
        choice: What the user says.

    Raises:
        BagError: There is no depth or no CameraInfo topic, or a chosen topic does not exist.
    """
    _check_choice(topics, choice)
    images = [t for t in topics.values() if is_image(t) and not _has(t.name, _NOT_A_CAMERA)]
    depths = [t.name for t in _best_transports(images) if _is_depth(t, encodings)]
    colors = [t.name for t in _best_transports(images) if not _is_depth(t, encodings)]
    depths = [choice.depth] if choice.depth else depths
    colors = [choice.color] if choice.color else colors
    infos = [t.name for t in topics.values() if t.type_name == CAMERA_INFO]
    if not depths:
        raise BagError("the recording has no depth topic", _listing(topics))
    if not infos:
        raise BagError("the recording has no CameraInfo topic", _listing(topics))
    cameras: dict[str, CameraTopics] = {}
    for depth in sorted(depths, key=lambda name: (not _has(name, _REGISTERED_WORDS), name)):
        color = _closest(depth, colors, prefer=_COLOR_WORDS)
        key = color or depth
        if key in cameras:
            continue
        color_info = choice.info or _closest(color or depth, infos)
        depth_info = "" if choice.info else _closest(depth, infos)
        name = _camera_name(depth, color)
        cameras[key] = CameraTopics(name, depth, color, color_info, depth_info)
    return _with_unique_names(list(cameras.values()))


def _check_choice(topics: Mapping[str, Topic], choice: TopicChoice) -> None:
    for name in (choice.color, choice.depth, choice.info):
        if name and name not in topics:
            raise BagError(f"the recording has no topic {name!r}", _listing(topics))


def _listing(topics: Mapping[str, Topic]) -> str:
    listed = ", ".join(f"{t.name} [{t.type_name}]" for t in topics.values())
    return f"its topics: {listed or 'none'}; name others with --depth, --color and --info"


def _has(name: str, words: Iterable[str]) -> bool:
    lower = name.lower()
    return any(word in lower for word in words)


def _is_depth(topic: Topic, encodings: Mapping[str, str]) -> bool:
    if topic.name.endswith("/compressedDepth"):
        return True
    encoding = encodings.get(topic.name, "")
    if topic.type_name == IMAGE and encoding:
        return encoding in _DEPTH_ENCODINGS
    return "depth" in topic.name.lower()


def _base(name: str) -> str:
    for transport in _TRANSPORTS:
        name = name.removesuffix(transport)
    return name


def _best_transports(images: Iterable[Topic]) -> list[Topic]:
    """Of an image that was recorded raw and compressed, the one with more messages."""
    best: dict[str, Topic] = {}
    for topic in images:
        other = best.get(_base(topic.name))
        rank = (topic.expected or 0, topic.type_name == IMAGE)
        if other is None or rank > (other.expected or 0, other.type_name == IMAGE):
            best[_base(topic.name)] = topic
    return [best[name] for name in sorted(best)]


def _closest(name: str, candidates: Iterable[str], prefer: Iterable[str] = ()) -> str:
    """The candidate that shares the longest path with a topic; empty without candidates."""
    parts = _base(name).split("/")

    def rank(candidate: str) -> tuple[int, bool, int, str]:
        other = candidate.split("/")
        shared = 0
        while shared < min(len(parts), len(other)) and parts[shared] == other[shared]:
            shared += 1
        return (-shared, not _has(candidate, prefer), len(other), candidate)

    return min(candidates, key=rank, default="")


def _camera_name(depth: str, color: str) -> str:
    a, b = depth.strip("/").split("/"), (color or depth).strip("/").split("/")
    shared = [x for x, y in zip(a[:-1], b[:-1], strict=False) if x == y]
    return shared[-1] if shared else "camera"


def _with_unique_names(cameras: list[CameraTopics]) -> list[CameraTopics]:
    names = [c.name for c in cameras]
    return [
        c
        if names.count(c.name) == 1
        else CameraTopics(f"{c.name}_{i}", c.depth, c.color, c.color_info, c.depth_info)
        for i, c in enumerate(cameras)
    ]
