"""A slot source in a process of its own, for replay on more than one core.

The depth finder is hundreds of short NumPy calls, each of which takes the interpreter's lock: in a
thread it would mostly wait for tracking and writing, and make them wait.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, cast

import cv2

from perception_nodes.errors import PermanenceError
from perception_nodes.resources import cores
from perception_nodes.scene import Frame, Slots
from perception_nodes.viewrope.crossing import Crossing
from perception_nodes.viewrope.source import SlotSource

_PATIENCE = 5.0
_START = "import sys; from perception_nodes.viewrope.beside import serve; serve(*sys.argv[1:])"
_KEEP = str(1 << 28)
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # the other cores are taken
    # Images come and go: memory given back to the system costs a tenth of the time.
    "MALLOC_MMAP_THRESHOLD_": _KEEP,
    "MALLOC_TRIM_THRESHOLD_": _KEEP,
}


@contextmanager
def beside(source: SlotSource) -> Iterator[SlotSource]:
    """The same source, working in a process of its own where there is a core for it.

    What it finds is the same. Use it only for sources that can be pickled and keep no files open.
    """
    if cores() < 2:
        yield source
        return
    worker = _Beside(source)
    try:
        yield worker
    finally:
        worker.close()


class _Beside:
    """Passes calls on to the process."""

    def __init__(self, source: SlotSource) -> None:
        # A new interpreter, since threads of OpenCV do not survive a fork, that imports only what
        # the source needs: `multiprocessing` would import the whole command there again. In a
        # session of its own, since Ctrl-C is for the command, which then closes the line.
        self.model_id = source.model_id
        self._line, far_end = multiprocessing.Pipe()
        memory = os.memfd_create("permanence")
        handles = (far_end.fileno(), memory)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, handles)],
            pass_fds=handles,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **_ENVIRONMENT},
        )
        far_end.close()
        self._memory = memory
        self._crossing = Crossing(self._line, memory)
        self._line.send(sys.path)
        self._line.send(source)

    def find(self, frame: Frame) -> Slots:
        """As the source.

        Raises:
            PermanenceError: The process has ended.
        """
        return cast(Slots, self._ask("find", frame))

    def reset(self) -> None:
        """As the source.

        Raises:
            PermanenceError: The process has ended.
        """
        self._ask("reset")

    def close(self) -> None:
        """End the process."""
        self._line.close()
        os.close(self._memory)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, method: str, *values: Any) -> Any:
        try:
            self._crossing.send((method, values))
            answer = self._line.recv()
        except (EOFError, OSError) as error:
            raise PermanenceError(
                "the process that finds objects has ended",
                "look whether memory ran out (dmesg), and run the command again",
            ) from error
        if isinstance(answer, BaseException):
            raise answer
        return answer


def serve(handle: str, memory: str) -> None:
    """Answer calls until the other end of a connection closes.

    Args:
        handle: File descriptor of the connection; the search path of modules and the source come
            first.
        memory: File descriptor of the memory through which images come.
    """
    line = Connection(int(handle))
    crossing = Crossing(line, int(memory))
    cv2.setNumThreads(1)  # the other cores are taken
    try:
        sys.path[:] = line.recv()
        source = line.recv()
        while True:
            method, values = crossing.receive()
            try:
                answer = getattr(source, method)(*values)
            except Exception as error:  # noqa: BLE001 -- raised again where the answer is awaited
                answer = error
            line.send(answer)
    except (EOFError, OSError):
        return
