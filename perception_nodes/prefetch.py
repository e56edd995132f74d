"""Reads ahead in a thread, so that decoding overlaps with finding and tracking objects."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

from perception_nodes.scene import Sample

_AHEAD = 3
_POLL = 0.1


class Prefetch:
    """Delivers the samples of a source in the same order, a few of them read ahead.

    Errors of the source are raised where the sample would have come. OpenCV, zstd and NumPy leave
    the interpreter to others while they work, so on two cores reading costs little of its time.

    Args:
        samples: A recording; it is iterated in a thread of its own, which ends with the iteration.
    """

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples

    def __iter__(self) -> Iterator[Sample]:
        ready: queue.Queue[Sample | BaseException | None] = queue.Queue(_AHEAD)
        stop = threading.Event()

        def put(item: Sample | BaseException | None) -> bool:
            while not stop.is_set():
                try:
                    ready.put(item, timeout=_POLL)
                except queue.Full:
                    continue
                return True
            return False

        def read() -> None:
            try:
                for sample in self._samples:
                    if not put(sample):
                        return
            except BaseException as error:  # noqa: BLE001 -- raised again by the reader
                put(error)
            else:
                put(None)

        thread = threading.Thread(target=read, name="reader", daemon=True)
        thread.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            thread.join()
