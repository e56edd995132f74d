"""The slot encoder: pixels to patches that look at key frames, back to pixels, and on to slots."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from perception_kernels.rays import frequencies, rotary_phases
from perception_models.viewrope.attention import GeometricAttention
from perception_models.viewrope.encodings import Encoding, Geometry, screen_frequencies
from perception_models.viewrope.slots import Pixels, Previous, SlotDecoder, Slots
from perception_models.viewrope.surface import points_and_normals

WIDTH, HEIGHT = 320, 240
CELL, PATCH = 4, 16
"""Pixels of the side of a cell, in which masks are given, and of a patch, which attends."""
CELLS = HEIGHT // CELL, WIDTH // CELL
PATCHES = HEIGHT // PATCH, WIDTH // PATCH
MEMORY = 4
"""Key frames that a frame may look at."""

_FINE, _MIDDLE, _COARSE = 32, 64, 128
_EMBEDDING = 24
_HEADS = 4
_CHANNELS = 11
_REACH = 0.2  # of a vote at first, as a part of the distance from the camera
_RELIEF = 10.0  # surfaces that stand out by a tenth of their distance give 1


ENCODINGS = (Encoding.NONE, Encoding.SCREEN, Encoding.VIEW, Encoding.PLACE, Encoding.VIEW_PLACE)
"""Those that the inputs of this network suffice for."""

_WAVES = 0.5, 4.0  # shortest and longest wavelength of screen RoPE, in halves of the image


class Memory(NamedTuple):
    """Key frames of each of N frames: tokens [N, M, T, D], where they are, valid [N, M]."""

    tokens: Tensor
    rays: Tensor
    place: Tensor
    valid: Tensor


class Encoded(NamedTuple):
    """A frame before it looks at others.

    Attributes:
        fine, middle: [N, C, h, w] features of cells and of blocks of four.
        tokens: [N, T, D] of patches; what a key frame keeps.
        points, known, color: Of cells, see `Pixels`.
    """

    fine: Tensor
    middle: Tensor
    tokens: Tensor
    points: Tensor
    known: Tensor
    color: Tensor


class _Residual(nn.Module):
    """A convolution beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] to [N, C, h, w]."""
        return torch.relu(x + self.norm(self.convolution(x)))


class _Block(nn.Module):
    """Attention of patches to themselves or to key frames, then a perceptron for each patch."""

    def __init__(self, width: int, encoding: Encoding) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = GeometricAttention(width, _HEADS, encoding)
        self.norm_perceptron = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor, geometry: Geometry, memory: Memory | None = None) -> Tensor:
        """[N, T, D] to [N, T, D]; a memory of which nothing is valid is as good as `alone`."""
        asking = self.norm_attention(tokens)
        if memory is None:
            return self.alone(tokens + self.attention(asking, geometry))
        count = memory.tokens.shape[2]
        hidden = ((memory.valid - 1.0) * 1e4).repeat_interleave(count, dim=1)
        screen = (
            None
            if geometry.screen is None
            else geometry.screen.repeat(1, memory.rays.shape[1], 1, 1)
        )
        there = Geometry(memory.rays.flatten(1, 2), memory.place.flatten(1, 2), screen)
        others = memory.tokens.flatten(1, 2)
        found = self.attention(asking, geometry, others, there, hidden[:, None, None])
        return self.alone(tokens + found * memory.valid.amax(dim=1)[:, None, None])

    def alone(self, tokens: Tensor) -> Tensor:
        """Only the perceptron: [N, T, D] to [N, T, D]."""
        wide = functional.gelu(self.widen(self.norm_perceptron(tokens)))
        result: Tensor = tokens + self.narrow(wide)
        return result


class SlotEncoder(nn.Module):
    """Color and depth of a frame to slots.

    Args:
        encoding: What patches tell each other about where they are; one of `ENCODINGS`.
    """

    def __init__(self, encoding: Encoding = Encoding.VIEW_PLACE) -> None:
        super().__init__()
        self.screen: Tensor | None
        self.register_buffer("screen", _screen(encoding), persistent=False)
        self.stem = nn.Conv2d(_CHANNELS, _FINE, CELL, stride=CELL, bias=False)
        self.stem_norm = nn.BatchNorm2d(_FINE)
        self.fine = nn.Sequential(_Residual(_FINE), _Residual(_FINE))
        self.to_middle = nn.Conv2d(_FINE, _MIDDLE, 2, stride=2)
        self.middle = nn.Sequential(_Residual(_MIDDLE), _Residual(_MIDDLE))
        self.to_coarse = nn.Conv2d(_MIDDLE, _COARSE, 2, stride=2)
        self.blocks = nn.ModuleList(_Block(_COARSE, encoding) for _ in range(3))
        self.kept = nn.LayerNorm(_COARSE)
        self.from_coarse = nn.Conv2d(_COARSE, _MIDDLE, 1)
        self.middle_again = _Residual(_MIDDLE)
        self.from_middle = nn.Conv2d(_MIDDLE, _FINE, 1)
        self.fine_again = nn.Sequential(_Residual(_FINE), _Residual(_FINE))
        self.head = nn.Conv2d(_FINE, _EMBEDDING + 5, 1)
        self.slots = SlotDecoder(_FINE, _EMBEDDING, _COARSE)
        with torch.no_grad():
            assert self.head.bias is not None
            self.head.bias[-1] = -3.0  # few cells are the middle of an object

    def encode(
        self, color: Tensor, depth: Tensor, camera: Tensor, rays: Tensor, place: Tensor
    ) -> Encoded:
        """What a frame shows by itself; see `forward`."""
        points, normals = points_and_normals(depth, camera)
        z = points[..., 2]
        known = (z > 0).to(z.dtype)
        light = color.to(z.dtype) / 255.0
        sums = functional.avg_pool2d(
            torch.cat((light, points, known[..., None]), dim=-1).permute(0, 3, 1, 2), CELL
        )
        share = sums[:, 6:7]
        cells = sums[:, 3:6] / share.clamp(min=1e-3)
        images = self._images(light, points, normals, known, sums[:, 5:7])
        fine = self.fine(torch.relu(self.stem_norm(self.stem(images))))
        middle = self.middle(torch.relu(self.to_middle(fine)))
        tokens = self.to_coarse(middle).flatten(2).transpose(1, 2)
        tokens = self.blocks[0](tokens, self._geometry(rays, place))
        return Encoded(
            fine,
            middle,
            self.kept(tokens),
            cells.flatten(2).transpose(1, 2),
            (share.flatten(1) > 0).to(z.dtype),
            sums[:, :3].flatten(2).transpose(1, 2),
        )

    def decode(
        self, seen: Encoded, rays: Tensor, place: Tensor, memory: Memory | None = None
    ) -> Pixels:
        """What the frame shows together with its key frames."""
        geometry = self._geometry(rays, place)
        across: _Block = self.blocks[1]  # type: ignore[assignment]
        if memory is None:
            tokens = across.alone(seen.tokens)
        else:
            tokens = across(seen.tokens, geometry, memory)
        tokens = self.blocks[2](tokens, geometry)
        grid = tokens.transpose(1, 2).reshape(len(tokens), -1, *PATCHES)
        middle = torch.relu(seen.middle + _doubled(self.from_coarse(grid)))
        middle = self.middle_again(middle)
        fine = torch.relu(seen.fine + _doubled(self.from_middle(middle)))
        fine = self.fine_again(fine)
        heads = self.head(fine).flatten(2).transpose(1, 2)
        depth = torch.where(seen.known > 0, seen.points[..., 2], 1.0)[..., None]
        offset = _REACH * depth * heads[..., _EMBEDDING : _EMBEDDING + 3]
        return Pixels(
            CELLS,
            fine.flatten(2).transpose(1, 2),
            heads[..., :_EMBEDDING],
            heads[..., -2],
            heads[..., -1],
            seen.points,
            seen.points + offset,
            seen.known,
            seen.color,
            tokens,
            PATCHES,
        )

    def forward(
        self,
        color: Tensor,
        depth: Tensor,
        camera: Tensor,
        rays: Tensor,
        place: Tensor,
        memory: Tensor,
        memory_rays: Tensor,
        memory_place: Tensor,
        memory_valid: Tensor,
        previous_query: Tensor,
        previous_center: Tensor,
        previous_valid: Tensor,
    ) -> tuple[Tensor, ...]:
        """What the run time asks for; batches of frames that know nothing of each other.

        Args:
            color: [N, 240, 320, 3] uint8.
            depth: [N, 240, 320] meters along the optical axis; 0 where unknown.
            camera: [N, 4] fx, fy, cx, cy, pixels.
            rays: [N, 300, 3, 3] world rotation of the patches' rays.
            place: [N, 300, P, 2] rotary phases of the patches' world points.
            memory: [N, 4, 300, 128] tokens of key frames.
            memory_rays: [N, 4, 300, 3, 3] theirs.
            memory_place: [N, 4, 300, P, 2] theirs.
            memory_valid: [N, 4] 1 or 0.
            previous_query: [N, 16, 64] of the frame before.
            previous_center: [N, 16, 3] meters, optical frame of this frame.
            previous_valid: [N, 16] 1 or 0.

        Returns:
            masks [N, 17, 60, 80], objectness [N, 16], latent [N, 16, 128], center [N, 16, 3],
            query [N, 16, 64], tokens [N, 300, 128].
        """
        seen = self.encode(color, depth, camera, rays, place)
        remembered = Memory(memory, memory_rays, memory_place, memory_valid)
        pixels = self.decode(seen, rays, place, remembered)
        found: Slots = self.slots(pixels, Previous(previous_query, previous_center, previous_valid))
        masks = torch.softmax(found.logits[-1], dim=1).reshape(len(color), -1, *CELLS)
        chance = torch.sigmoid(found.objectness)
        return masks, chance, found.latent, found.center, found.query, seen.tokens

    def _geometry(self, rays: Tensor, place: Tensor) -> Geometry:
        screen = None if self.screen is None else self.screen.expand(len(rays), -1, -1, -1)
        return Geometry(rays, place, screen)

    def _images(
        self, light: Tensor, points: Tensor, normals: Tensor, known: Tensor, depths: Tensor
    ) -> Tensor:
        """[N, 11, 240, 320] color, points, normals, relief, and where there is depth."""
        around = functional.avg_pool2d(depths, 5, stride=1, padding=2)
        mean = around[:, :1] / around[:, 1:].clamp(min=1e-3)
        mean = functional.interpolate(mean, scale_factor=float(CELL), mode="nearest")[:, 0]
        relief = _RELIEF * (points[..., 2] - mean) / mean.clamp(min=0.1)
        parts = (
            4.0 * light - 2.0,
            points,
            normals,
            (relief.clamp(-2.0, 2.0) * known)[..., None],
            known[..., None],
        )
        return torch.cat(parts, dim=-1).permute(0, 3, 1, 2)


def _screen(encoding: Encoding) -> Tensor | None:
    """[1, T, S, 2] phases of the patches' places in the image, if the encoding reads them."""
    if encoding is not Encoding.SCREEN:
        return None
    rows, columns = (np.linspace(-1.0, 1.0, n) for n in PATCHES)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(1, -1, 2)
    count = screen_frequencies(encoding, _COARSE // _HEADS)
    return torch.from_numpy(rotary_phases(grid, np.zeros(2), frequencies(*_WAVES, count)))


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
