"""Which triangle each pixel shows: surfaces of small triangles drawn by points, nearest first.

Bodies have 27,000 triangles of about a pixel each. Points spread evenly over each of them, put to
their pixels by nearness, are drawn by a few array operations, without a graphics library.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from perception_nodes.arrays import Floats, Ints
from perception_nodes.geometry.camera import Camera

NOTHING = -1
_NEAREST = 0.15
_SPACING = 0.75  # pixels between two points
_MOST = 96
_IDS = 1 << 20
_DEPTH_UNIT = 1e-4
_CHUNK = 4_000_000


def draw(camera: Camera, vertices: Floats, faces: Ints) -> tuple[Ints, Floats]:
    """Draw triangles that face the camera.

    Args:
        camera: Its size is that of the images.
        vertices: (V, 3) meters, optical frame (x right, y down, z ahead).
        faces: (F, 3), fewer than 2^20; counterclockwise seen from outside.

    Returns:
        (H, W) number of the face, `NOTHING` where there is none, and its depth, m, infinite there.
    """
    z = vertices[:, 2]
    safe = np.maximum(z, _NEAREST)[:, None]
    focal, principal = (camera.fx, camera.fy), (camera.cx, camera.cy)
    flat = (vertices[:, :2] / safe * focal + principal).astype(np.float32)
    corners, depths = flat[faces], z[faces].astype(np.float32)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]  # image y points down: outside is negative
    # Much faster than reductions over an axis of three.
    low = np.minimum(np.minimum(corners[:, 0], corners[:, 1]), corners[:, 2])
    high = np.maximum(np.maximum(corners[:, 0], corners[:, 1]), corners[:, 2])
    nearest = np.minimum(np.minimum(depths[:, 0], depths[:, 1]), depths[:, 2])
    inside = (high[:, 0] > -0.5) & (high[:, 1] > -0.5)
    inside &= (low[:, 0] < camera.width) & (low[:, 1] < camera.height)
    kept = np.flatnonzero((area < 0.0) & (nearest > _NEAREST) & inside)
    extent = (high - low)[kept]
    size = np.maximum(extent[:, 0], extent[:, 1])
    steps = np.clip(np.ceil(size / _SPACING).astype(np.int64) + 1, 2, _MOST)
    buffer = np.full(camera.width * camera.height, np.iinfo(np.int64).max)
    for count in np.unique(steps):
        members = kept[steps == count]
        weights = _lattice(int(count))
        for chunk in np.array_split(members, 1 + len(members) * len(weights) // _CHUNK):
            _splat(camera, corners[chunk], depths[chunk], chunk, weights, buffer)
    hit = buffer != np.iinfo(np.int64).max
    ids = np.where(hit, buffer % _IDS, NOTHING).reshape(camera.height, camera.width)
    depth = np.where(hit, (buffer // _IDS) * _DEPTH_UNIT, np.inf)
    return ids, depth.reshape(ids.shape)


def _splat(
    camera: Camera, corners: Floats, depths: Floats, numbers: Ints, weights: Floats, buffer: Ints
) -> None:
    """Put points of triangles where they are the nearest so far."""
    column = np.rint(corners[..., 0] @ weights.T).astype(np.int32)
    row = np.rint(corners[..., 1] @ weights.T).astype(np.int32)
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    key = ((depths @ weights.T) * (1.0 / _DEPTH_UNIT)).astype(np.int64) * _IDS + numbers[:, None]
    np.minimum.at(buffer, (row * camera.width + column)[inside], key[inside])


@lru_cache(maxsize=_MOST)
def _lattice(count: int) -> Floats:
    """(N, 3) weights of corners for points spread over a triangle, `count` along each side."""
    i, j = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
    kept = i + j < count
    first, second = i[kept] / (count - 1), j[kept] / (count - 1)
    return np.stack([1.0 - first - second, first, second], axis=1).astype(np.float32)
