"""Opening a memory file, and the transactions in which it is written."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

from perception_nodes.errors import MemoryStoreError
from perception_nodes.memory.checkpoint import Checkpointer
from perception_nodes.memory.salvage import Loss, is_damaged, salvage
from perception_nodes.memory.schema import MIGRATIONS, migrate, version

_BUSY_SECONDS = 1.0
_LOG_PAGES = 8000  # of the write-ahead log, 32 MB, from which a commit folds it in by itself

_CAUSES = {
    sqlite3.SQLITE_FULL: ("the disk is full", "make room; what is known can still be asked"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "make it and its folder writable"),
    sqlite3.SQLITE_IOERR: ("the disk reports an error", "check the disk"),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", "the next program that writes to it repairs it"),
    sqlite3.SQLITE_NOTADB: ("it is damaged or not a memory", "choose another file"),
    sqlite3.SQLITE_BUSY: ("another program holds it", "close other programs that use it"),
    sqlite3.SQLITE_CANTOPEN: ("it can't be opened", "check that it exists and may be read"),
}


def explain(path: Path, error: sqlite3.Error) -> MemoryStoreError:
    """Say what a SQLite error means for the person at the robot."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    cause, remedy = _CAUSES.get(code, (str(error), ""))
    return MemoryStoreError(f"the memory {path}: {cause}", remedy)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite inside the block into `MemoryStoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error) from error


def open_reader(path: Path) -> sqlite3.Connection:
    """Open an existing memory for questions; a writer may go on at the same time.

    Raises:
        MemoryStoreError: There is no such memory, or it can't be read.
    """
    if not path.is_file():
        raise MemoryStoreError(
            f"there is no memory {path}",
            "`permanence replay` writes one; name another with --memory",
        )
    uri = f"{path.resolve().as_uri()}?mode=ro"
    # Without a log beside it, a memory on a read-only disk opens only as one that never changes.
    if not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists():
        uri += "&immutable=1"
    db = _connect(path, uri)
    try:
        with explained(path), _named(path):
            found = version(db)
            if found == 0:
                raise MemoryStoreError("it is empty", "nothing was written to it yet")
            if found < len(MIGRATIONS):
                raise MemoryStoreError(
                    f"it has the older schema {found}",
                    "open it once for writing, as `permanence label` does, to update it",
                )
    except MemoryStoreError:
        db.close()
        raise
    return db


class Store:
    """The one connection that may write to a memory file.

    Args:
        path: The file; it and its folder are created where missing.

    Attributes:
        path: As given.
        db: The connection.
        loss: What could not be read, if the file was damaged and has been repaired.

    Raises:
        MemoryStoreError: Another program writes to it, it can't be written, it is of a newer
            schema or of another program.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loss: Loss | None = None
        self._durable: bool | None = None  # of the last transaction
        self._lock = _lock(path)
        try:
            with explained(path), _named(path):
                if is_damaged(path):
                    self.loss = salvage(path)
                self.db = _open(path)
                self._checkpointer = Checkpointer(_connect(path, path.resolve().as_uri()), self.db)
        except MemoryStoreError:
            self._unlock()
            raise

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """All statements of the block, or none of them.

        Args:
            durable: Whether they survive a power loss once the block is left (facts); otherwise
                they survive the end of the process (observations).
        """
        if durable != self._durable:
            self.db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
            self.db.execute("COMMIT")
            self._checkpointer.committed()
        finally:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")

    def alone(self) -> AbstractContextManager[bool]:
        """Inside this block nothing is done to the file by other threads of its own."""
        return self._checkpointer.idle()

    def close(self) -> None:
        """Fold the log into the file and let the next writer in."""
        self._checkpointer.close()
        try:
            # One file without companions is easier to copy and to read from a read-only disk.
            # While a reader is open that can't be had; the log then stays beside the file.
            with suppress(sqlite3.OperationalError):
                self.db.execute("PRAGMA busy_timeout = 0")
                self.db.execute("PRAGMA journal_mode = DELETE")
            with explained(self.path):
                self.db.close()
        finally:
            self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            _lock_path(self.path).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1


def _open(path: Path) -> sqlite3.Connection:
    db = _connect(path, path.resolve().as_uri())
    try:
        found = version(db)
        if 0 < found < len(MIGRATIONS):
            keep_copy(db, path.with_name(f"{path.name}.schema-{found}"))
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        db.execute("PRAGMA foreign_keys = ON")
        migrate(db, len(MIGRATIONS))
    except (sqlite3.Error, MemoryStoreError):
        db.close()
        raise
    return db


def _connect(path: Path, uri: str) -> sqlite3.Connection:
    with explained(path):
        db = sqlite3.connect(
            uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA trusted_schema = OFF")  # a file from elsewhere may carry hostile views
        db.execute("PRAGMA cell_size_check = ON")
    return db


def keep_copy(db: sqlite3.Connection, path: Path) -> None:
    """Write a consistent copy of an open memory, while it may be written to; whole or not at all.

    Raises:
        MemoryStoreError: The folder can't be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        with closing(sqlite3.connect(part)) as copy:
            db.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without companions
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise MemoryStoreError(
            f"{path} can't be written: {error.strerror}", "choose another folder"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def checked_copy_path(path: Path) -> Path:
    """The absolute path of a new memory file.

    Raises:
        MemoryStoreError: It could overwrite something, or has no place to be.
    """
    if path.suffix != ".db" or ".." in path.parts or not str(path).isprintable():
        raise MemoryStoreError(f"{str(path)!r} is not the plain name of a .db file", "name one")
    target = path.absolute()
    if os.path.lexists(target):
        raise MemoryStoreError(f"there is a file {path} already", "choose another name")
    if not target.parent.is_dir():
        raise MemoryStoreError(f"there is no folder {target.parent}", "make it first")
    return target


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the file's name into errors of functions that only know a connection."""
    try:
        yield
    except MemoryStoreError as error:
        if str(path) in error.message:
            raise
        raise MemoryStoreError(f"the memory {path}: {error.message}", error.remedy) from error


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _lock(path: Path) -> int:
    """Hold the right to write, which the kernel takes back when the process ends, however."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            lock = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_nlink:  # not unlinked by a writer that just closed
                    break
                os.close(lock)
            except BlockingIOError as error:
                holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
                os.close(lock)
                raise MemoryStoreError(
                    f"the memory {path} is being written by another program (process {holder})",
                    "stop it first; to name an object meanwhile, call its `label` service",
                ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)
    except OSError as error:
        raise MemoryStoreError(
            f"the memory {path} can't be written: {error.strerror}",
            "choose a folder that may be written, with room on its disk",
        ) from error
    return lock
