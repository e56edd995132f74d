"""Which key frames a query frame may look at, and what it then gets wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from perception_models.cells import Batch
from perception_models.data import stream
from perception_models.viewrope.encodings import encode_key, encode_query
from perception_models.viewrope.revisits import MEMORY, PATCH_RAYS, RETURNS, TOKENS
from perception_models.viewrope.study import Episodes, StudyBlock, StudyNetwork, geometries

SELECTED = 5
_CONE = math.cos(math.radians(15))
_CHUNK = 8
_SEEN, _UNSEEN = 0.75, 0.25


def affinity(network: StudyNetwork, batch: Batch) -> Tensor:
    """[B, Q, M]: product of mean-pooled encoded queries and keys of the first block (ViewRope)."""
    block = network.blocks[0]
    assert isinstance(block, StudyBlock)
    attention = block.attention
    tokens, memory = network.embed(batch)
    where, there = geometries(batch)
    query = attention.split(attention.query(block.norm_tokens(tokens)))
    key = attention.split(attention.key(block.norm_memory(memory)))
    query = encode_query(attention.encoding, query, where)
    key = encode_key(attention.encoding, key, there)
    asked, held = (
        x.reshape(*x.shape[:2], -1, TOKENS, x.shape[-1]).mean(dim=3) for x in (query, key)
    )
    return (asked @ held.transpose(-1, -2)).sum(dim=1)


def overlap(queries: Tensor, frames: Tensor) -> Tensor:
    """[B, Q, M]: overlap of view cones, from rotations [B, Q, 3, 3] and [B, M, 3, 3] alone."""
    rays = torch.nn.functional.normalize(torch.tensor(PATCH_RAYS).to(queries.dtype), dim=-1)
    asked, there = ((x @ rays.T).transpose(-1, -2) for x in (queries, frames))
    cosine = torch.einsum("bqli,bmki->bqmlk", asked, there)
    return (cosine - _CONE).relu().mean(dim=(-2, -1))


def allowed(network: StudyNetwork, episodes: Episodes, batch: Batch, rows: Tensor) -> Batch:
    """By strategy, which memory frames each query frame may look at: [B, Q, M] of bool."""
    count = (len(rows), 2 * RETURNS, MEMORY)
    noise = torch.rand(*count, generator=stream("revisits", "random", int(rows[0])))
    scores = {
        "oracle": episodes.seen[rows].mean(dim=-1),
        "network": affinity(network, batch),
        "cones": overlap(*episodes.rotations(rows)),
        "random": noise,
        "recent": torch.arange(MEMORY).expand(count).float(),
    }
    chosen = {name: _top(score) for name, score in scores.items()}
    return {
        **chosen,
        "without the network's": ~chosen["network"],
        "without random ones": ~chosen["random"],
    }


def evaluate(
    network: StudyNetwork, episodes: Episodes, retrieval: bool
) -> dict[str, dict[str, Tensor]]:
    """Errors by strategy: per split [episodes] `revisited` and `first`, and `recall` [episodes].

    "all" looks at all memory, "shuffled poses" too, but each frame is told another's pose.
    """
    parts: dict[str, dict[str, list[Tensor]]] = {}
    for rows in torch.split(torch.arange(episodes.count), _CHUNK):
        for name, values in _chunk(network, episodes, rows, retrieval).items():
            for key, value in values.items():
                parts.setdefault(name, {}).setdefault(key, []).append(value)
    return {
        name: {key: torch.cat(items) for key, items in values.items()}
        for name, values in parts.items()
    }


@torch.no_grad()
def _chunk(
    network: StudyNetwork, episodes: Episodes, rows: Tensor, retrieval: bool
) -> Mapping[str, dict[str, Tensor]]:
    frames = torch.arange(MEMORY).expand(len(rows), MEMORY)
    queries = torch.arange(MEMORY, MEMORY + 2 * RETURNS).expand(len(rows), -1)
    batch = episodes.batch(rows, frames, queries)
    found = {"all": errors(network(batch), batch, episodes, rows)}
    order = torch.randperm(MEMORY, generator=stream("revisits", "shuffled", int(rows[0])))
    shuffled = episodes.batch(rows, frames, queries, frames[:, order])
    found["shuffled poses"] = errors(network(shuffled), shuffled, episodes, rows)
    if retrieval:
        for name, mask in allowed(network, episodes, batch, rows).items():
            bias = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)
            spread = bias.repeat_interleave(TOKENS, 1).repeat_interleave(TOKENS, 2)[:, None]
            found[name] = errors(network(batch, spread), batch, episodes, rows)
            found[name]["recall"] = _recall(mask, episodes.seen[rows])
    return found


def copied(episodes: Episodes) -> dict[str, Tensor]:
    """Errors, as of `evaluate`, of copying the memory patch whose ray points most the same way.

    No network: what direction alone is worth without learning, which parallax misleads.
    """
    rows = torch.arange(episodes.count)
    rays = torch.nn.functional.normalize(torch.tensor(PATCH_RAYS).double(), dim=-1)
    asked, there = ((x @ rays.T).transpose(-1, -2).flatten(1, 2) for x in episodes.rotations(rows))
    target = episodes.target.flatten(1, 2)
    answers = []
    for row in rows:
        nearest = (asked[row] @ there[row].T).argmax(dim=-1)
        answers.append(target[row, nearest])
    batch = {"target": target[:, MEMORY * TOKENS :]}
    return errors(torch.stack(answers), batch, episodes, rows)


def errors(found: Tensor, batch: Batch, episodes: Episodes, rows: Tensor) -> dict[str, Tensor]:
    """Mean squared error [episodes] of patches seen before and of others, by kind of return."""
    error = (found - batch["target"]).square().mean(dim=-1).reshape(len(rows), -1, TOKENS)
    known, visible = episodes.known[rows], episodes.visible[rows, MEMORY:]
    masks = {"revisited": known >= _SEEN, "first": known <= _UNSEEN}
    kinds = {"turned": slice(0, RETURNS), "translated": slice(RETURNS, None)}
    return {
        f"{kind} {name}": _mean(error[:, part], (mask & visible)[:, part])
        for kind, part in kinds.items()
        for name, mask in masks.items()
    }


def _mean(error: Tensor, mask: Tensor) -> Tensor:
    """[B] mean over what the mask selects; NaN where it selects nothing."""
    return (error * mask).sum(dim=(-2, -1)) / mask.sum(dim=(-2, -1))


def _recall(mask: Tensor, seen: Tensor) -> Tensor:
    """[B] share of the pixels in memory [B, Q, M, 64] that the chosen frames show."""
    shown = (seen * mask[..., None]).amax(dim=2).sum(dim=(-2, -1))
    return shown / seen.amax(dim=2).sum(dim=(-2, -1))


def _top(scores: Tensor) -> Tensor:
    chosen = scores.topk(SELECTED, dim=-1).indices
    return torch.zeros(scores.shape, dtype=torch.bool).scatter(-1, chosen, value=True)
