"""Decompression that gives what can be read of damaged data, and says that it is damaged."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import lz4.frame
import zstandard

from perception_nodes.errors import BagError

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PIECE = 1 << 16


class Unpacked(NamedTuple):
    """Decompressed data and what was wrong with it (empty if nothing was)."""

    data: bytes
    problem: str


def unpack(method: str, data: bytes) -> Unpacked:
    """Decompress a block by the name that bags use: "", "none", "zstd", "lz4" or "bz2".

    Damaged data give what precedes the damage, as far as the format allows.
    """
    if method in ("", "none"):
        return Unpacked(data, "")
    if method not in ("zstd", "lz4", "bz2"):
        return Unpacked(b"", f"the compression {method!r} is unknown")
    pieces = (data[i : i + _PIECE] for i in range(0, len(data), _PIECE))
    out: list[bytes] = []
    problem = _feed(_decompressor(method), pieces, out)
    return Unpacked(b"".join(out), problem)


def unpack_file(source: Path, target: Path) -> str:
    """Decompress a zstd file into another file; returns what was wrong, or an empty text.

    Raises:
        BagError: The target can't be written, as when the disk is full.
    """
    try:
        with source.open("rb") as packed, target.open("wb") as plain:
            return _unpack_frames(packed, plain)
    except OSError as error:
        raise BagError(
            f"can't decompress {source} to {target}: {error.strerror}",
            "free disk space, or set TMPDIR to a folder that has some",
        ) from error


def _unpack_frames(packed: IO[bytes], plain: IO[bytes]) -> str:
    """Decompress all zstd frames of a file one after another."""
    decoder = zstandard.ZstdDecompressor().decompressobj()
    block = packed.read(_PIECE)
    while block:
        try:
            plain.write(decoder.decompress(block))
        except zstandard.ZstdError as error:
            return f"its compressed data are damaged before byte {packed.tell()}: {error}"
        block = decoder.unused_data if decoder.eof else b""
        if decoder.eof:
            following = block or packed.read(_PIECE)
            if not following:
                return ""
            decoder, block = zstandard.ZstdDecompressor().decompressobj(), following
        else:
            block = packed.read(_PIECE)
    return "its compressed data end too early: the file was cut off"


def _decompressor(method: str) -> Any:
    if method == "zstd":
        return zstandard.ZstdDecompressor().decompressobj()
    return lz4.frame.LZ4FrameDecompressor() if method == "lz4" else bz2.BZ2Decompressor()


def _feed(decoder: Any, pieces: Iterator[bytes], out: list[bytes]) -> str:
    for piece in pieces:
        if decoder.eof:
            break
        try:
            out.append(decoder.decompress(piece))
        except (zstandard.ZstdError, RuntimeError, OSError, lzma.LZMAError, EOFError) as error:
            return f"damaged compressed data: {error}"
    return "" if decoder.eof else "the compressed data end too early"
