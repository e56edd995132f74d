"""Reading recordings: rosbag2 (sqlite3, MCAP, compressed, split, without metadata) and ROS 1."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from perception_nodes.bags.decoding import Decoder, UndecodableError, decompressed, new_typestore
from perception_nodes.bags.locate import Located, locate, open_storage
from perception_nodes.bags.loss import LossReport, TopicLoss
from perception_nodes.bags.merge import merge_by_time
from perception_nodes.bags.model import Channel, Message, Record, Storage, Topic
from perception_nodes.errors import BagError


def open_bag(path: Path) -> Bag:
    """Open a recording: a file, or the folder of a rosbag2.

    Damage is no error as long as something can be read: `Bag.loss` tells of it.

    Raises:
        BagError: There is no recording at the path, or nothing of it can be read.
    """
    try:
        located = locate(Path(path))
    except OSError as error:
        raise BagError(
            f"{path} can't be read: {error.strerror}", "check its permissions"
        ) from error
    storages: list[Storage] = []
    failures: list[BagError] = []
    for file in located.files:
        try:
            storages.append(open_storage(file))
        except BagError as error:
            failures.append(error)
    if not storages:
        raise failures[0]
    located.problems += [error.message for error in failures]
    return Bag(Path(path), storages, located)


class Bag:
    """An open recording; use it as a context manager.

    Messages come in order of log time, merged over all storage files. Memory is bounded by a few
    chunks, whatever the size of the bag. Every message that can be read is delivered or counted.

    Attributes:
        path: As given.
        topics: By name, in alphabetic order.
    """

    def __init__(self, path: Path, storages: list[Storage], located: Located) -> None:
        self.path = path
        self._storages = storages
        self._located = located
        self.topics = self._gather_topics()
        self._types = new_typestore()
        self._decoders: dict[tuple[str, str, str, str], Decoder] = {}
        self._balance: dict[str, TopicLoss] = {}
        self._complete = False
        self._digest = sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release all files."""
        for storage in self._storages:
            storage.close()

    @property
    def start_time(self) -> int:
        """Log time of the first message, ns; 0 without messages."""
        return min((span[0] for s in self._storages if (span := s.span)), default=0)

    @property
    def end_time(self) -> int:
        """Log time of the last message, ns; 0 without messages."""
        return max((span[1] for s in self._storages if (span := s.span)), default=0)

    def expected(self, topics: Collection[str] | None = None) -> int:
        """How many messages the bag says it holds in these topics (None: all); 0 if unknown."""
        return sum(t.expected or 0 for t in self.topics.values() if _wanted(t.name, topics))

    def messages(
        self, topics: Collection[str] | None = None, *, decode: bool = True
    ) -> Iterator[Message]:
        """Deliver messages in order of log time.

        Messages that can't be decoded are not delivered but counted with the reason; `loss` tells.

        Args:
            topics: Names of topics; None for all.
            decode: Whether `Message.data` is a decoded message; else it is bytes, with
                message-level compression removed.
        """
        self._complete = False
        self._digest = sha256()
        self._balance = {
            t.name: TopicLoss(t.name, t.expected)
            for t in self.topics.values()
            if _wanted(t.name, topics)
        }
        try:
            for record in self._records(None if topics is None else frozenset(topics)):
                message = self._message(record, decode)
                if message is not None:
                    yield message
        except OSError as error:
            self._located.problems.append(f"{self.path}: reading failed: {error.strerror}")
        self._complete = True

    @property
    def digest(self) -> str:
        """SHA-256 of the messages of the last run of `messages`; empty if it did not end.

        The same messages have the same digest, whatever file they lie in.
        """
        return self._digest.hexdigest() if self._complete else ""

    def loss(self) -> LossReport:
        """What the last run of `messages` delivered, compared with what the bag says it holds."""
        problems = [*self._located.problems]
        for storage in self._storages:
            problems += storage.problems
        remarks = [*self._located.remarks, *self._contradictions()]
        balance = [self._balance[name] for name in sorted(self._balance)]
        return LossReport(balance, problems, remarks, self._complete)

    def _records(self, topics: frozenset[str] | None) -> Iterator[Record]:
        """The records of all storage files, merged; files without messages are left alone."""
        return merge_by_time(
            (span[0], partial(storage.records, topics))
            for storage in self._storages
            if (span := storage.span) is not None
        )

    def _message(self, record: Record, decode: bool) -> Message | None:
        channel = record.channel
        balance = self._balance.get(channel.topic)
        if balance is None:
            balance = self._balance[channel.topic] = TopicLoss(channel.topic, None)
        balance.delivered += 1
        try:
            data = decompressed(channel, record.data)
            self._digest.update(f"{channel.topic} {record.log_time} {len(data)} ".encode())
            self._digest.update(data)
            content = self._decoder(channel)(data) if decode else data
        except UndecodableError as error:
            balance.undecodable[str(error)] += 1
            return None
        return Message(channel.topic, record.log_time, content, channel.type_name)

    def _decoder(self, channel: Channel) -> Decoder:
        key = (channel.type_name, channel.serialization, channel.encoding, channel.definition)
        if key not in self._decoders:
            self._decoders[key] = Decoder(channel, self._types)
        return self._decoders[key]

    def _gather_topics(self) -> dict[str, Topic]:
        stated = self._located.metadata
        channels: dict[str, Channel] = {}
        for source in (*(s.channels for s in self._storages), stated.channels if stated else ()):
            for channel in source:
                channels.setdefault(channel.topic, channel)
        return {
            name: Topic(name, c.type_name, self._expected(name), c.serialization, c.qos)
            for name, c in sorted(channels.items())
        }

    def _expected(self, topic: str) -> int | None:
        """The larger of what the metadata and the storage files say; None if neither tells."""
        stated, held = self._stated(topic), self._held(topic)
        if stated is None or held is None:
            return stated if held is None else held
        return max(stated, held)

    def _stated(self, topic: str) -> int | None:
        metadata = self._located.metadata
        return None if metadata is None else metadata.counts.get(topic, 0)

    def _held(self, topic: str) -> int | None:
        counts = [storage.counts for storage in self._storages]
        if any(c is None for c in counts):
            return None
        return sum(c.get(topic, 0) for c in counts if c is not None)

    def _contradictions(self) -> Iterator[str]:
        """Where the metadata say other things than the storage files, which are believed."""
        metadata = self._located.metadata
        formats = {c.topic: c.serialization for c in metadata.channels} if metadata else {}
        for name, topic in self.topics.items():
            stated, held = self._stated(name), self._held(name)
            if stated is not None and held is not None and held > stated:
                yield f"{name}: metadata.yaml says {stated} messages, the files hold {held}"
            if formats.get(name, topic.serialization) != topic.serialization:
                yield (
                    f"{name}: metadata.yaml says serialization {formats[name]!r}, "
                    f"the file says {topic.serialization!r}"
                )


def _wanted(name: str, topics: Collection[str] | None) -> bool:
    return topics is None or name in topics
