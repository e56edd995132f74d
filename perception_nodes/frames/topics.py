"""Finds the color, depth and camera_info topics of a recording by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from perception_nodes.bags.model import Topic
from perception_nodes.errors import BagError
from perception_nodes.frames.names import camera_name, has, unique

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_DEPTH_ENCODINGS = {"16UC1", "32FC1", "mono16"}
_TRANSPORTS = ("/compressedDepth", "/compressed")
_COLOR_WORDS = ("color", "rgb")
_REGISTERED_WORDS = ("aligned", "registered", "to_color", "to_rgb")
# Images that are not what a camera saw in color or depth.
_NOT_A_CAMERA = ("mask", "preview", "truth", "infra", "confidence", "thumbnail", "disparity")


@dataclass(frozen=True, slots=True)
class CameraTopics:
    """The topics of one RGB-D camera.

    Attributes:
        name: Of the camera, such as "camera".
        depth, color: Image topics; color is empty where the recording has none.
        color_info, depth_info: CameraInfo topics; depth_info is empty where there is none of its
            own.
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


class Found(NamedTuple):
    """The cameras of a recording, and the depth topics that none of them uses."""

    cameras: list[CameraTopics]
    unused: list[str]


def is_image(topic: Topic) -> bool:
    """Whether messages of the topic are images."""
    return topic.type_name in (IMAGE, COMPRESSED)


def find_cameras(
    topics: Mapping[str, Topic], encodings: Mapping[str, str], choice: TopicChoice
) -> Found:
    """Group the topics of a recording into RGB-D cameras.

    Each depth topic goes with the color topic whose name is closest; of several depth topics of
    one color topic the registered one is taken.

    Args:
        topics: All topics.
        encodings: Encoding or format of the first message of each image topic.
        choice: What the user says.

    Raises:
        BagError: There is no depth or no CameraInfo topic, or a chosen topic does not exist.
    """
    _check_choice(topics, choice)
    images = _best_transports(t for t in topics.values() if is_image(t) and not _foreign(t.name))
    depths = [choice.depth] if choice.depth else _depths(images, encodings)
    colors = [t.name for t in _filled(t for t in images if not _is_depth(t, encodings))]
    colors = [choice.color] if choice.color else [c for c in colors if c not in depths]
    infos = [t.name for t in _filled(t for t in topics.values() if t.type_name == CAMERA_INFO)]
    if not depths:
        raise BagError("the recording has no depth topic", _listing(topics))
    if not infos:
        raise BagError("the recording has no CameraInfo topic", _listing(topics))
    groups: dict[str, list[str]] = {}
    for depth in sorted(depths):
        color = _closest(depth, colors, prefer=_COLOR_WORDS)
        groups.setdefault(color or depth, []).append(depth)
    cameras, unused = [], []
    for key, candidates in sorted(groups.items()):
        depth = _closest(key, candidates, prefer=_REGISTERED_WORDS)
        unused += [d for d in candidates if d != depth]
        cameras.append(_camera(depth, key if key in colors else "", infos, choice))
    names = unique([c.name for c in cameras])
    return Found([replace(c, name=n) for c, n in zip(cameras, names, strict=True)], unused)


def _camera(depth: str, color: str, infos: Sequence[str], choice: TopicChoice) -> CameraTopics:
    color_info = choice.info or _closest(color or depth, infos)
    depth_info = "" if choice.info else _closest(depth, infos)
    if depth_info == color_info:
        depth_info = ""
    return CameraTopics(camera_name(depth, color), depth, color, color_info, depth_info)


def _check_choice(topics: Mapping[str, Topic], choice: TopicChoice) -> None:
    for name in (choice.color, choice.depth, choice.info):
        if name and name not in topics:
            raise BagError(f"the recording has no topic {name!r}", _listing(topics))


def _listing(topics: Mapping[str, Topic]) -> str:
    listed = [f"{t.name} [{t.type_name}]" for t in topics.values()]
    if not listed:
        return "it is empty: record again"
    more = f" and {len(listed) - 20} more" if listed[20:] else ""
    return f"its topics: {', '.join(listed[:20])}{more}; name others with --depth, --color, --info"


def _foreign(name: str) -> bool:
    return has(name, _NOT_A_CAMERA) or "ir" in name.split("/")


def _filled(topics: Iterable[Topic]) -> list[Topic]:
    """Those that have messages; all of them if none has."""
    known = list(topics)
    return [t for t in known if t.expected != 0] or known


def _depths(images: Iterable[Topic], encodings: Mapping[str, str]) -> list[str]:
    """Depth topics; one without the word in its name (a thermal camera?) only if all lack it."""
    names = [t.name for t in _filled(t for t in images if _is_depth(t, encodings))]
    return [n for n in names if "depth" in n.lower()] or names


def _is_depth(topic: Topic, encodings: Mapping[str, str]) -> bool:
    if topic.name.endswith("/compressedDepth"):
        return True
    encoding = encodings.get(topic.name, "").split(";")[0].strip()
    if encoding and (topic.type_name == IMAGE or encoding not in ("png", "jpeg", "jpg")):
        return encoding in _DEPTH_ENCODINGS
    words = ("depth", *_COLOR_WORDS)
    telling = [part for part in topic.name.split("/") if has(part, words)]
    return bool(telling) and "depth" in telling[-1].lower()


def _base(name: str) -> str:
    for transport in _TRANSPORTS:
        name = name.removesuffix(transport)
    return name


def _best_transports(images: Iterable[Topic]) -> list[Topic]:
    """Of an image that was recorded raw and compressed, the one with more messages."""

    def rank(topic: Topic) -> tuple[int, bool, bool]:
        lossless = topic.name.endswith("/compressedDepth")
        return (topic.expected or 0, topic.type_name == IMAGE, lossless)

    best: dict[str, Topic] = {}
    for topic in images:
        base = _base(topic.name)
        if base not in best or rank(topic) > rank(best[base]):
            best[base] = topic
    return [best[name] for name in sorted(best)]


def _closest(name: str, candidates: Iterable[str], prefer: Iterable[str] = ()) -> str:
    """The candidate that shares the longest path with a topic; empty without candidates."""
    parts = _base(name).split("/")

    def rank(candidate: str) -> tuple[int, bool, int, str]:
        other = candidate.split("/")
        shared = 0
        while shared < min(len(parts), len(other)) and parts[shared] == other[shared]:
            shared += 1
        return (-shared, not has(candidate, prefer), len(other), candidate)

    return min(candidates, key=rank, default="")
