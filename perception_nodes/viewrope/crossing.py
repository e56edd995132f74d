"""Sends values to another process, their arrays through memory that both see.

A pipe takes an image in dozens of pieces, each of which wakes up both sides.
"""

from __future__ import annotations

import itertools
import mmap
import os
import pickle
from multiprocessing.connection import Connection
from typing import Any


class Crossing:
    """One end. What is sent has to be received before the next is sent.

    Args:
        line: A pipe to or from the other process.
        memory: File descriptor of a file in memory, as of `os.memfd_create`; both ends have it.
    """

    def __init__(self, line: Connection, memory: int) -> None:
        self._line = line
        self._memory = memory
        self._shared: mmap.mmap | bytearray = bytearray()

    def send(self, value: Any) -> None:
        """Pickle a value.

        Raises:
            OSError: The other end is closed, or memory ran out.
        """
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        parts = [buffer.raw() for buffer in buffers]
        ends = list(itertools.accumulate((part.nbytes for part in parts), initial=0))
        if ends[-1] > len(self._shared):
            os.ftruncate(self._memory, ends[-1])
        self._reach(ends[-1])
        for part, (start, end) in zip(parts, itertools.pairwise(ends), strict=True):
            self._shared[start:end] = part
        self._line.send((head, ends))

    def receive(self) -> Any:
        """What the other end sent; it waits for that. Arrays are copied, so they may be kept.

        Raises:
            EOFError: The other end is closed.
        """
        head, ends = self._line.recv()
        self._reach(ends[-1])
        copy = memoryview(bytearray(self._shared[: ends[-1]]))
        return pickle.loads(  # noqa: S301 -- from the process that started this one
            head, buffers=[copy[start:end] for start, end in itertools.pairwise(ends)]
        )

    def _reach(self, size: int) -> None:
        if size > len(self._shared):
            self._shared = mmap.mmap(self._memory, size)
