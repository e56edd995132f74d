"""A trained attention network on a stream of eight times its training length, with bounded memory.

A small causal transformer with rotary positions learns to say where a thing is that goes around a
ring and is hidden three times in ten; streams of 64 steps that begin with a token of their own.
Then it gets streams of 512 steps, one step at a time, from `SinkCache`s of three kinds: everything
is kept (dense), the newest 64 entries, and the first 4 with the newest 60.

    .venv-train/bin/python bench/days_long_stream.py    (about 2 minutes of one core)
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from common import write_result
from torch import Tensor, nn

from perception_kernels.sinks import SinkCache
from perception_nodes.arrays import Floats, Ints

PLACES, HIDDEN, BEGIN = 16, 16, 17
WIDTH, HEADS, LAYERS = 64, 4, 2
LENGTH, TIMES = 64, 8
STEPS, BATCH, SEEDS = 800, 32, 2
STREAMS = 12
KINDS = {"dense": (LENGTH * TIMES, 1), "window": (0, LENGTH), "sinks and window": (4, LENGTH - 4)}


def streams(rng: np.random.Generator, count: int, length: int) -> tuple[Ints, Ints]:
    """(count, length) what is seen, and where the thing is at the next step."""
    turn = rng.random((count, length)) < 0.1
    speeds = rng.integers(-2, 3, (count, length))
    speed, place = speeds[:, 0].copy(), rng.integers(0, PLACES, count)
    seen, wanted = np.empty((count, length), np.int64), np.empty((count, length), np.int64)
    for k in range(length):
        seen[:, k] = np.where(rng.random(count) < 0.3, HIDDEN, place)
        speed = np.where(turn[:, k], speeds[:, k], speed)
        place = (place + speed) % PLACES
        wanted[:, k] = place
    seen[:, 0] = BEGIN
    return seen, wanted


def rotated(x: Tensor) -> Tensor:
    """Queries or keys (B, heads, T, width) turned by their positions, as `sinks.turned` does."""
    half = x.shape[-1] // 2
    rates = 10000.0 ** (-torch.arange(half) * 2.0 / x.shape[-1])
    angles = torch.arange(x.shape[2])[:, None] * rates
    a, b = x[..., :half], x[..., half:]
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat((a * cosine - b * sine, a * sine + b * cosine), -1)


class Layer(nn.Module):
    """Causal attention and a network on each step."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.project = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, WIDTH) to the same."""
        parts = self.project(self.norm(x)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = rotated(parts[0]), rotated(parts[1]), parts[2]
        taken = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(taken.transpose(1, 2).flatten(2))
        return x + self.narrow(torch.relu(self.wide(self.second(x))))


def trained(seed: int) -> nn.Sequential:
    """The network after its training on streams of `LENGTH`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    layers = (Layer() for _ in range(LAYERS))
    network = nn.Sequential(nn.Embedding(18, WIDTH), *layers, nn.Linear(WIDTH, PLACES))
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        seen, wanted = (torch.from_numpy(x) for x in streams(rng, BATCH, LENGTH))
        loss = nn.functional.cross_entropy(network(seen).flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network


def linear(weights: dict[str, Floats], name: str, x: Floats) -> Floats:
    """A linear layer by name."""
    return np.asarray(weights[f"{name}.weight"] @ x + weights[f"{name}.bias"])


def normed(weights: dict[str, Floats], name: str, x: Floats) -> Floats:
    """A layer norm by name."""
    scaled = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return np.asarray(weights[f"{name}.weight"] * scaled + weights[f"{name}.bias"])


def losses(
    weights: dict[str, Floats], seen: Ints, wanted: Ints, kind: tuple[int, int]
) -> tuple[Floats, Floats]:
    """(T,) cross-entropy and microseconds of each step of a stream."""
    caches = [SinkCache(HEADS, WIDTH // HEADS, *kind) for _ in range(LAYERS)]
    lost, took = np.empty(len(seen)), np.empty(len(seen))
    for k, symbol in enumerate(seen):
        began = time.perf_counter()
        x = weights["0.weight"][symbol]
        for n, cache in enumerate(caches, 1):
            parts = linear(weights, f"{n}.project", normed(weights, f"{n}.norm", x))
            query, key, value = parts.reshape(3, HEADS, -1)
            cache.push(key, value)
            x = x + linear(weights, f"{n}.out", cache.attend(query).ravel())
            inner = linear(weights, f"{n}.wide", normed(weights, f"{n}.second", x))
            x = x + linear(weights, f"{n}.narrow", np.maximum(inner, 0.0))
        scores = linear(weights, f"{LAYERS + 1}", x)
        took[k] = 1e6 * (time.perf_counter() - began)
        top = scores.max()
        lost[k] = top + np.log(np.exp(scores - top).sum()) - scores[wanted[k]]
    return lost, took


def main() -> None:
    """Train, stream, and tell each eighth of the stream."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", default="cpu")
    parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, dict[str, Any]] = {k: {"loss": [], "us": []} for k in KINDS}
    for seed in range(SEEDS):
        network = trained(seed)
        weights = {k: v.detach().numpy() for k, v in network.state_dict().items()}
        rng = np.random.default_rng(1000 + seed)
        seen, wanted = streams(rng, STREAMS, LENGTH * TIMES)
        for name, kind in KINDS.items():
            found = [losses(weights, s, w, kind) for s, w in zip(seen, wanted, strict=True)]
            lost, took = (
                np.stack(x).reshape(STREAMS, TIMES, LENGTH) for x in zip(*found, strict=True)
            )
            rows[name]["loss"].append(lost.mean(axis=(0, 2)).tolist())
            rows[name]["us"].append(np.median(took, axis=(0, 2)).tolist())
            print(seed, name, np.round(rows[name]["loss"][-1], 3), flush=True)
    write_result("days_long_stream", {"training_length": LENGTH, "times": TIMES, "streams": STREAMS,
                                      "seeds": SEEDS, "rows": rows})  # fmt: skip


if __name__ == "__main__":
    main()
