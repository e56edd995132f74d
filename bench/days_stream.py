"""A ring cache with sinks for a million steps: is it the same at the end, at the same cost?

Beside it what grows, attention over everything that was, for as many steps as that is bearable;
and a window without sinks that is copied anew each step.

    python bench/days_stream.py [--steps 1000000]    (about 2 minutes of one core)
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from common import write_result
from long_run import resident

from perception_kernels.sinks import SinkCache

HEADS, WIDTH, SINKS, WINDOW = 4, 32, 4, 60
DENSE = 16384
LAST = 200


def entries(first: int, count: int) -> Any:
    """(3, count, heads, width) queries, keys and values that depend on the step alone."""
    return np.random.default_rng(first).normal(size=(3, count, HEADS, WIDTH)).astype(np.float32)


def stream(steps: int) -> dict[str, Any]:
    """Step time and memory over the stream, and how the end differs from a fresh cache."""
    cache = SinkCache(HEADS, WIDTH, SINKS, WINDOW)
    part, rows = max(1, steps // 20), []
    for number in range(20):
        query, key, value = entries(number, 1000)
        times = np.zeros(part)
        for i in range(part):
            began = time.perf_counter()
            cache.push(key[i % 1000], value[i % 1000])
            found = cache.attend(query[i % 1000])
            times[i] = time.perf_counter() - began
        rows.append({"p50_us": 1e6 * float(np.percentile(times, 50)),
                     "p95_us": 1e6 * float(np.percentile(times, 95)),
                     "resident_mb": resident(), "cache_bytes": cache.nbytes})  # fmt: skip
        print(number, rows[-1], flush=True)
    fresh = SinkCache(HEADS, WIDTH, SINKS, WINDOW)
    _, first_key, first_value = entries(0, 1000)
    for i in range(SINKS):
        fresh.push(first_key[i], first_value[i])
    for i in range(part - LAST, part):
        fresh.push(key[i % 1000], value[i % 1000])
    difference = float(np.abs(fresh.attend(query[(part - 1) % 1000]) - found).max())
    return {"steps": 20 * part, "parts": rows, "difference_from_fresh": difference}


def attending(query: Any, keys: Any, values: Any) -> float:
    """Median microseconds of one step of attention to given entries, copied first."""
    times = []
    for _ in range(20):
        began = time.perf_counter()
        scores = np.einsum("hd,hnd->hn", query, keys.copy())
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        np.einsum("hn,hnd->hd", weights / weights.sum(axis=1, keepdims=True), values.copy())
        times.append(time.perf_counter() - began)
    return 1e6 * float(np.median(times))


def dense() -> list[dict[str, float]]:
    """Time of a step that attends to all that was, at lengths that double."""
    rows, length = [], 64
    query, key, value = entries(0, DENSE)
    while length <= DENSE:
        keys, values = (np.ascontiguousarray(x[:length].swapaxes(0, 1)) for x in (key, value))
        recent = [x[:, -SINKS - WINDOW :] for x in (keys, values)]
        rows.append({"length": float(length), "p50_us": attending(query[length - 1], keys, values),
                     "window_p50_us": attending(query[length - 1], *recent),
                     "bytes": float(keys.nbytes + values.nbytes)})  # fmt: skip
        length *= 4
    return rows


def main() -> None:
    """Stream, then compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--tier", default="cpu")
    args = parser.parse_args()
    write_result("days_stream", {"ring": stream(args.steps), "dense": dense(),
                                 "sinks": SINKS, "window": WINDOW})  # fmt: skip


if __name__ == "__main__":
    main()
