"""MCAP files, with or without summary, chunks, indexes and an end."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from mcap.opcode import Opcode

from perception_nodes.bags.compression import unpack
from perception_nodes.bags.mcap_layout import HEAD, MESSAGE, Block, McapLayout
from perception_nodes.bags.merge import merge_by_time
from perception_nodes.bags.model import Channel, Record, normalized_type


class McapStorage:
    """One MCAP file, read chunk by chunk in order of time.

    Args:
        path: The file; its first bytes have been checked to be those of MCAP.
    """

    def __init__(self, path: Path) -> None:
        self._layout = McapLayout(path)
        self._channels: dict[int, Channel] = {}
        self._counts = self._stated_counts()
        if self._counts is None or not self._knows_all_channels():
            self._counts = self._counted()

    @property
    def channels(self) -> Sequence[Channel]:
        """The streams that the file holds."""
        return [self._channel(number) for number in sorted(self._layout.channels)]

    @property
    def span(self) -> tuple[int, int] | None:
        """Log time of the first and last message, ns."""
        blocks = [b for b in self._layout.blocks if (b.start, b.end) != (0, 0) or b.run]
        if not blocks:  # nothing, or messages that were all recorded at the time 0
            return (0, 0) if self._counts and any(self._counts.values()) else None
        return min(b.start for b in blocks), max(b.end for b in blocks)

    @property
    def counts(self) -> Mapping[str, int] | None:
        """Messages by topic; None if the file was cut off, as then nobody knows."""
        if self._counts is None:
            return None
        total: Counter[str] = Counter({c.topic: 0 for c in self.channels})
        for number, count in self._counts.items():
            total[self._channel(number).topic] += count
        return total

    @property
    def problems(self) -> Sequence[str]:
        """What could not be read."""
        return self._layout.problems

    def records(self, topics: Collection[str] | None) -> Iterator[Record]:
        """All readable messages of these topics in order of log time."""
        return merge_by_time(
            (block.start, partial(self._block_records, block, topics))
            for block in self._layout.blocks
        )

    def close(self) -> None:
        """Release the file."""
        self._layout.file.close()

    def _stated_counts(self) -> dict[int, int] | None:
        stated = self._layout.statistics
        if stated is None or sum(stated.channel_message_counts.values()) != stated.message_count:
            return None
        return dict(stated.channel_message_counts)

    def _knows_all_channels(self) -> bool:
        stated, channels = self._layout.statistics, self._layout.channels
        schemas = {c.schema_id for c in channels.values()} - {0}
        enough = stated is not None and len(channels) >= stated.channel_count
        return enough and schemas <= set(self._layout.schemas)

    def _counted(self) -> dict[int, int] | None:
        """Read all blocks for their channels; count the messages unless some are cut off."""
        found = Counter[int]()
        for block in self._layout.blocks:
            for opcode, content in self._contents(block):
                if opcode == Opcode.MESSAGE:
                    found[MESSAGE.unpack_from(content)[0]] += 1
        if (stated := self._stated_counts()) is not None:
            return stated
        return dict(found) if self._layout.ended and not self._layout.problems else None

    def _block_records(self, block: Block, topics: Collection[str] | None) -> Iterator[Record]:
        found: list[Record] = []
        for opcode, content in self._contents(block):
            if opcode != Opcode.MESSAGE:
                continue
            number, _, log_time, _ = MESSAGE.unpack_from(content)
            channel = self._channel(number)
            if topics is None or channel.topic in topics:
                found.append(Record(log_time, channel, bytes(content[MESSAGE.size :])))
        found.sort(key=lambda record: record.log_time)
        return iter(found)

    def _contents(self, block: Block) -> Iterator[tuple[int, memoryview]]:
        """Opcode and content of the records of a block; schemas and channels are noted."""
        layout, where = self._layout, f"chunk at byte {block.offset}"
        layout.file.seek(block.offset)
        data, problem = unpack(block.compression, layout.file.read(block.size))
        if not block.whole:
            problem = "cut off"
        elif not problem and block.crc and zlib.crc32(data) != block.crc:
            problem = "its checksum is wrong, so its messages may be damaged"
        if problem:
            layout.note(f"{where}: {problem}")
        view, position = memoryview(data), 0
        while position + HEAD.size <= len(data):
            opcode, length = HEAD.unpack_from(data, position)
            content = view[position + HEAD.size : position + HEAD.size + length]
            if len(content) < length or (opcode == Opcode.MESSAGE and length < MESSAGE.size):
                layout.note(f"{where}: a record is damaged or cut off")
                return
            if opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                layout.learn(opcode, bytes(content))
            yield opcode, content
            position += HEAD.size + length

    def _channel(self, number: int) -> Channel:
        if number not in self._layout.channels:
            return Channel(f"<unknown channel {number}>", "", "")
        if number not in self._channels:
            self._channels[number] = self._described(number)
        return self._channels[number]

    def _described(self, number: int) -> Channel:
        record = self._layout.channels[number]
        schema = self._layout.schemas.get(record.schema_id)
        qos = record.metadata.get("offered_qos_profiles", "")
        if schema is None:
            return Channel(record.topic, "", record.message_encoding, qos=qos)
        definition = schema.data.decode("utf-8", "replace")
        name = normalized_type(schema.name)
        return Channel(
            record.topic, name, record.message_encoding, definition, schema.encoding, qos
        )
