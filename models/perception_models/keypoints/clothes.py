"""How a body looks: skin, hair and clothes as colors of triangles, and cloth that stands off.

There is no cloth that hangs and no strand of hair: regions are colored with patterns and pushed
out along their normals by smooth random amounts.
"""

from __future__ import annotations

import colorsys

import numpy as np

from perception_models.keypoints.bodies import PARTS, Bodies
from perception_nodes.arrays import Floats, Ints

_SKIN = np.array([[0.96, 0.80, 0.69], [0.87, 0.67, 0.53], [0.70, 0.49, 0.36], [0.50, 0.33, 0.23],
                  [0.33, 0.21, 0.15]])  # fmt: skip
_HAIR = np.array([[0.06, 0.05, 0.05], [0.20, 0.12, 0.07], [0.42, 0.26, 0.13], [0.75, 0.60, 0.35],
                  [0.62, 0.62, 0.62], [0.45, 0.16, 0.08]])  # fmt: skip
_SHIRT, _TROUSERS = ("trunk",), ("pelvis",)


def dress(
    rng: np.random.Generator, bodies: Bodies, surface: Floats, normals: Floats
) -> tuple[Floats, Floats]:
    """Clothe one body.

    Args:
        rng: Chooses.
        bodies: What all share.
        surface: (V, 3) of this one.
        normals: (V, 3) of its vertices.

    Returns:
        Its surface with cloth and hair (V, 3), and the colors of faces (F, 3), linear, 0..1.
    """
    layers, thickness = _layers(rng, bodies)
    bumps = 0.5 + 0.5 * _waves(rng, bodies.rest, rng.uniform(3.0, 14.0))
    pushed = surface + normals * (thickness * (0.6 + 0.8 * bumps))[:, None]
    palette = [_skin(rng), _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.7, 1.2)]
    palette += [_cloth(rng) for _ in range(3)]
    first = layers[bodies.faces[:, 0]]
    centers = bodies.rest[bodies.faces[:, 0]]
    colors = np.array(palette)[first]
    for layer in (2, 3):
        if rng.random() < 0.45:
            share = _pattern(rng, centers)[:, None] * (first == layer)[:, None]
            colors = colors + share * (_cloth(rng) - colors)
    if rng.random() < 0.4:  # somebody in one piece: overall, robe, uniform
        colors = np.where((first == 3)[:, None], np.array(palette)[2], colors)
    shade = 1.0 + 0.12 * _waves(rng, centers, 20.0) + 0.05 * rng.standard_normal(len(centers))
    return pushed.astype(np.float32), np.clip(colors * shade[:, None], 0.0, 1.0)


def _layers(rng: np.random.Generator, bodies: Bodies) -> tuple[Ints, Floats]:
    """(V,) 0 skin, 1 hair, 2 upper cloth, 3 lower cloth, 4 shoes; and meters that it stands off."""
    part, rest = bodies.parts, bodies.rest
    layer = np.zeros(len(part), dtype=np.int64)
    thickness = np.zeros(len(part))
    named = {name: part == k for k, name in enumerate(PARTS)}
    loose_top, loose_legs = abs(rng.normal(0.01, 0.012)), abs(rng.normal(0.008, 0.012))

    def put(chosen: np.ndarray, what: int, stands_off: float) -> None:
        layer[chosen], thickness[chosen] = what, stands_off

    if rng.random() < 0.9:
        put(named["hair"], 1, rng.choice([0.004, rng.uniform(0.01, 0.06)]))
    if rng.random() < 0.93:
        put(named["pelvis"] | _above_knee(named["thigh"], rest, rng), 3, loose_legs)
    if rng.random() < 0.7:
        put(named["thigh"] | named["shank"], 3, loose_legs)
    if rng.random() < 0.95:
        put(named["trunk"], 2, loose_top)
    sleeves = rng.random()
    if sleeves < 0.85:
        put(named["upper arm"], 2, loose_top * 0.7)
    if sleeves < 0.5:
        put(named["forearm"], 2, loose_top * 0.5)
    if rng.random() < 0.1:
        put(named["hand"], 4, 0.002)
    if rng.random() < 0.92:
        put(named["foot"], 4, 0.008)
    if rng.random() < 0.15:
        put(named["hair"], 4, 0.02)  # a hat
    return layer, thickness


def _above_knee(thigh: np.ndarray, rest: Floats, rng: np.random.Generator) -> np.ndarray:
    heights = rest[thigh, 2]
    cut = np.quantile(heights, rng.uniform(0.0, 0.7))
    return np.asarray(thigh & (rest[:, 2] > cut))


def _skin(rng: np.random.Generator) -> Floats:
    place = rng.uniform(0.0, len(_SKIN) - 1.001)
    low = int(place)
    tone = _SKIN[low] + (place - low) * (_SKIN[low + 1] - _SKIN[low])
    return np.asarray(tone * rng.uniform(0.85, 1.1, 3) ** 0.5)


def _cloth(rng: np.random.Generator) -> Floats:
    """Mostly muted colors, often gray, black, white or blue, as people wear."""
    if rng.random() < 0.4:
        return np.full(3, rng.uniform(0.02, 0.95)) * rng.uniform(0.92, 1.08, 3)
    hue = rng.random() if rng.random() < 0.65 else rng.normal(0.6, 0.04) % 1.0
    return np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.15, 0.95), rng.uniform(0.1, 0.95)))


def _pattern(rng: np.random.Generator, places: Floats) -> Floats:
    """(N,) 0..1: stripes, checks or blots."""
    across = rng.standard_normal(3)
    across[2] += 2.0 * rng.choice([0.0, 1.0])
    across /= np.linalg.norm(across)
    rate = rng.uniform(12.0, 60.0)
    stripes = np.sin(places @ across * 2.0 * rate) > rng.uniform(-0.6, 0.6)
    kind = rng.integers(3)
    if kind == 0:
        return np.asarray(stripes, dtype=np.float64)
    if kind == 1:
        other = np.cross(across, [0.3, 0.9, 0.2])
        checks = stripes ^ (np.sin(places @ other * 2.0 * rate) > 0.0)
        return np.asarray(checks, dtype=np.float64)
    blots = _waves(rng, places, rate / 2.0) > rng.uniform(0.0, 0.8)
    return np.asarray(blots, dtype=np.float64)


def _waves(rng: np.random.Generator, places: Floats, rate: float) -> Floats:
    """(N,) a smooth random function of place, about -1..1."""
    ways = rng.standard_normal((3, 4)) * rate
    phases = rng.uniform(0.0, 2.0 * np.pi, 4)
    return np.asarray(np.sin(places @ ways + phases).mean(axis=1) * 1.4)
