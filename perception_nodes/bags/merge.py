"""Merging streams that are each in order of time, opening each one only when it is due."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from perception_nodes.bags.model import Record

Source = tuple[int, Callable[[], Iterator[Record]]]


def merge_by_time(sources: Iterable[Source]) -> Iterator[Record]:
    """Merge streams of records by log time.

    A stream is opened when its start is reached and dropped when it ends, so that memory is
    bounded by the streams that overlap in time, not by their number. Records of the same time
    come in the order of the sources.

    Args:
        sources: Pairs of the time of the first record, ns, and a function that opens the stream.
    """
    waiting = sorted(enumerate(sources), key=lambda item: (item[1][0], item[0]), reverse=True)
    active: list[tuple[int, int, Record, Iterator[Record]]] = []
    while waiting or active:
        while waiting and (not active or waiting[-1][1][0] <= active[0][0]):
            index, (_, open_stream) = waiting.pop()
            _push(active, index, open_stream())
        if active:
            _, index, record, stream = heapq.heappop(active)
            yield record
            _push(active, index, stream)


def _push(
    active: list[tuple[int, int, Record, Iterator[Record]]], index: int, stream: Iterator[Record]
) -> None:
    record = next(stream, None)
    if record is not None:
        heapq.heappush(active, (record.log_time, index, record, stream))
