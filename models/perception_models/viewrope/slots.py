"""Slots from pixels: seeded where objects have their middle, or where they were a frame before.

Each pixel votes for the center of its object and has an embedding; a slot collects the pixels that
vote near its center and whose embedding it asks for, and both sharpen in two rounds: slot attention
(Locatello et al., arXiv 2006.15055) with seeds in place of random slots, votes and learned spreads
as in Neven et al. (arXiv 1906.11109). Sums, products and a sort; all sizes are fixed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from perception_nodes.scene import LATENT_SIZE, MAX_SLOTS

STATE = 64
"""Size of what a slot hands to the next frame."""
MIN_HEAT = 0.15
"""Peaks below it start no slot."""
ROUNDS = 2

_NEIGHBORHOOD = 12  # rows of peaks that an image has room for
_CELLS = 4800.0  # of a full image
_COVERED = 2.0  # peaks that vote within so many squared spreads of a previous slot start no other
_SPREAD = 0.06  # of votes around a center at first, as a part of its distance from the camera
_FARTHEST = 30.0  # the cost of a vote that misses is bounded, so that it can be learned
_INERTIA = 0.1  # cells by which an old center counts
_ABSENT = 1e4


class Pixels(NamedTuple):
    """What is known of each of P = rows * columns cells of a frame.

    Attributes:
        shape: Rows and columns.
        features: [N, P, F].
        embedding: [N, P, E].
        foreground: [N, P] logit of belonging to an object.
        heat: [N, P] logit of being the middle of what one sees of an object.
        points: [N, P, 3] meters, optical frame; 0 where unknown.
        votes: [N, P, 3] where the center of the cell's object should be.
        known: [N, P] 1 where there is a point.
        color: [N, P, 3] 0..1.
        tokens: [N, T, D] features of patches.
        patches: Rows and columns of these.
    """

    shape: tuple[int, int]
    features: Tensor
    embedding: Tensor
    foreground: Tensor
    heat: Tensor
    points: Tensor
    votes: Tensor
    known: Tensor
    color: Tensor
    tokens: Tensor
    patches: tuple[int, int]


class Previous(NamedTuple):
    """The slots of the frame before: query [N, K, STATE], center [N, K, 3], valid [N, K]."""

    query: Tensor
    center: Tensor
    valid: Tensor


class Slots(NamedTuple):
    """K slots of each of N frames.

    Attributes:
        logits: Of each round [N, K + 1, P], the background first.
        objectness: [N, K] logits.
        latent: [N, K, 128] of unit length; 0 for slots that were never started.
        center: [N, K, 3] meters, optical frame.
        query: [N, K, STATE].
        seeds: [N, K] cell from which a new slot started.
        alive: [N, K] 1 for slots that were started.
    """

    logits: list[Tensor]
    objectness: Tensor
    latent: Tensor
    center: Tensor
    query: Tensor
    seeds: Tensor
    alive: Tensor


class SlotDecoder(nn.Module):
    """From pixels to slots.

    Args:
        features: F, of a cell.
        embedding: E, of a cell.
        tokens: D, of a patch.
    """

    def __init__(self, features: int, embedding: int, tokens: int) -> None:
        super().__init__()
        self.start = nn.Linear(features + embedding, STATE)
        self.resume = nn.Linear(STATE, STATE)
        self.key = nn.Linear(STATE, embedding)
        self.spread = nn.Linear(STATE, 1)
        self.gate = nn.Linear(STATE + features, STATE)
        self.change = nn.Sequential(
            nn.Linear(STATE + features, 2 * STATE), nn.GELU(), nn.Linear(2 * STATE, STATE)
        )
        self.objectness = nn.Sequential(
            nn.Linear(STATE + features + 3, STATE), nn.GELU(), nn.Linear(STATE, 1)
        )
        self.latent = nn.Sequential(
            nn.Linear(features + tokens + 7, LATENT_SIZE), nn.GELU(),
            nn.Linear(LATENT_SIZE, LATENT_SIZE),
        )  # fmt: skip
        nn.init.zeros_(self.spread.weight)

    def forward(
        self, pixels: Pixels, previous: Previous | None = None, heat: Tensor | None = None
    ) -> Slots:
        """Find the slots.

        Args:
            pixels: Of N frames.
            previous: Their slots before; a slot that is valid there keeps its number.
            heat: [N, P] in place of the pixels' own, 0..1; to teach.
        """
        heat = torch.sigmoid(pixels.heat) if heat is None else heat
        if previous is not None:
            resumed = previous.query + self.resume(previous.query)
            far = self._misses(pixels, previous.center, resumed)
            covered = ((far < _COVERED) & (previous.valid[:, None] > 0)).any(dim=-1)
            heat = heat * (1.0 - covered.to(heat.dtype))
        strength, seeds = _peaks(heat, pixels.shape)
        if previous is None:
            previous = _nothing(pixels)
            resumed = previous.query
        free = 1.0 - previous.valid
        turn = (torch.cumsum(free, dim=1) - 1.0).clamp(min=0).long()
        seeds, strength = seeds.gather(1, turn), strength.gather(1, turn)
        alive = torch.maximum(previous.valid, (strength > MIN_HEAT).to(free.dtype))
        begun = torch.cat((_pick(pixels.features, seeds), _pick(pixels.embedding, seeds)), dim=-1)
        kept = previous.valid[..., None]
        query = kept * resumed + (1.0 - kept) * self.start(begun)
        center = kept * previous.center + (1.0 - kept) * _pick(pixels.votes, seeds)
        logits = [self._logits(pixels, center, query, alive)]
        for _ in range(ROUNDS):
            share = torch.softmax(logits[-1], dim=1)[:, 1:]
            placed = share * pixels.known[:, None]
            moved = placed @ pixels.votes + _INERTIA * center
            center = moved / (placed.sum(dim=-1, keepdim=True) + _INERTIA)
            together = torch.cat((query, _mean(share, pixels.features)), dim=-1)
            query = query + torch.sigmoid(self.gate(together)) * self.change(together)
            logits.append(self._logits(pixels, center, query, alive))
        share = torch.softmax(logits[-1], dim=1)[:, 1:]
        latent = self._describe(pixels, share, center) * alive[..., None]
        objectness = self._judge(pixels, share, query) - _ABSENT * (1.0 - alive)
        there = alive[..., None]
        return Slots(logits, objectness, latent, center * there, query * there, seeds, alive)

    def _misses(self, pixels: Pixels, center: Tensor, query: Tensor) -> Tensor:
        """[N, P, K] half the squared distance of votes and centers, in spreads."""
        spread = _SPREAD * torch.exp(self.spread(query)[..., 0].clamp(-2.0, 2.0))
        spread = spread * center[..., 2].clamp(min=0.2)
        return _apart(pixels.votes, center) / (2.0 * spread.square())[:, None]

    def _logits(self, pixels: Pixels, center: Tensor, query: Tensor, alive: Tensor) -> Tensor:
        """[N, K + 1, P], the background first."""
        asked = self.key(query) / math.sqrt(pixels.embedding.shape[-1])
        alike = asked @ pixels.embedding.transpose(1, 2)
        misses = self._misses(pixels, center, query).clamp(max=_FARTHEST).transpose(1, 2)
        slots = alike - misses * pixels.known[:, None] - _ABSENT * (1.0 - alive)[..., None]
        return torch.cat((-pixels.foreground[:, None], slots), dim=1)

    def _judge(self, pixels: Pixels, share: Tensor, query: Tensor) -> Tensor:
        """[N, K] logits of being an object of its own."""
        mass = share.sum(dim=-1, keepdim=True)
        size = mass * (_CELLS / share.shape[-1])
        sure = share.square().sum(dim=-1, keepdim=True) / (mass + _INERTIA)
        foreground = _mean(share, pixels.foreground[..., None]).clamp(-10, 10)
        told = (query, _mean(share, pixels.features), torch.log(size + 1.0), sure, foreground)
        found: Tensor = self.objectness(torch.cat(told, dim=-1))[..., 0]
        return found

    def _describe(self, pixels: Pixels, share: Tensor, center: Tensor) -> Tensor:
        """[N, K, 128] what an object looks like, of unit length: features, colors and size."""
        rows, columns = pixels.shape
        grid = share.reshape(*share.shape[:2], rows, columns)
        step = rows // pixels.patches[0]
        coarse = functional.avg_pool2d(grid, step).flatten(2)
        colors = torch.cat((pixels.color, pixels.color.square()), dim=-1)
        placed = share * pixels.known[:, None]
        square = (placed * _apart(pixels.points, center).transpose(1, 2)).sum(dim=-1, keepdim=True)
        reach = square / (placed.sum(dim=-1, keepdim=True) + _INERTIA)
        parts = (
            _mean(share, pixels.features),
            _mean(coarse, pixels.tokens),
            4.0 * _mean(share, colors) - 1.0,
            torch.log(reach.clamp(min=1e-5)) + 5.0,
        )
        return functional.normalize(self.latent(torch.cat(parts, dim=-1)), dim=-1)


def _peaks(heat: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Strength and cell [N, K] of the greatest peaks of heat [N, P]."""
    grid = heat.reshape(-1, 1, *shape)
    size = shape[0] // _NEIGHBORHOOD // 2 * 2 + 1
    highest = functional.max_pool2d(grid, size, stride=1, padding=size // 2)
    peaks = (grid * (grid >= highest).to(grid.dtype)).flatten(1)
    return torch.topk(peaks, MAX_SLOTS, dim=1)


def _pick(values: Tensor, index: Tensor) -> Tensor:
    """[N, K, C] rows of [N, P, C]."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def _apart(points: Tensor, centers: Tensor) -> Tensor:
    """[N, P, K] squared distances, from differences: in single precision products would cancel."""
    total = points.new_zeros(())
    for axis in range(3):
        total = total + (points[..., axis, None] - centers[:, None, :, axis]).square()
    return total


def _mean(share: Tensor, values: Tensor) -> Tensor:
    """[N, K, C] of values [N, P, C] weighted by shares [N, K, P]."""
    return (share @ values) / (share.sum(dim=-1, keepdim=True) + _INERTIA)


def _nothing(pixels: Pixels) -> Previous:
    new = pixels.features.new_zeros
    n = len(pixels.features)
    return Previous(new(n, MAX_SLOTS, STATE), new(n, MAX_SLOTS, 3), new(n, MAX_SLOTS))
