"""SQLite storage files of rosbag2, of all its schema versions."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from perception_nodes.bags.model import Channel, Record, normalized_type
from perception_nodes.errors import BagError

MAGIC = b"SQLite format 3\0"
_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)  # the latter in the text of the former


class SqliteStorage:
    """One .db3 file, opened read-only and read message by message.

    Args:
        path: The file; its first bytes have been checked to be those of SQLite.

    Raises:
        BagError: It is no recording, or so damaged that not even its topics can be read.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._problems: dict[str, None] = {}
        self._copy: Path | None = None
        missing = _missing_bytes(path)
        if missing:
            self._note(f"the file is cut off: its last {missing} bytes are missing")
            self._copy = _padded_copy(path, missing)
        self._database = _connect(self._copy or path)
        try:
            self._channels = self._read_channels()
        except _DAMAGE as error:
            self.close()
            raise BagError(
                f"{path} can't be read as a recording: {error}",
                "it is damaged or no rosbag2 file; `sqlite3 FILE .recover` may save some of it",
            ) from error
        self._counts = self._read_counts()

    @property
    def channels(self) -> Sequence[Channel]:
        """The streams that the file holds."""
        return list(self._channels.values())

    @property
    def span(self) -> tuple[int, int] | None:
        """Log time of the first and last message, ns."""
        try:
            first, last = self._database.execute(
                "SELECT min(timestamp), max(timestamp) FROM messages"
            ).fetchone()
        except _DAMAGE:
            pairs = self._salvaged_rows()
            return (pairs[0][0], pairs[-1][0]) if pairs else None
        return None if first is None else (first, last)

    @property
    def counts(self) -> Mapping[str, int] | None:
        """Messages by topic; None if the file is too damaged to tell."""
        return self._counts

    @property
    def problems(self) -> Sequence[str]:
        """What could not be read."""
        return list(self._problems)

    def records(self, topics: Collection[str] | None) -> Iterator[Record]:
        """All readable messages of these topics in order of log time."""
        for row_id in self._row_ids():
            try:
                record = self._record(row_id, topics)
            except (*_DAMAGE, TypeError) as error:
                self._note(f"message {row_id} can't be read: {error}")
                continue
            if record is not None:
                yield record

    def close(self) -> None:
        """Release the file."""
        self._database.close()
        if self._copy is not None:
            shutil.rmtree(self._copy.parent, ignore_errors=True)

    def _record(self, row_id: int, topics: Collection[str] | None) -> Record | None:
        number, log_time = self._database.execute(
            "SELECT topic_id, timestamp FROM messages WHERE id = ?", (row_id,)
        ).fetchone()
        channel = self._channel(number)
        if topics is not None and channel.topic not in topics:
            return None
        (data,) = self._database.execute(
            "SELECT data FROM messages WHERE id = ?", (row_id,)
        ).fetchone()
        if not isinstance(data, bytes) or not isinstance(log_time, int):
            raise TypeError("its columns have the wrong types")
        return Record(log_time, channel, data)

    def _channel(self, number: int) -> Channel:
        return self._channels.get(number) or Channel(f"<unknown topic {number}>", "", "")

    def _row_ids(self) -> array[int]:
        """Row numbers in order of time: 8 bytes a message, whereas sorting rows sorts images."""
        try:
            rows = self._database.execute("SELECT id FROM messages ORDER BY timestamp, id")
            return array("q", (row[0] for row in rows))
        except _DAMAGE as error:
            self._note(f"the file is damaged or cut off: {error}")
            return array("q", (row_id for _, row_id in self._salvaged_rows()))

    def _salvaged_rows(self) -> list[tuple[int, int]]:
        """Time and number of the rows before and behind the damage, in order of time."""
        found: dict[int, int] = {}
        for direction in ("ASC", "DESC"):
            query = f"SELECT id, timestamp FROM messages NOT INDEXED ORDER BY id {direction}"  # noqa: S608
            for row_id, log_time in self._readable(query):
                if isinstance(log_time, int):
                    found[row_id] = log_time
        return sorted((log_time, row_id) for row_id, log_time in found.items())

    def _readable(self, query: str) -> Iterator[Any]:
        """The rows before the first that is damaged; the damage is noted."""
        try:
            yield from self._database.execute(query)
        except _DAMAGE as error:
            self._note(f"the file is damaged or cut off: {error}")

    def _read_channels(self) -> dict[int, Channel]:
        columns = {row[1] for row in self._database.execute("PRAGMA table_info(topics)")}
        if not columns:
            raise sqlite3.DatabaseError("it has no table `topics`")
        qos = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        definitions = self._read_definitions()
        rows = self._readable(
            f"SELECT id, name, type, serialization_format, {qos} FROM topics ORDER BY id"  # noqa: S608
        )
        return {
            number: Channel(
                str(name),
                normalized_type(str(kind)),
                str(form),
                *_definition(str(kind), definitions),
                qos=str(profiles),
            )
            for number, name, kind, form, profiles in rows
        }

    def _read_definitions(self) -> dict[str, tuple[str, str]]:
        if not self._database.execute("PRAGMA table_info(message_definitions)").fetchall():
            return {}
        rows = self._readable(
            "SELECT topic_type, encoded_message_definition, encoding FROM message_definitions"
        )
        return {str(name): (str(text), str(encoding)) for name, text, encoding in rows}

    def _read_counts(self) -> dict[str, int] | None:
        counts = {channel.topic: 0 for channel in self._channels.values()}
        try:
            for number, count in self._database.execute(
                "SELECT topic_id, count(*) FROM messages GROUP BY topic_id"
            ):
                name = self._channel(number).topic
                counts[name] = counts.get(name, 0) + count
        except _DAMAGE as error:
            self._note(f"the file is damaged or cut off: {error}")
            return None
        return counts

    def _note(self, problem: str) -> None:
        self._problems[f"{self._name}: {problem}"] = None


def _missing_bytes(path: Path) -> int:
    """How many bytes a file is shorter than its header says; SQLite reads nothing of such files."""
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or header[24:28] != header[92:96]:  # the stated size is not valid
        return 0
    page_size = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    return max(0, pages * (65536 if page_size == 1 else page_size) - path.stat().st_size)


def _padded_copy(path: Path, missing: int) -> Path:
    """A temporary copy of full length, in which SQLite finds what is left."""
    folder = Path(tempfile.mkdtemp(prefix="permanence-"))
    copy = folder / path.name
    try:
        shutil.copyfile(path, copy)
        os.truncate(copy, path.stat().st_size + missing)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BagError(
            f"{path} is cut off, and copying it to {folder} for repair failed: {error.strerror}",
            "free disk space, or set TMPDIR to a folder that has some",
        ) from error
    return copy


def _definition(kind: str, definitions: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Definition and encoding of a type; that of a service event is stored with its service."""
    return definitions.get(kind) or definitions.get(kind.removesuffix("_Event")) or ("", "")


def _connect(path: Path) -> sqlite3.Connection:
    """Open read-only; a log of uncommitted pages beside the file is read along with it.

    `immutable` makes SQLite leave the folder alone (it may be read-only), but also ignore the
    log that a recorder leaves behind when it is killed.
    """
    log = path.with_name(path.name + "-wal")
    mode = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
    name = f"file:{quote(str(path.resolve()))}?{mode}"
    # Opened in one thread and read in another, never in two at the same time.
    database = sqlite3.connect(name, uri=True, check_same_thread=False)
    database.text_factory = lambda text: text.decode("utf-8", "replace")
    return database
