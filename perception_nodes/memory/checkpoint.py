"""Folding the write-ahead log into the memory file while frames go on."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import AbstractContextManager, suppress

_CHANGES = 1000  # rows after which the log is some megabytes long


class Checkpointer:
    """A thread that folds the log into the file, so that no frame waits for the disk.

    It only takes over pages that are committed, and syncs before the log is used again, as SQLite
    does by itself at the end of whichever commit makes the log long. Where it falls behind, that
    commit still does it. Errors of the disk are left for the writer to find.

    Args:
        db: A connection of its own to the file.
        writer: The connection whose changes are counted.
    """

    def __init__(self, db: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        self._db = db
        self._writer = writer
        self._folded = writer.total_changes
        self._due = threading.Event()
        self._working = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="checkpoint", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        """The writer has committed: begin, if enough has changed since the last time."""
        changes = self._writer.total_changes
        if changes - self._folded >= _CHANGES:
            self._folded = changes
            self._due.set()

    def idle(self) -> AbstractContextManager[bool]:
        """Nothing is folded in by the thread inside this block."""
        return self._working

    def close(self) -> None:
        """End the thread and close its connection."""
        self._ended = True
        self._due.set()
        self._thread.join()
        self._db.close()

    def _work(self) -> None:
        while self._due.wait() and not self._ended:
            self._due.clear()
            with self._working, suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint (PASSIVE)").fetchone()
