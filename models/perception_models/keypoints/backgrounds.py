"""What is behind people, and what hides parts of them: random rooms and random shapes."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from perception_nodes.arrays import Floats

_SHAPES = (4, 40)


def background(rng: np.random.Generator, width: int, height: int) -> Floats:
    """(H, W, 3) linear color 0..1: floor, walls, furniture, clutter, textures; no people."""
    image = np.empty((height, width, 3))
    image[:] = _color(rng)
    if rng.random() < 0.75:
        _room(rng, image)
    for _ in range(int(rng.integers(*_SHAPES))):
        _shape(rng, image, rng.uniform(0.02, 0.35) * height)
    # Upright limbs of one color are what is most easily taken for people's.
    for _ in range(int(rng.integers(0, 8))):
        _pole(rng, image)
    scale = float(rng.choice([4, 8, 16, 40, 80]))
    image *= 1.0 + rng.uniform(0.0, 0.05 + 0.004 * scale) * _noise(rng, image, scale)[..., None]
    image *= 1.0 + rng.uniform(0.0, 0.08) * _noise(rng, image, 1.5)[..., None]
    if rng.random() < 0.5:
        cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 3.0), dst=image)
    return np.clip(image, 0.0, 1.0)


def occluders(rng: np.random.Generator, image: Floats, depth: Floats, farthest: float) -> Floats:
    """Draw things before people, in place; returns the depth (H, W) with them."""
    depth = depth.copy()
    count = int(rng.choice([0, 1, 2, 3], p=[0.5, 0.25, 0.15, 0.1]))
    for _ in range(count):
        near = rng.uniform(0.5, max(farthest, 0.6))
        mask = np.zeros(depth.shape, np.uint8)
        painted = image.copy()
        if rng.random() < 0.5:
            _shape(rng, painted, depth.shape[0] * rng.uniform(0.1, 0.5), mask)
        else:
            _pole(rng, painted, mask)
        hides = (mask > 0) & (depth > near)
        image[hides] = painted[hides]
        depth[hides] = near
    return depth


def _room(rng: np.random.Generator, image: Floats) -> None:
    """A floor, walls that meet in a corner, tiles or planks, a window or a door."""
    height, width = image.shape[:2]
    horizon = rng.uniform(0.25, 0.8) * height
    floor, tiles = _color(rng), _color(rng)
    tilt = rng.uniform(-0.15, 0.15, 2) * height
    corner = rng.uniform(0.0, width)
    left, right = horizon + tilt[0], horizon + tilt[1]
    walls = (_color(rng), _color(rng))
    for wall, (a, b) in zip(walls, ((0.0, corner), (corner, width)), strict=True):
        _fill(image, [[a, 0], [b, 0], [b, height], [a, height]], wall)
    deep = horizon - rng.uniform(0.0, 0.1) * height
    outline = [[0, left], [corner, deep], [width, right], [width, height], [0, height]]
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.array(outline, np.int32)], 1)
    rows = np.maximum(np.arange(height) - deep * 0.8, 1.0)[:, None]
    far = height / rows * rng.uniform(1.0, 5.0)
    columns = (np.arange(width)[None] - width / 2.0) / rows * rng.uniform(1.0, 8.0)
    checks = (np.floor(far) + np.floor(columns)) % 2
    if rng.random() < 0.5:
        checks = np.floor(columns) % 2 * np.ones_like(far)
    share = checks[..., None] * rng.choice([0.0, 0.15, 1.0])
    image[mask > 0] = (floor + share * (tiles - floor))[mask > 0]
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0, width), rng.uniform(0, horizon)
        w, h = rng.uniform(0.05, 0.4, 2) * (width, height)
        corners = [[x, y], [x + w, y + rng.normal(0, 4)], [x + w, y + h], [x, y + h]]
        _fill(image, corners, _color(rng))
        _fill(image, np.array(corners) * 0.9 + 0.1 * np.mean(corners, axis=0), _color(rng))


def _shape(
    rng: np.random.Generator, image: Floats, size: float, mask: np.ndarray | None = None
) -> None:
    """A box of three shades, an ellipse or a polygon somewhere."""
    height, width = image.shape[:2]
    center = rng.uniform(-0.1, 1.1, 2) * (width, height)
    color = _color(rng)
    kind = rng.integers(3)
    if kind == 0:
        w, h = size * rng.uniform(0.3, 1.2, 2)
        side, top = rng.uniform(0.1, 0.6, 2) * (w, h) * rng.choice([-1.0, 1.0], 2)
        front = np.array([[0, 0], [w, 0], [w, h], [0, h]]) + center
        lid = np.array([[0, 0], [w, 0], [w + side, -abs(top)], [side, -abs(top)]]) + center
        wing = np.array([[w, 0], [w + side, -abs(top)], [w + side, h - abs(top)], [w, h]]) + center
        for corners, shade in ((lid, 1.2), (wing, 0.7), (front, 1.0)):
            _fill(image, corners, np.clip(color * shade, 0, 1), mask)
    elif kind == 1:
        axes = np.maximum(size * rng.uniform(0.2, 0.8, 2), 1.0)
        points = cv2.ellipse2Poly(
            (int(center[0]), int(center[1])), (int(axes[0]), int(axes[1])),
            int(rng.integers(180)), 0, 360, 12,
        )  # fmt: skip
        _fill(image, points, color, mask)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        radii = size * rng.uniform(0.3, 1.0, (len(angles), 1))
        _fill(image, center + radii * np.stack([np.cos(angles), np.sin(angles)], 1), color, mask)


def _pole(rng: np.random.Generator, image: Floats, mask: np.ndarray | None = None) -> None:
    """Something long of even width: a leg of a table, a pole, an edge of a door."""
    height, width = image.shape[:2]
    start = rng.uniform(0, 1, 2) * (width, height)
    angle = rng.normal(np.pi / 2, 0.2) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    way = np.array([np.cos(angle), np.sin(angle)])
    length, thick = rng.uniform(0.1, 1.0) * height, rng.uniform(0.005, 0.05) * width
    side = np.array([-way[1], way[0]]) * thick
    end = start + way * length
    _fill(image, [start - side, end - side, end + side, start + side], _color(rng), mask)


def _fill(image: Floats, corners: object, color: Floats, mask: np.ndarray | None = None) -> None:
    points = [np.rint(np.asarray(corners)).astype(np.int32)]
    cv2.fillPoly(image, points, tuple(float(c) for c in color))
    if mask is not None:
        cv2.fillPoly(mask, points, 1)


def _color(rng: np.random.Generator) -> Floats:
    if rng.random() < 0.5:
        return np.clip(np.full(3, rng.uniform(0.05, 0.95)) * rng.uniform(0.88, 1.12, 3), 0, 1)
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.beta(1.3, 2.5), rng.uniform(0.1, 0.95)))


def _noise(rng: np.random.Generator, image: Floats, scale: float) -> Floats:
    """(H, W) smooth noise, about -1..1."""
    height, width = image.shape[:2]
    small = rng.standard_normal((max(int(height / scale), 2), max(int(width / scale), 2)))
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))
