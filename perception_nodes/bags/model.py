"""What a recording consists of, whatever file it lies in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """A stream of messages inside one storage file.

    Attributes:
        topic: Name as recorded.
        type_name: "package/msg/Name", whatever way the file spells it.
        serialization: "cdr", "ros1", or what the file says.
        definition: Text of the message definition; empty where the file has none.
        encoding: Language of the definition: "ros2msg", "ros2idl", "ros1msg" or empty.
        qos: The offered QoS profiles as YAML text; empty where the file has none.
    """

    topic: str
    type_name: str
    serialization: str
    definition: str = ""
    encoding: str = ""
    qos: str = ""


class Record(NamedTuple):
    """A message as stored, without message-level compression being removed."""

    log_time: int
    channel: Channel
    data: bytes


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of a bag.

    Attributes:
        name: As recorded.
        type_name: "package/msg/Name".
        expected: How many messages the bag says it holds; None where it does not say.
        serialization: "cdr", "ros1", or what the file says.
        qos: The offered QoS profiles as YAML text; empty where unknown.
    """

    name: str
    type_name: str
    expected: int | None
    serialization: str
    qos: str


class Message(NamedTuple):
    """A message of a bag.

    Attributes:
        topic: Name as recorded.
        log_time: When it was recorded, ns.
        data: The decoded message, with the fields of its definition; bytes if read undecoded.
        type_name: "package/msg/Name".
    """

    topic: str
    log_time: int
    data: Any
    type_name: str


class Storage(Protocol):
    """One storage file of a bag: a split, or all of it."""

    @property
    def channels(self) -> Sequence[Channel]:
        """The streams that the file holds."""
        ...

    @property
    def span(self) -> tuple[int, int] | None:
        """Log time of the first and last message, ns; None if there is no message."""
        ...

    @property
    def counts(self) -> Mapping[str, int] | None:
        """How many messages the file says it holds, by topic; None where it can't say."""
        ...

    @property
    def problems(self) -> Sequence[str]:
        """What could not be read, one sentence each; grows while `records` is consumed."""
        ...

    def records(self, topics: Collection[str] | None) -> Iterator[Record]:
        """All readable messages of these topics (None: all) in order of log time."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


def normalized_type(name: str) -> str:
    """The full name of a type: "sensor_msgs/Image" (ROS 1, Crystal) gives "sensor_msgs/msg/Image".

    Names with another number of parts, such as "pkg/srv/Name_Event", stay as they are.
    """
    parts = name.split("/")
    return f"{parts[0]}/msg/{parts[1]}" if len(parts) == 2 else name
