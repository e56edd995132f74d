"""Tiny ONNX networks and their cards, written byte by byte: tests need no `onnx` package.

Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from perception_nodes.model_cards import Card, TensorCard, sha256, write_card

FLOAT, UINT8 = 1, 2
Shape = Sequence[int | str]


def network(
    nodes: Sequence[tuple[str, Sequence[str], Sequence[str]]],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    constants: Mapping[str, Any] | None = None,
    external: str = "",
    images: Sequence[str] = (),
) -> bytes:
    """A network of float tensors.

    Args:
        nodes: Operator, inputs, outputs of each.
        inputs, outputs: Shapes by name.
        constants: Arrays by name.
        external: File that holds the constants instead of the network.
        images: Inputs that are uint8.
    """
    graph = b"".join(_bytes(1, _node(*node)) for node in nodes) + _bytes(2, b"test")
    for name, value in (constants or {}).items():
        graph += _bytes(5, _tensor(name, np.asarray(value, np.float32), external))
    for number, values in ((11, inputs), (12, outputs)):
        graph += b"".join(
            _bytes(number, _value(name, shape, UINT8 if name in images else FLOAT))
            for name, shape in values.items()
        )
    return _number(1, 10) + _bytes(8, _number(2, 20)) + _bytes(7, graph)


def doubling(shape: Shape = (1, 4), external: str = "") -> bytes:
    """y = 2 x."""
    return network(
        [("Mul", ("x", "two"), ("y",))], {"x": shape}, {"y": shape}, {"two": [2.0]}, external
    )


def scaling(by: float) -> bytes:
    """y = by * x, of four numbers."""
    return network([("Mul", ("x", "by"), ("y",))], {"x": (1, 4)}, {"y": (1, 4)}, {"by": [by]})


def write_network(folder: Path, content: bytes, shape: Shape = (1, 4), **fields: Any) -> Path:
    """Write a network like `doubling` and its card; the path of the card."""
    (folder / "thing.onnx").write_bytes(content)
    x, y = (TensorCard(name, "tensor(float)", tuple(shape)) for name in "xy")
    values: dict[str, Any] = {
        "name": "thing", "summary": "Doubles.", "limits": "Does no more.", "license": "Apache-2.0",
        "file": "thing.onnx", "sha256": sha256(folder / "thing.onnx"), "opset": 20,
        "inputs": (x,), "outputs": (y,), **fields,
    }  # fmt: skip
    write_card(Card(**values), folder / "thing.yaml")
    return folder / "thing.yaml"


def _node(operator: str, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    names = [(1, name) for name in inputs] + [(2, name) for name in outputs]
    return b"".join(_bytes(n, name.encode()) for n, name in names) + _bytes(4, operator.encode())


def _tensor(name: str, value: np.ndarray, external: str) -> bytes:
    tensor = b"".join(_number(1, size) for size in value.shape) + _number(2, FLOAT)
    tensor += _bytes(8, name.encode())
    if external:
        entry = _bytes(1, b"location") + _bytes(2, external.encode())
        return tensor + _bytes(13, entry) + _number(14, 1)
    return tensor + _bytes(9, value.tobytes())


def _value(name: str, shape: Shape, element: int) -> bytes:
    sizes = [_bytes(2, s.encode()) if isinstance(s, str) else _number(1, s) for s in shape]
    kind = _number(1, element) + _bytes(2, b"".join(_bytes(1, size) for size in sizes))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, kind))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])
