"""Where things lie in an MCAP file, found without trusting its summary.

The file is walked record by record, skipping over the contents of chunks; this finds every chunk
also where the summary is missing, incomplete or cut off (the indexed reader of the `mcap` library
raises KeyError on valid files without repeated schemas, and its stream reader would read all data
twice). Where the walk meets damage, the chunks behind it are found through the summary.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, Schema, Statistics

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")
MESSAGE = struct.Struct("<HIQQ")
_CHUNK = struct.Struct("<QQQII")
_FOOTER_SIZE = 20
_RUN = 1 << 22


@dataclass(slots=True)
class Block:
    """Records that lie together: a chunk, or a run of messages outside of chunks.

    Attributes:
        offset, size: Place of the (compressed) records in the file, bytes.
        start, end: Log times of the first and last message, ns.
        compression: Its name; empty if there is none.
        crc: Checksum of the decompressed records; 0 if there is none.
        whole: Whether the file holds all of it.
        run: Whether it is a run of messages outside of chunks.
    """

    offset: int
    size: int
    start: int
    end: int
    compression: str = ""
    crc: int = 0
    whole: bool = True
    run: bool = False


class McapLayout:
    """The blocks, schemas, channels and statistics of an MCAP file.

    Args:
        path: The file; its first bytes have been checked to be those of MCAP.

    Attributes:
        file: Open for reading.
        blocks: In order of place.
        schemas, channels: By id, as far as they were met; more are met inside of chunks.
        statistics: What the file says it holds; None where it does not say.
        ended: Whether the closing record was met.
        problems: What could not be read, one sentence each.
    """

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb")
        self.blocks: list[Block] = []
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self.statistics: Statistics | None = None
        self.ended = False
        self._name = path.name
        self._size = path.stat().st_size
        self._problems: dict[str, None] = {}
        self._walk(len(MAGIC))
        if not self.ended:
            self._walk_summary()

    @property
    def problems(self) -> list[str]:
        """What could not be read, each said once."""
        return list(self._problems)

    def note(self, problem: str) -> None:
        """Add to the problems."""
        self._problems[f"{self._name}: {problem}"] = None

    def learn(self, opcode: int, content: bytes) -> None:
        """Take note of a schema, channel or statistics record; other records are ignored."""
        stream = ReadDataStream(BytesIO(content))
        try:
            if opcode == Opcode.SCHEMA:
                schema = Schema.read(stream)
                self.schemas.setdefault(schema.id, schema)
            elif opcode == Opcode.CHANNEL:
                channel = Channel.read(stream)
                self.channels.setdefault(channel.id, channel)
            elif opcode == Opcode.STATISTICS:
                self.statistics = Statistics.read(stream)
        except (McapError, ValueError, struct.error) as error:
            self.note(f"a record of type {opcode} is damaged: {error}")

    def _walk(self, position: int) -> None:
        for opcode, start, length in self._heads(position):
            if opcode == Opcode.CHUNK:
                self._visit_chunk(length)
            elif opcode == Opcode.MESSAGE and length >= MESSAGE.size:
                _, _, log_time, _ = MESSAGE.unpack(self.file.read(MESSAGE.size))
                self._add_to_run(start, HEAD.size + length, log_time)
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.STATISTICS):
                self.learn(opcode, self.file.read(length))
            elif opcode == Opcode.FOOTER:
                self.file.seek(start + HEAD.size + length)
                self.ended = self.file.read(len(MAGIC) + 1) == MAGIC
                if not self.ended:
                    self.note(f"damaged at byte {start} of {self._size}")
                return

    def _heads(self, position: int) -> Iterator[tuple[int, int, int]]:
        """Opcode, place and length of each record from `position` on; notes a premature end."""
        while position + HEAD.size <= self._size:
            self.file.seek(position)
            opcode, length = HEAD.unpack(self.file.read(HEAD.size))
            end = position + HEAD.size + length
            if opcode == 0 or (end > self._size and opcode != Opcode.CHUNK):
                break
            yield opcode, position, length
            position = end
        self.note(f"damaged or cut off at byte {min(position, self._size)} of {self._size}")

    def _visit_chunk(self, length: int) -> None:
        offset = self.file.tell()
        head = self.file.read(_CHUNK.size).ljust(_CHUNK.size, b"\xff")
        start, end, _, crc, name_length = _CHUNK.unpack(head)
        if name_length > min(length, 64) or offset + _CHUNK.size + name_length + 8 > self._size:
            self.note(f"the head of the chunk at byte {offset} is damaged or cut off")
            return
        compression = self.file.read(name_length).decode("utf-8", "replace")
        (size,) = struct.unpack("<Q", self.file.read(8))
        data = self.file.tell()
        available = min(size, self._size - data)
        self.blocks.append(
            Block(data, available, start, end, compression, crc, whole=available == size)
        )

    def _add_to_run(self, offset: int, size: int, log_time: int) -> None:
        last = self.blocks[-1] if self.blocks else None
        if last and last.run and last.offset + last.size == offset and last.size < _RUN:
            last.size += size
            last.start, last.end = min(last.start, log_time), max(last.end, log_time)
        else:
            self.blocks.append(Block(offset, size, log_time, log_time, run=True))

    def _walk_summary(self) -> None:
        """Find what lies behind damage through the summary, if that is readable."""
        tail = HEAD.size + _FOOTER_SIZE + len(MAGIC)
        if self._size < len(MAGIC) + tail:
            return
        self.file.seek(self._size - tail)
        footer = self.file.read(tail)
        if footer[0] != Opcode.FOOTER or not footer.endswith(MAGIC):
            return
        (position,) = struct.unpack_from("<Q", footer, HEAD.size)
        known = {block.offset for block in self.blocks}
        for opcode, _, length in self._heads(position or self._size):
            if opcode == Opcode.FOOTER:
                break
            content = self.file.read(length)
            self.learn(opcode, content)
            if opcode == Opcode.CHUNK_INDEX:
                index = ChunkIndex.read(ReadDataStream(BytesIO(content)))
                self._revisit(index.chunk_start_offset, known)

    def _revisit(self, start: int, known: set[int]) -> None:
        self.file.seek(min(start, self._size))
        head = self.file.read(HEAD.size)
        if len(head) < HEAD.size or head[0] != Opcode.CHUNK:
            return
        self._visit_chunk(HEAD.unpack(head)[1])
        if self.blocks and self.blocks[-1].offset in known:
            self.blocks.pop()
