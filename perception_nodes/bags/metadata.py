"""What `metadata.yaml` of a rosbag2 folder says about its files and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from perception_nodes.bags.model import Channel, normalized_type

NAME = "metadata.yaml"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The stated contents of a bag.

    Attributes:
        files: Relative paths of the storage files, in order.
        counts: Messages by topic.
        file_counts: Messages by storage file, where stated.
        channels: The topics, without definitions.
    """

    files: tuple[str, ...]
    counts: Mapping[str, int]
    file_counts: Mapping[str, int] = field(default_factory=dict)
    channels: Sequence[Channel] = ()


def read_metadata(path: Path) -> Metadata:
    """Read a `metadata.yaml` of any version.

    Raises:
        ValueError: It is damaged; the text says how.
        OSError: It can't be read.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8", errors="replace"))
        return _parsed(document["rosbag2_bagfile_information"])
    except yaml.YAMLError as error:
        raise ValueError(str(error).replace("\n", " ")) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _parsed(information: Mapping[str, Any]) -> Metadata:
    channels: list[Channel] = []
    counts: dict[str, int] = {}
    for entry in information.get("topics_with_message_count") or ():
        topic = entry["topic_metadata"]
        name = str(topic["name"])
        counts[name] = counts.get(name, 0) + int(entry["message_count"])
        channels.append(
            Channel(
                name,
                normalized_type(str(topic["type"])),
                str(topic["serialization_format"]),
                qos=_text(topic.get("offered_qos_profiles")),
            )
        )
    return Metadata(
        tuple(str(name) for name in information.get("relative_file_paths") or ()),
        counts,
        {str(f["path"]): int(f["message_count"]) for f in information.get("files") or ()},
        channels,
    )


def _text(profiles: Any) -> str:
    """QoS profiles are a YAML text inside the YAML up to version 8, and plain YAML since."""
    if not profiles:
        return ""
    return profiles if isinstance(profiles, str) else yaml.safe_dump(profiles, sort_keys=False)
