"""The feature-prediction task by which encodings are compared: answer from memory alone.

A query frame's tokens hold their ray in their own camera and nothing else; what the frame shows
must come from key frames, to which they attend. Memory tokens hold the colors of their patch and
its point in their own camera. Where both are in the world is told by the encoding only. The target
of a token is the mean color of the four quarters of its patch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from perception_kernels.rays import frequencies, pluecker, projections, ray_frames, rotary_phases
from perception_models.cells import Batch, Call, Cell, CellStack
from perception_models.data import stream
from perception_models.device import autocast, choose, precision
from perception_models.optimizers.build import Optimizers
from perception_models.optimizers.names import DEFAULT_METHOD
from perception_models.trainer import rate_factor
from perception_models.viewrope.attention import GeometricAttention
from perception_models.viewrope.encodings import (
    Encoding,
    Geometry,
    place_frequencies,
    screen_frequencies,
)
from perception_models.viewrope.revisits import CAMERA, GRID, MEMORY, PATCH, PATCH_RAYS, RETURNS
from perception_nodes.arrays import Floats

WIDTH, HEADS, DEPTH = 96, 4, 2
TARGET = 12
DEPTHS = (1.2, 1.9, 2.6, 3.3)
"""Meters; in 3-D RoPE each head assumes one for query tokens, whose depth is unknown (as the
anchors of URoPE). They divide the range of depths in the rooms evenly."""
_RADIUS = 3.0
_PLACES, _SCREENS = (1.5, 8.0), (0.25, 4.0)
_CONTENT = 3 * 16 + 4
_SHARE = 6
_REST_RATE, _DECAY, _SHARPNESS = 3e-3, 0.01, 20.0


@dataclass(frozen=True)
class Arm:
    """What is compared: an encoding, and whether query tokens are told their depth."""

    encoding: Encoding
    depth_given: bool = False

    def __str__(self) -> str:
        return f"{self.encoding}{', depth given' if self.depth_given else ''}"


ARMS = (
    *(Arm(encoding) for encoding in Encoding),
    Arm(Encoding.VIEW_PLACE, depth_given=True),
)


class StudyBlock(nn.Module):
    """Attention from queries to memory, and a perceptron."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.norm_tokens, self.norm_memory = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.norm_perceptron = nn.LayerNorm(WIDTH)
        self.attention = GeometricAttention(WIDTH, HEADS, encoding)
        self.attention.begin_with_geometry(_SHARPNESS)
        self.widen, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(
        self, tokens: Tensor, memory: Tensor, query: Geometry, key: Geometry, bias: Tensor | None
    ) -> Tensor:
        """[B, L, width] after asking memory [B, M, width]."""
        asked = self.norm_tokens(tokens)
        tokens = tokens + self.attention(asked, query, self.norm_memory(memory), key, bias)
        hidden = nn.functional.gelu(self.widen(self.norm_perceptron(tokens)))
        result: Tensor = tokens + self.narrow(hidden)
        return result


class StudyNetwork(nn.Module):
    """Queries [B, L] from memory [B, M]; the same parameters whatever the encoding."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.ask = nn.Linear(3, WIDTH)
        self.remember = nn.Linear(_CONTENT, WIDTH)
        self.pluecker = nn.Linear(6, WIDTH)
        self.blocks = nn.ModuleList(StudyBlock(encoding) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, TARGET)

    def forward(self, batch: Batch, bias: Tensor | None = None) -> Tensor:
        """Features [B, L, 12] of the query tokens; `bias` as in `attend`."""
        tokens, memory = self.embed(batch)
        query, key = geometries(batch)
        for block in self.blocks:
            tokens = block(tokens, memory, query, key, bias)
        result: Tensor = self.head(self.norm(tokens))
        return result

    def embed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Query and memory tokens as they enter the first block."""
        tokens = self.ask(batch["asked"]) + self.pluecker(batch["query_pluecker"])
        memory = self.remember(batch["content"]) + self.pluecker(batch["key_pluecker"])
        return tokens, memory


def geometries(batch: Batch) -> tuple[Geometry, Geometry]:
    """Of the query and of the memory tokens."""
    query, key = (
        Geometry(**{name: batch.get(f"{side}_{name}") for name in Geometry._fields})
        for side in ("query", "key")
    )
    return query, key


class Episodes:
    """Rooms as batches for one arm.

    Args:
        data: See `revisits.Episode`; a leading axis of episodes.
        arm: What the batches are for.
    """

    def __init__(self, data: Mapping[str, Tensor], arm: Arm) -> None:
        self.arm = arm
        self.count = len(data["color"])
        self._rotation = data["rotation"].double().numpy()
        self._translation = data["translation"].double().numpy()
        self._points = data["depth"].numpy()[..., None] * PATCH_RAYS
        color = data["color"].float() / 127.5 - 1.0
        self._content = _blocks(color, 2)
        self.target = _blocks(color, PATCH // 2)
        self.seen, self.known = data["seen"], data["known"]
        self.visible = data["depth"].isfinite()

    def batch(
        self, episodes: Tensor, frames: Tensor, queries: Tensor, poses: Tensor | None = None
    ) -> Batch:
        """Memory tokens of some frames and query tokens of others.

        Args:
            episodes: [B].
            frames: [B, K] of memory.
            queries: [B, Q] of the returning frames, from `MEMORY`.
            poses: [B, K] frames whose poses the memory frames are given, instead of their own.
        """
        poses = frames if poses is None else poses
        e = episodes[:, None]
        rows, asked, told = (x.numpy() for x in (e, queries, poses))
        points = torch.from_numpy(self._points[rows, frames.numpy()]).nan_to_num() / _RADIUS
        known = self.visible[e, frames][..., None].float()
        batch = {
            "asked": torch.tensor(PATCH_RAYS).repeat(len(episodes), queries.shape[1], 1),
            "content": torch.cat((self._content[e, frames], points, known), -1).flatten(1, 2),
            "target": self.target[e, queries].flatten(1, 2),
        }
        origin = self._translation[rows, 0]
        distance = None if not self.arm.depth_given else self._points[rows, asked][..., 2]
        where = [("query", asked, _lifted(distance)), ("key", told, None)]
        for side, chosen, lifted in where:
            rotation, center = self._rotation[rows, chosen], self._translation[rows, chosen]
            lifted = self._points[rows, frames.numpy()][:, None] if lifted is None else lifted
            geometry = _geometry(self.arm.encoding, rotation, center - origin, lifted)
            batch.update({f"{side}_{name}": value for name, value in geometry.items()})
        return batch

    def rotations(self, episodes: Tensor) -> tuple[Tensor, Tensor]:
        """Camera to world, of the returning [B, 6, 3, 3] and of the memory frames [B, 18, 3, 3]."""
        found = torch.from_numpy(self._rotation)[episodes]
        return found[:, MEMORY:], found[:, :MEMORY]

    def draw(self, step: int, seed: int, size: int) -> Batch:
        """The batch of a training step: one return of each kind and six memory frames.

        Frames that show much of what returns are drawn more often, as after a retrieval: where
        nothing can be remembered, only hedging would be learned.
        """
        generator = stream("revisits", seed, step)
        episodes = torch.randint(self.count, (size,), generator=generator)
        queries = torch.randint(RETURNS, (size, 2), generator=generator)
        queries += torch.tensor([MEMORY, MEMORY + RETURNS])
        shown = self.seen[episodes[:, None], queries - MEMORY].mean(dim=-1).amax(dim=1)
        chance = torch.rand(size, MEMORY, generator=generator)
        frames = (chance + 2 * shown).topk(_SHARE, dim=1).indices
        return self.batch(episodes, frames, queries)


def train(
    arm: Arm, data: Mapping[str, Tensor], seeds: list[int], steps: int, size: int
) -> CellStack:
    """All seeds of one arm, trained together on the GPU if there is one; they end on the CPU."""
    cells, device = [Cell(seed) for seed in seeds], choose("auto")
    stack = CellStack(lambda: StudyNetwork(arm.encoding), cells, {"full": {}}, device)
    optimizers = Optimizers(stack.networks, DEFAULT_METHOD, 0.0, _REST_RATE, _DECAY)
    episodes = Episodes(data, arm)
    resolved = precision("auto", device)
    for step in range(steps):
        batches = {
            seed: {k: v.to(device) for k, v in episodes.draw(step, seed, size).items()}
            for seed in seeds
        }
        with autocast(resolved, device):
            losses = stack.losses(_loss, batches)
        torch.autograd.backward(losses.sum())
        for network in stack.networks:
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizers.step(rate_factor(step, steps, 0.05, decay=True))
    for network in stack.networks:
        network.cpu()
    return stack


def _loss(call: Call, batch: Batch, _switches: Batch) -> Tensor:
    found: Tensor = call(batch).float()
    return (found - batch["target"]).square().mean()


def _blocks(color: Tensor, size: int) -> Tensor:
    """Mean colors of blocks in each patch, [..., 64, (8 / size)^2 * 3], from [..., 64, 64, 3]."""
    n = PATCH // size
    parts = color.reshape(*color.shape[:-3], GRID, n, size, GRID, n, size, 3)
    means = parts.mean(dim=(-5, -2))
    return means.transpose(-4, -3).reshape(*color.shape[:-3], GRID * GRID, n * n * 3)


def _lifted(depth: Floats | None) -> Floats:
    """Points of query tokens in their camera: [B, 1, Q, 64, 3] if told, else one a head."""
    if depth is not None:
        return np.asarray((depth[..., None] * PATCH_RAYS)[:, None])
    return np.asarray(np.array(DEPTHS)[None, :, None, None, None] * PATCH_RAYS)


def _geometry(
    encoding: Encoding, rotation: Floats, center: Floats, points: Floats
) -> dict[str, Tensor]:
    """What an encoding reads of frames [B, F]; `points` [B, heads, F, 64, 3] in their cameras."""
    width, batch = WIDTH // HEADS, len(rotation)
    turned, rays = rotation[:, :, None], PATCH_RAYS[None, None]
    found: dict[str, Floats] = {"pluecker": np.zeros((*rotation.shape[:2], len(PATCH_RAYS), 6))}
    if encoding is Encoding.PLUECKER:
        found["pluecker"] = pluecker(rays, turned, center[:, :, None] / _RADIUS)
    if encoding in (Encoding.VIEW, Encoding.VIEW_PLACE):
        found["rays"] = ray_frames(rays, turned)
    if encoding in (Encoding.SCREEN, Encoding.PROPE):
        count = screen_frequencies(encoding, width)
        phases = rotary_phases(PATCH_RAYS[:, :2], np.zeros(2), frequencies(*_SCREENS, count))
        found["screen"] = np.broadcast_to(phases, (*rotation.shape[:2], *phases.shape))
    if encoding is Encoding.PROPE:
        pose = np.broadcast_to(np.eye(4), (*rotation.shape[:2], 4, 4)).copy()
        pose[..., :3, :3], pose[..., :3, 3] = rotation, center / _RADIUS
        both = projections(CAMERA.matrix(), CAMERA.width, CAMERA.height, np.linalg.inv(pose))
        shape = (*rotation.shape[:2], len(PATCH_RAYS), 4, 4)
        found["camera"], found["inverse"] = (np.broadcast_to(m[:, :, None], shape) for m in both)
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(value, np.float32)).flatten(1, 2)
        for name, value in found.items()
    }
    if encoding in (Encoding.PLACE, Encoding.VIEW_PLACE):
        world = (rotation[:, None, :, None] @ points[..., None])[..., 0] + center[:, None, :, None]
        waves = frequencies(*_PLACES, place_frequencies(width))
        phases = rotary_phases(world, np.zeros(3), waves)
        tensors["place"] = torch.from_numpy(phases).reshape(
            batch, world.shape[1], -1, *phases.shape[-2:]
        )
    return tensors
