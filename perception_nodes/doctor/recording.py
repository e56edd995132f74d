"""Examine the cameras and transforms of a recording, or of whatever else gives messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from perception_nodes.bags.model import Message, Topic
from perception_nodes.bags.reader import open_bag
from perception_nodes.doctor.camera_check import CameraCheck
from perception_nodes.doctor.finding import Finding
from perception_nodes.doctor.transform_check import TransformCheck
from perception_nodes.errors import BagError
from perception_nodes.frames.opening import read_opening, transform_topics
from perception_nodes.frames.topics import TopicChoice, find_cameras

_MOST_MESSAGES = 3000


def examine_recording(path: Path) -> Iterator[Finding]:
    """Findings about a recording: its first 3000 messages of cameras and transforms.

    Raises:
        BagError: It can't be read.
    """
    with open_bag(path) as bag:
        moving = transform_topics(bag)
        opening = read_opening(bag, lambda _: None, lambda _: True)
        try:
            cameras = _cameras(bag.topics, opening.encodings)
        except BagError as error:
            yield Finding("BAD", "cameras", error.message, error.remedy)
            return
        wanted = {name for check in cameras for name in check.topics.all()} | moving
        messages = _first(bag.messages(wanted), _MOST_MESSAGES)
        yield from examine_messages(cameras, moving, messages)
        for problem in bag.loss().problems:
            yield Finding("BAD", "recording", problem)


def examine_messages(
    cameras: list[CameraCheck], moving: set[str], messages: Iterable[Message]
) -> Iterator[Finding]:
    """Findings about messages, after the last one.

    Args:
        cameras: To be examined.
        moving: Topics of transforms.
        messages: In order of arrival.
    """
    transforms = TransformCheck()
    for message in messages:
        if message.topic in moving:
            transforms.take(message.data, static="static" in message.topic)
        for camera in cameras:
            camera.take(message.topic, message.data, message.log_time)
    for camera in cameras:
        yield from camera.findings()
        stamps = camera.arrivals[camera.topics.depth].stamps
        yield from transforms.findings(camera.topics.name, camera.frame_id, stamps)


def _cameras(topics: Mapping[str, Topic], encodings: Mapping[str, str]) -> list[CameraCheck]:
    found, _ = find_cameras(topics, encodings, TopicChoice())
    return [CameraCheck(camera) for camera in found]


def cameras_of(types: Mapping[str, str]) -> list[CameraCheck]:
    """The cameras among the topics of a graph, given their types.

    Raises:
        BagError: There is none.
    """
    topics: dict[str, Any] = {
        name: Topic(name, kind, None, "cdr", "") for name, kind in types.items()
    }
    return _cameras(topics, {})


def _first(messages: Iterable[Message], count: int) -> Iterator[Message]:
    for number, message in enumerate(messages):
        if number >= count:
            return
        yield message
