"""A slot source in a process of its own, for replay on more than one core.

The depth finder is hundreds of short NumPy calls, each of which takes the interpreter's lock: in a
thread it would mostly wait for tracking and writing, and make them wait.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, cast

from perception_nodes.errors import PermanenceError
from perception_nodes.resources import cores
from perception_nodes.scene import Frame, Slots
from perception_nodes.viewrope.source import SlotSource

_PATIENCE = 5.0


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
        # spawned, since threads of OpenCV do not survive a fork
        context = multiprocessing.get_context("spawn")
        self.model_id = source.model_id
        self._line, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, source), daemon=True)
        self._process.start()
        far_end.close()

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
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.terminate()

    def _ask(self, method: str, *values: Any) -> Any:
        try:
            self._line.send((method, values))
            answer = self._line.recv()
        except (EOFError, OSError) as error:
            raise PermanenceError(
                "the process that finds objects has ended",
                "look whether memory ran out (dmesg), and run the command again",
            ) from error
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _serve(line: Connection, source: SlotSource) -> None:
    """Answer calls until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which then closes
    while True:
        try:
            method, values = line.recv()
        except (EOFError, OSError):
            return
        try:
            answer = getattr(source, method)(*values)
        except Exception as error:  # noqa: BLE001 -- raised again where the answer is awaited
            answer = error
        line.send(answer)
