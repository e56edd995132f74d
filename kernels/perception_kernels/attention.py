"""Attention whose scores know where tokens look and what they show, over chosen key frames.

The plain form of what the slot encoder computes from token to token: queries and keys are turned by
the world rotation of their viewing ray (ViewRope, Xiang et al., arXiv 2602.07854) in their first
channels and by the rotary phases of their world point (Su et al., arXiv 2104.09864) in the next;
key frames that were not selected cost nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


class TokenGeometry(NamedTuple):
    """Where tokens are.

    Attributes:
        rays: (..., 3, 3) world rotations of their rays, see `rays.ray_frames`.
        phases: (..., P, 2) cosines and sines of their world points, see `rays.rotary_phases`.
    """

    rays: Floats
    phases: Floats


def ray_channels(width: int) -> int:
    """Channels of a head of `width` that rays turn: a quarter, in threes."""
    return 3 * (width // 12)


def turned(x: Floats, geometry: TokenGeometry) -> Floats:
    """Queries or keys with their geometry put in.

    Args:
        x: (heads, ..., d).
        geometry: Of the tokens `...`; the first `ray_channels(d)` channels are turned by rays, in
            threes, the next 2 P by phases, in pairs (k, k + P); the rest stays.

    Returns:
        (heads, ..., d) float32.

    Raises:
        ValueError: The shapes do not fit.
    """
    view, pairs = _channels(x, geometry)
    chunks = x[..., :view].reshape(*x.shape[:-1], view // 3, 3)
    seen = (chunks @ geometry.rays.swapaxes(-1, -2)).reshape(*x.shape[:-1], view)
    a, b = x[..., view : view + pairs], x[..., view + pairs : view + 2 * pairs]
    cosine, sine = geometry.phases[..., 0], geometry.phases[..., 1]
    parts = (seen, a * cosine - b * sine, a * sine + b * cosine, x[..., view + 2 * pairs :])
    return np.concatenate(parts, axis=-1).astype(np.float32, copy=False)


def ray_rotary_attention(
    query: Floats,
    key: Floats,
    value: Floats,
    query_geometry: TokenGeometry,
    key_geometry: TokenGeometry,
    selected: Ints,
) -> Floats:
    """What tokens of one frame take from the selected of F key frames.

    Args:
        query: (heads, L, d).
        key: (heads, F, T, d).
        value: (heads, F, T, d).
        query_geometry: Of the L tokens.
        key_geometry: Of the (F, T) tokens.
        selected: (k,) numbers of key frames, none twice.

    Returns:
        (heads, L, d) float32; zeros where no key frame is selected.

    Raises:
        ValueError: The shapes do not fit.
    """
    _check(query, key, value)
    if not len(selected):
        return np.zeros(query.shape, np.float32)
    heads, _, width = query.shape
    chosen = TokenGeometry(key_geometry.rays[selected], key_geometry.phases[selected])
    keys = turned(key[:, selected], chosen).reshape(heads, -1, width)
    asked = turned(query, query_geometry) * np.float32(1.0 / np.sqrt(width))
    scores = asked @ keys.swapaxes(-1, -2)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return np.asarray(scores @ value[:, selected].reshape(heads, -1, width), np.float32)


def ray_rotary_attention_reference(
    query: Floats,
    key: Floats,
    value: Floats,
    query_geometry: TokenGeometry,
    key_geometry: TokenGeometry,
    selected: Ints,
) -> Floats:
    """`ray_rotary_attention` written plainly, one query at a time, in double precision."""
    _check(query, key, value)
    heads, length, width = query.shape
    result = np.zeros(query.shape, np.float32)
    for head, i in np.ndindex(heads, length):
        if not len(selected):
            break
        asked = _turned_one(query[head, i], query_geometry.rays[i], query_geometry.phases[i])
        scores, values = [], []
        for frame in selected:
            for t in range(key.shape[2]):
                rays, phases = key_geometry.rays[frame, t], key_geometry.phases[frame, t]
                answer = _turned_one(key[head, frame, t], rays, phases)
                scores.append(float(asked @ answer) / np.sqrt(width))
                values.append(value[head, frame, t].astype(np.float64))
        weights = np.exp(np.array(scores) - max(scores))
        result[head, i] = (weights / weights.sum()) @ np.array(values)
    return result


def _turned_one(x: Floats, rays: Floats, phases: Floats) -> Floats:
    result = x.astype(np.float64)
    view, pairs = ray_channels(len(x)), len(phases)
    for start in range(0, view, 3):
        result[start : start + 3] = rays @ result[start : start + 3]
    for k in range(pairs):
        one, other = view + k, view + pairs + k
        a, b = result[one], result[other]
        result[one] = a * phases[k, 0] - b * phases[k, 1]
        result[other] = a * phases[k, 1] + b * phases[k, 0]
    return result


def _channels(x: Floats, geometry: TokenGeometry) -> tuple[int, int]:
    view, pairs = ray_channels(x.shape[-1]), geometry.phases.shape[-2]
    fits = (
        geometry.rays.shape == (*x.shape[1:-1], 3, 3)
        and geometry.phases.shape == (*x.shape[1:-1], pairs, 2)
        and view + 2 * pairs <= x.shape[-1]
    )
    if not fits:
        raise ValueError(
            f"tokens {x.shape} do not fit rays {geometry.rays.shape} and phases "
            f"{geometry.phases.shape}"
        )
    return view, pairs


def _check(query: Floats, key: Floats, value: Floats) -> None:
    heads, width = query.shape[0], query.shape[-1]
    if query.ndim != 3 or key.ndim != 4 or (key.shape[0], key.shape[-1]) != (heads, width):
        raise ValueError(f"queries {query.shape} and keys {key.shape} do not fit")
    if value.shape != key.shape:
        raise ValueError(f"keys {key.shape} and values {value.shape} do not fit")
