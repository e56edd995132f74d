"""Which files an ONNX network keeps its tensors in, read without the `onnx` package.

A network may name any path for the data of its tensors, so it is asked before anything loads it.
The file is a protocol buffer (https://protobuf.dev/programming-guides/encoding); field numbers are
those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

from perception_nodes.errors import ModelError

# Message -> field number -> message of that field. Everything else is skipped unread.
_FIELDS = {
    "model": {7: "graph", 25: "function"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 60


def external_files(network: bytes) -> frozenset[str]:
    """The locations that tensors of a network name, as they are written there.

    Raises:
        ModelError: The bytes are no ONNX network, or only a part of one.
    """
    try:
        return frozenset(_locations(memoryview(network), "model", 0))
    except (IndexError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError("the file is no ONNX network, or only a part of one") from error


def _locations(data: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise RecursionError
    children = _FIELDS[kind]
    for number, value in _fields(data):
        child = children.get(number)
        if child is None or value is None:
            continue
        if child == "entry":
            entry = {key: bytes(text or b"").decode() for key, text in _fields(value)}
            if entry.get(1) == "location":
                yield entry.get(2, "")
        else:
            yield from _locations(value, child, depth + 1)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """Number and content of each field of a message; None for numbers."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        wire = tag & 7
        if wire == _BYTES:
            length, place = _varint(data, place)
            content: memoryview | None = data[place : place + length]
            place += length
        elif wire == _VARINT:
            content, (_, place) = None, _varint(data, place)
        elif wire in (_FIXED64, _FIXED32):
            content, place = None, place + (8 if wire == _FIXED64 else 4)
        else:
            raise IndexError(f"wire type {wire}")
        if place > len(data):
            raise IndexError("the message ends within a field")
        yield tag >> 3, content


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise IndexError("a number is too long")
