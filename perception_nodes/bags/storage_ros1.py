"""ROS 1 bags (format 2.0), with or without a valid index.

The file is walked record by record like an MCAP file; the reader of `rosbags` needs an intact
index and gives up at the first damaged chunk.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

from rosbags.rosbag1 import ReaderError
from rosbags.rosbag1.reader import Header, RecordType, read_bytes, read_uint32

from perception_nodes.bags.compression import unpack
from perception_nodes.bags.merge import merge_by_time
from perception_nodes.bags.model import Channel, Record, normalized_type
from perception_nodes.errors import BagError

MAGIC = b"#ROSBAG V"
_PAIR = struct.Struct("<II")


@dataclass(slots=True)
class _Chunk:
    offset: int
    size: int
    compression: str
    start: int = 0
    end: int = 0


class Ros1Storage:
    """One ROS 1 bag; where its index is missing or damaged, the chunks are searched instead.

    Args:
        path: The file; its first bytes have been checked to be those of a ROS 1 bag.

    Raises:
        BagError: Its version is not 2.0, or it is encrypted.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._path = path
        self._size = path.stat().st_size
        self._problems: dict[str, None] = {}
        self._channels: dict[int, Channel] = {}
        self._chunks: dict[int, _Chunk] = {}
        self._counts: Counter[int] | None = Counter()
        self._expected = (-1, -1)
        self._described: set[int] = set()
        self._check_version()
        self._walk()
        if self._expected != (len(self._channels), len(self._described)):
            self._search()

    @property
    def channels(self) -> Sequence[Channel]:
        """The streams that the file holds."""
        return [self._channels[number] for number in sorted(self._channels)]

    @property
    def span(self) -> tuple[int, int] | None:
        """Log time of the first and last message, ns."""
        chunks = [c for c in self._chunks.values() if c.end]
        if not chunks:
            return None
        return min(c.start for c in chunks), max(c.end for c in chunks)

    @property
    def counts(self) -> Mapping[str, int] | None:
        """Messages by topic; None if the file has no complete index, as then nobody knows."""
        if self._counts is None:
            return None
        total: Counter[str] = Counter({c.topic: 0 for c in self.channels})
        for number, count in self._counts.items():
            total[self._channel(number).topic] += count
        return total

    @property
    def problems(self) -> Sequence[str]:
        """What could not be read."""
        return list(self._problems)

    def records(self, topics: Collection[str] | None) -> Iterator[Record]:
        """All readable messages of these topics in order of log time."""
        return merge_by_time(
            (chunk.start, partial(self._chunk_records, chunk, topics))
            for chunk in self._chunks.values()
        )

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _check_version(self) -> None:
        version = self._file.readline(64)
        if version != b"#ROSBAG V2.0\n":
            self._file.close()
            text = version[1:].decode("ascii", "replace").strip()
            raise BagError(
                f"{self._path} has the old format {text!r}", "convert it with `rosbag migrate`"
            )

    def _walk(self) -> None:
        """Visit all records of the file, skipping over the contents of chunks."""
        while (start := self._file.tell()) < self._size:
            try:
                header = Header.read(self._file)
                size = read_uint32(self._file)
                following = self._file.tell() + size
                self._visit(header, start, size)
            except (ReaderError, UnicodeDecodeError, struct.error) as error:
                self._note(f"damaged or cut off at byte {start} of {self._size}: {error}")
                return
            self._file.seek(following)

    def _visit(self, header: Header, start: int, size: int) -> None:
        kind = header.get_uint8("op")
        if kind == RecordType.BAGHEADER:
            if header.get("encryptor"):
                raise BagError(f"{self._path} is encrypted", "decrypt it with `rosbag decrypt`")
            self._expected = (header.get_uint32("conn_count"), header.get_uint32("chunk_count"))
        elif kind == RecordType.CHUNK:
            available = min(size, self._size - self._file.tell())
            compression = header.get_string("compression")
            self._chunks[start] = _Chunk(self._file.tell(), available, compression)
        elif kind == RecordType.CONNECTION:
            self._learn(header, read_bytes(self._file, size))
        elif kind == RecordType.CHUNK_INFO:
            self._describe(header, read_bytes(self._file, size))

    def _describe(self, header: Header, content: bytes) -> None:
        position = header.get_uint64("chunk_pos")
        chunk = self._chunks.get(position)
        if chunk is None or self._counts is None:
            return
        self._described.add(position)
        counts = dict(_PAIR.iter_unpack(content))
        self._counts.update(counts)
        if counts:
            chunk.start, chunk.end = header.get_time("start_time"), header.get_time("end_time")

    def _search(self) -> None:
        """Find channels and times inside of the chunks, as the index does not tell."""
        self._note("its index is missing or incomplete, so how many messages it held is unknown")
        self._counts = None
        for chunk in self._chunks.values():
            times = [record.log_time for record in self._chunk_records(chunk, None)]
            if times:
                chunk.start, chunk.end = times[0], times[-1]

    def _chunk_records(self, chunk: _Chunk, topics: Collection[str] | None) -> Iterator[Record]:
        """Messages of a chunk in order of time; connections found on the way are noted."""
        where = f"chunk at byte {chunk.offset}"
        self._file.seek(chunk.offset)
        data, problem = unpack(chunk.compression, self._file.read(chunk.size))
        if problem:
            self._note(f"{where}: {problem}")
        found: list[Record] = []
        stream = BytesIO(data)
        while stream.tell() < len(data):
            try:
                header = Header.read(stream)
                content = read_bytes(stream, read_uint32(stream))
                kind = header.get_uint8("op")
                if kind == RecordType.CONNECTION:
                    self._learn(header, content)
                elif kind == RecordType.MSGDATA:
                    channel = self._channel(header.get_uint32("conn"))
                    if topics is None or channel.topic in topics:
                        found.append(Record(header.get_time("time"), channel, content))
            except (ReaderError, UnicodeDecodeError) as error:
                self._note(f"{where}: a record is damaged or cut off: {error}")
                break
        found.sort(key=lambda record: record.log_time)
        return iter(found)

    def _channel(self, number: int) -> Channel:
        return self._channels.get(number) or Channel(f"<unknown connection {number}>", "", "ros1")

    def _learn(self, header: Header, content: bytes) -> None:
        number = header.get_uint32("conn")
        if number in self._channels:
            return
        size = struct.pack("<I", len(content))
        fields = Header.read(BytesIO(size + content))
        self._channels[number] = Channel(
            header.get_string("topic"),
            normalized_type(fields.get_string("type")),
            "ros1",
            fields.get("message_definition", b"").decode("utf-8", "replace"),
            "ros1msg",
        )

    def _note(self, problem: str) -> None:
        self._problems[f"{self._path.name}: {problem}"] = None
