"""Finding the storage files of a recording and opening each by what it is, not by its name."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perception_nodes.bags import mcap_layout, metadata, storage_ros1, storage_sqlite
from perception_nodes.bags.compression import ZSTD_MAGIC, unpack_file
from perception_nodes.bags.metadata import Metadata, read_metadata
from perception_nodes.bags.model import Channel, Record, Storage
from perception_nodes.bags.storage_mcap import McapStorage
from perception_nodes.bags.storage_ros1 import Ros1Storage
from perception_nodes.bags.storage_sqlite import SqliteStorage
from perception_nodes.errors import BagError

_KINDS = "rosbag2 (.mcap or .db3, also with .zstd) and ROS 1 (.bag)"
_SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd", ".bag")


@dataclass(slots=True)
class Located:
    """The files of a recording.

    Attributes:
        files: In order.
        metadata: What `metadata.yaml` says; None without one.
        problems: What is missing, one sentence each.
        remarks: What is odd but lost nothing.
    """

    files: list[Path]
    metadata: Metadata | None = None
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def locate(path: Path) -> Located:
    """Find the storage files of a recording: a file, or a folder with or without metadata.

    Raises:
        BagError: There is no recording at the path, or more than one.
    """
    if not path.exists():
        raise BagError(f"there is no recording at {path}", "check the path")
    if path.is_file():
        return locate(path.parent) if path.name == metadata.NAME else Located([path])
    description = path / metadata.NAME
    if not description.exists():
        located = _without_metadata(path)
        located.remarks.append(f"{path} has no {metadata.NAME}: its files were taken by name")
        return located
    try:
        return _with_metadata(path, read_metadata(description))
    except (ValueError, OSError) as error:
        located = _without_metadata(path)
        located.problems.append(f"{description} is unreadable, so it was ignored: {error}")
        return located


def open_storage(path: Path) -> Storage:
    """Open one storage file.

    Raises:
        BagError: It is empty, can't be read, or is no recording.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if head.startswith(mcap_layout.MAGIC):
            return McapStorage(path)
        if head.startswith(storage_sqlite.MAGIC):
            return SqliteStorage(path)
        if head.startswith(storage_ros1.MAGIC):
            return Ros1Storage(path)
        if head.startswith(ZSTD_MAGIC):
            return CompressedStorage(path)
    except OSError as error:
        raise BagError(
            f"{path} can't be read: {error.strerror}", "check its permissions"
        ) from error
    if not head:
        raise BagError(f"{path} is empty (0 bytes)", "the recorder wrote nothing; record again")
    raise BagError(f"{path} is no recording: it starts with {head[:8]!r}", f"readable are {_KINDS}")


class CompressedStorage:
    """A storage file compressed as a whole; it is unpacked when needed, one file at a time.

    Args:
        path: A .zstd file that holds a storage file.

    Raises:
        BagError: There is no space to unpack it, or no recording in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems: dict[str, None] = {}
        with tempfile.TemporaryDirectory(prefix="permanence-") as folder:
            storage = self._unpacked(Path(folder))
            try:
                self._channels = tuple(storage.channels)
                self._span, self._counts = storage.span, storage.counts
                self._keep_problems(storage)
            finally:
                storage.close()

    @property
    def channels(self) -> Sequence[Channel]:
        """The streams that the file holds."""
        return self._channels

    @property
    def span(self) -> tuple[int, int] | None:
        """Log time of the first and last message, ns."""
        return self._span

    @property
    def counts(self) -> Mapping[str, int] | None:
        """How many messages the file says it holds, by topic."""
        return self._counts

    @property
    def problems(self) -> Sequence[str]:
        """What could not be read."""
        return list(self._problems)

    def records(self, topics: Collection[str] | None) -> Iterator[Record]:
        """All readable messages of these topics in order of log time."""
        with tempfile.TemporaryDirectory(prefix="permanence-") as folder:
            storage = self._unpacked(Path(folder))
            try:
                yield from storage.records(topics)
            finally:
                self._keep_problems(storage)
                storage.close()

    def close(self) -> None:
        """Nothing is held open between uses."""

    def _unpacked(self, folder: Path) -> Storage:
        target = folder / self._path.name.removesuffix(".zstd")
        if problem := unpack_file(self._path, target):
            self._problems[f"{self._path.name}: {problem}"] = None
        try:
            return open_storage(target)
        except BagError as error:
            message = error.message.replace(str(target), str(self._path))
            raise BagError(message, error.remedy) from error

    def _keep_problems(self, storage: Storage) -> None:
        self._problems.update(dict.fromkeys(storage.problems))


def _with_metadata(folder: Path, description: Metadata) -> Located:
    paths = {name: _resolved(folder, name) for name in description.files}
    files = [path for path in paths.values() if path is not None]
    located = Located(files, description)
    absent = [name for name, path in paths.items() if path is None]
    present = _storage_files(folder)
    if not files and present:
        files.extend(present)
    if not files:
        raise BagError(
            f"{folder} has none of the {len(absent)} files that its {metadata.NAME} lists; "
            f"all {sum(description.counts.values())} messages are missing",
            "copy the storage files beside it",
        )
    if absent:
        located.problems.append(_absence(absent, description))
    for extra in present:
        if extra not in files and extra.with_name(extra.name + ".zstd") not in files:
            located.problems.append(
                f"{extra.name} lies in the folder, but {metadata.NAME} does not list it, "
                "so it was not read; name it to read it alone"
            )
    return located


def _absence(absent: list[str], description: Metadata) -> str:
    names = absent[0] if len(absent) == 1 else f"{absent[0]} ... {absent[-1]}"
    held = sum(description.file_counts.get(name, 0) for name in absent)
    text = f"{len(absent)} of {len(description.files)} files are missing: {names}"
    return f"{text}, with {held} messages" if held else text


def _resolved(folder: Path, name: str) -> Path | None:
    """Where a listed file lies: Foxy prefixed the folder's name, compression added a suffix."""
    plain = name.replace("\\", "/")
    for candidate in (plain, plain.rsplit("/", 1)[-1]):
        for variant in (candidate, candidate + ".zstd", candidate.removesuffix(".zstd")):
            if (folder / variant).is_file():
                return folder / variant
    return None


def _without_metadata(folder: Path) -> Located:
    files = _storage_files(folder)
    if not files:
        raise BagError(f"{folder} holds no recording", f"readable are {_KINDS}")
    series: dict[str, list[int]] = {}
    for file in files:
        stem, number = _split_name(file)
        series.setdefault(stem, []).append(number)
    if len(series) > 1:
        names = ", ".join(file.name for file in files[:5])
        raise BagError(
            f"{folder} holds {len(series)} recordings: {names}{', ...' if files[5:] else ''}",
            "name the one to read",
        )
    located = Located(files)
    numbers = set(next(iter(series.values())))
    if absent := sorted(set(range(max(numbers))) - numbers):
        listed = ", ".join(str(n) for n in absent)
        located.problems.append(f"split {listed} of {folder} seems to be missing")
    return located


def _storage_files(folder: Path) -> list[Path]:
    files = [f for f in folder.iterdir() if f.is_file() and f.name.endswith(_SUFFIXES)]
    return sorted(files, key=_split_name)


def _split_name(path: Path) -> tuple[str, int]:
    """Name and number of a split: "run_12.db3.zstd" gives ("run", 12), "run.db3" ("run", 0)."""
    stem = path.name
    for suffix in (".zstd", ".mcap", ".db3", ".bag"):
        stem = stem.removesuffix(suffix)
    match = re.fullmatch(r"(.*)_(\d{1,9})", stem)
    return (match[1], int(match[2])) if match else (stem, 0)
