"""Images for surfaces, made from a pattern and two colors."""

from __future__ import annotations

import functools
import zlib

import numpy as np

from perception_nodes.arrays import Bytes
from perception_simulation.specification import Texture

SIDE = 64


@functools.lru_cache(maxsize=256)
def image(texture: Texture) -> Bytes:
    """(SIDE, SIDE, 3) RGB image; the same texture always gives the same image."""
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    if texture.pattern == "checker":
        share = ((row // 16 + column // 16) % 2).astype(float)
    elif texture.pattern == "stripes":
        share = (row // 8 % 2).astype(float)
    elif texture.pattern == "gradient":
        share = row / (SIDE - 1)
    elif texture.pattern == "speckled":
        rng = np.random.default_rng(zlib.crc32(repr(texture).encode()))
        share = rng.random((SIDE, SIDE)) ** 2
    else:
        share = np.zeros((SIDE, SIDE))
    first, second = np.asarray(texture.color), np.asarray(texture.second)
    colors = first + share[..., None] * (second - first)
    picture: Bytes = np.clip(colors * 255.0, 0.0, 255.0).astype(np.uint8)
    return picture
