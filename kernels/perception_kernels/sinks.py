"""Attention over a stream without end: the first entries for ever, and a ring of recent ones.

Xiao et al., *Efficient Streaming Language Models with Attention Sinks* (arXiv 2309.17453): softmax
must put its mass somewhere, and trained networks put it on the first entries; if a rolling window
drops these, attention breaks. Positions are those within the cache, so that a network never meets
one that it was not trained with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
_BASE = 10000.0


class SinkCache:
    """Keys and values of a fixed number of entries: constant memory and time per step.

    Keys are kept as they are and turned by their rotary position (Su et al., arXiv 2104.09864) when
    they are attended to, since that changes as the window moves on.

    Args:
        heads: Of the attention.
        width: Channels of a head, even.
        sinks: How many first entries stay.
        window: How many recent ones besides, at least 1.

    Raises:
        ValueError: The numbers are impossible.
    """

    def __init__(self, heads: int, width: int, sinks: int, window: int) -> None:
        if heads < 1 or width < 2 or width % 2 or sinks < 0 or window < 1:
            raise ValueError(f"no cache of {heads} x {width} with {sinks} sinks, {window} recent")
        self._sinks, self._window = sinks, window
        self._keys = np.zeros((heads, sinks + window, width), np.float32)
        self._values = np.zeros_like(self._keys)
        self._turns = rotary(np.arange(sinks + window), width)
        self._steps = 0

    @property
    def nbytes(self) -> int:
        """What the entries take."""
        return self._keys.nbytes + self._values.nbytes

    def __len__(self) -> int:
        """How many entries can be attended to."""
        return min(self._steps, self._sinks + self._window)

    def push(self, key: Floats, value: Floats) -> None:
        """Take the next entry, (heads, width) each; the oldest that is no sink makes room."""
        place = self._steps
        if place >= self._sinks:
            place = self._sinks + (place - self._sinks) % self._window
        self._keys[:, place], self._values[:, place] = key, value
        self._steps += 1

    def attend(self, query: Floats) -> Floats:
        """What the newest entry's query (heads, width) takes from the cache, (heads, width).

        Raises:
            ValueError: Nothing was pushed yet.
        """
        n = len(self)
        if not n:
            raise ValueError("an empty cache can't be attended to")
        turns = self._turns[self._positions(n)]
        asked = turned(np.asarray(query, np.float32), self._turns[n - 1])
        scores = np.einsum("hd,hnd->hn", asked, turned(self._keys[:, :n], turns))
        scores /= np.float32(np.sqrt(query.shape[-1]))
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        return np.asarray(np.einsum("hn,hnd->hd", weights, self._values[:, :n]))

    def _positions(self, n: int) -> NDArray[np.intp]:
        """The position within the cache of the entry at each place."""
        places = np.arange(n)
        recent = n - self._sinks
        if recent > 0:
            start = max(0, self._steps - self._sinks - recent) % self._window
            places[self._sinks :] = self._sinks + (np.arange(recent) - start) % recent
        return places


def rotary(positions: NDArray[np.integer[Any]], width: int) -> Floats:
    """(n, width // 2, 2) float32 cosines and sines of positions (n,)."""
    rates = _BASE ** (-np.arange(width // 2) * 2.0 / width)
    angles = np.asarray(positions)[:, None] * rates
    return np.stack((np.cos(angles), np.sin(angles)), axis=-1).astype(np.float32)


def turned(x: Floats, turns: Floats) -> Floats:
    """Channels (..., width), pairs (k, k + width // 2) turned by `rotary` (..., width // 2, 2)."""
    a, b = np.split(x, 2, axis=-1)
    cosine, sine = turns[..., 0], turns[..., 1]
    return np.concatenate((a * cosine - b * sine, a * sine + b * cosine), axis=-1)


def sink_attention_reference(
    query: Floats, key: Floats, value: Floats, sinks: int, window: int
) -> Floats:
    """What each step of a stream (heads, T, width) takes, from lists that are made anew."""
    result = np.zeros(query.shape)
    for t in range(query.shape[1]):
        live = [i for i in range(t + 1) if i < sinks or i > t - window]
        if t < sinks + window:
            live = list(range(t + 1))
        turns = rotary(np.arange(len(live)), query.shape[2]).astype(np.float64)
        for head in range(query.shape[0]):
            keys = turned(key[head, live].astype(np.float64), turns)
            scores = keys @ turned(query[head, t].astype(np.float64), turns[-1])
            weights = np.exp((scores - scores.max()) / np.sqrt(query.shape[2]))
            result[head, t] = weights @ value[head, live] / weights.sum()
    return result
