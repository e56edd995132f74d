"""Writing recordings that ROS 2, Foxglove and this program read; all of it or nothing."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from perception_nodes.errors import BagError
from perception_nodes.ros.factory import typestore

_FORMAT_VERSION: Literal[8] = 8  # the newest that Iron reads as well
_FOREVER = QosTime(9223372036, 854775807)
_LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    _FOREVER,
    _FOREVER,
    QosLiveliness.AUTOMATIC,
    _FOREVER,
    False,
)


class BagWriter:
    """Writes a recording; use it as a context manager.

    The recording appears under its name only when it is complete: until then it lies in a hidden
    folder beside it, which is removed when anything fails. The same messages give the same bytes.

    Args:
        path: A file `NAME.mcap`, or the folder of a rosbag2. It must not exist.
        storage: The format of a folder's storage file.

    Raises:
        BagError: The path exists or can't be written.
    """

    def __init__(self, path: Path, storage: Literal["mcap", "sqlite3"] = "mcap") -> None:
        self.path = path
        self._single = path.suffix == ".mcap"
        if self._single and storage != "mcap":
            raise BagError(
                f"{path} can't be written with storage {storage}", "name a folder, not a .mcap file"
            )
        if path.exists():
            raise BagError(f"{path} exists already", "remove it or choose another name")
        self._connections: dict[str, Connection] = {}
        self._counts: dict[str, int] = {}
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        self._writer = Writer(
            self._folder / path.stem if self._single else self._folder / path.name,
            version=_FORMAT_VERSION,
            storage_plugin=StoragePlugin[storage.upper()],
        )
        if storage == "mcap":
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with self._explained():
            self._writer.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    @property
    def counts(self) -> dict[str, int]:
        """Messages written so far, by topic."""
        return dict(self._counts)

    def write(self, topic: str, message: Any, log_time: int, *, latched: bool = False) -> None:
        """Append a message.

        Args:
            topic: Name; all messages of a topic have one type.
            message: Made by `RosbagsFactory`, or decoded from a bag.
            log_time: ns.
            latched: Whether late subscribers get it too (as /tf_static); the first message counts.

        Raises:
            BagError: The file can't be written, as when the disk is full.
        """
        kind = message.__msgtype__
        with self._explained():
            if topic not in self._connections:
                qos = [_LATCHED] if latched else []
                self._connections[topic] = self._writer.add_connection(
                    topic, kind, typestore=typestore(), offered_qos_profiles=qos
                )
                self._counts[topic] = 0
            data = typestore().serialize_cdr(message, kind, little_endian=True)
            self._writer.write(self._connections[topic], log_time, data)
            self._counts[topic] += 1

    def close(self) -> None:
        """Complete the recording and give it its name.

        Raises:
            BagError: The file can't be written, as when the disk is full.
        """
        with self._explained():
            self._writer.close()
            written = self._writer.path
            result = written / f"{written.name}.mcap" if self._single else written
            result.rename(self.path)
        shutil.rmtree(self._folder, ignore_errors=True)

    def discard(self) -> None:
        """Give up and leave nothing behind."""
        with suppress(OSError, sqlite3.Error):  # the disk may be full; the files go anyway
            self._writer.abort()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            if hasattr(self, "_writer"):
                self.discard()
            reason = getattr(error, "strerror", None) or str(error)
            raise BagError(
                f"{self.path} can't be written: {reason}",
                "free disk space or choose another folder; nothing was left behind",
            ) from error
