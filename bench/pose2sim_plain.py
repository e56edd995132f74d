"""Keypoints of one moment triangulated by themselves: what fusion has to be compared with.

The rule is that of the reference (Pagnon, Domalain and Reveret 2022): linear triangulation weighted
by confidence; while keypoints are off by more than 15 pixels on average, the views are left out
without which the others agree best.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.interface import View

_AGREE, _CONFIDENT = 15.0, 0.3


def triangulate(views: Sequence[View], near: Floats) -> Floats:
    """(17, 3) joints of the person whose image is nearest to `near` (17, 3); NaN where unknown."""
    matrices = np.array([_matrix(view) for view in views])
    pixels, confidence = zip(
        *(_person(view, m, near) for view, m in zip(views, matrices, strict=True)), strict=True
    )
    return np.array([
        _joint(matrices, np.array([p[j] for p in pixels]), np.array([c[j] for c in confidence]))
        for j in range(len(near))
    ])  # fmt: skip


def _joint(matrices: Floats, pixels: Floats, confidence: Floats) -> Floats:
    seen = np.flatnonzero(np.isfinite(pixels).all(axis=1) & (confidence > _CONFIDENT))
    point = np.full(3, np.nan)
    for count in range(len(seen), 1, -1):
        found = []
        for chosen in combinations(seen.tolist(), count):
            part = list(chosen)
            x = _meet(matrices[part], pixels[part], confidence[part])
            off = np.linalg.norm(_project(matrices[part], x) - pixels[part], axis=1)
            found.append((float(off.mean()), x))
        least, point = min(found, key=lambda pair: pair[0])
        if least < _AGREE:
            break
    return point


def _meet(matrices: Floats, pixels: Floats, confidence: Floats) -> Floats:
    rows = pixels[:, :, None] * matrices[:, None, 2] - matrices[:, :2]
    x = np.linalg.svd((confidence[:, None, None] * rows).reshape(-1, 4))[2][-1]
    return np.asarray(x[:3] / x[3])


def _project(matrices: Floats, point: Floats) -> Floats:
    image = matrices @ np.append(point, 1.0)
    return np.asarray(image[:, :2] / image[:, 2:])


def _person(view: View, matrix: Floats, near: Floats) -> tuple[Floats, Floats]:
    people = view.keypoints.pixels
    if not len(people):
        return np.full((len(near), 2), np.nan), np.zeros(len(near))
    expected = np.array([_project(matrix[None], x)[0] for x in near])
    off = np.nanmedian(np.linalg.norm(people - expected, axis=2), axis=1)
    who = int(np.nanargmin(off))
    return people[who], view.keypoints.confidence[who]


def _matrix(view: View) -> Floats:
    c, rotation = view.camera, view.pose.rotation
    intrinsic = np.array([[c.fx, 0.0, c.cx], [0.0, c.fy, c.cy], [0.0, 0.0, 1.0]])
    outer = np.column_stack([rotation.T, -rotation.T @ view.pose.translation])
    return np.asarray(intrinsic @ outer)
