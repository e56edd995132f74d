"""How attention knows where tokens are: rotations of queries and keys, chosen by a switch.

Every encoding multiplies the channels of a head by matrices that are made of a token's geometry, so
that scores depend on the relation of two tokens. The geometry is computed outside
(`perception_kernels.rays`); here are only sums and products, which export to ONNX.

| encoding     | channels of a head of width d                        | knows                    |
| ------------ | ---------------------------------------------------- | ------------------------ |
| `NONE`       | none                                                 | nothing                  |
| `SCREEN`     | all: 2-D RoPE                                        | place in the image       |
| `PLUECKER`   | none; the network adds the coordinates to its tokens | ray                      |
| `PROPE`      | half: 4x4 projections (values too), half: 2-D RoPE   | camera, place in image   |
| `VIEW`       | half: ray rotations                                  | direction of the ray     |
| `PLACE`      | half: 3-D RoPE                                       | point in the world       |
| `VIEW_PLACE` | a quarter: ray rotations, half: 3-D RoPE             | direction and point      |
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import torch
from torch import Tensor


class Encoding(StrEnum):
    """What tokens tell attention about where they are."""

    NONE = "none"
    SCREEN = "screen"
    PLUECKER = "pluecker"
    PROPE = "prope"
    VIEW = "view"
    PLACE = "place"
    VIEW_PLACE = "view+place"


class Geometry(NamedTuple):
    """Where the tokens of a sequence are; only what the encoding reads must be there.

    Attributes:
        rays: [B, L, 3, 3] ray frames in the world, `ray_frames`.
        place: [B, L, P, 2] phases of world points, `rotary_phases`; [B, heads, L, P, 2] where each
            head assumes a depth of its own. P is `place_pairs(d)`.
        screen: [B, L, S, 2] phases of image coordinates; S is `screen_pairs(encoding, d)`.
        camera: [B, L, 4, 4] projections of each token's camera, `projections`.
        inverse: [B, L, 4, 4] their inverses.
    """

    rays: Tensor | None = None
    place: Tensor | None = None
    screen: Tensor | None = None
    camera: Tensor | None = None
    inverse: Tensor | None = None


def place_frequencies(width: int) -> int:
    """Frequencies per axis of 3-D RoPE in a head of `width` channels."""
    return width // 12


def place_pairs(width: int) -> int:
    """P: pairs of channels that 3-D RoPE turns in a head of `width` channels."""
    return 3 * place_frequencies(width)


def screen_frequencies(encoding: Encoding, width: int) -> int:
    """Frequencies per image axis of 2-D RoPE in a head of `width` channels."""
    return width // 8 if encoding is Encoding.PROPE else width // 4


def screen_pairs(encoding: Encoding, width: int) -> int:
    """S: pairs of channels that 2-D RoPE turns in a head of `width` channels."""
    return 2 * screen_frequencies(encoding, width)


def encode_query(encoding: Encoding, query: Tensor, geometry: Geometry) -> Tensor:
    """Turn queries [B, heads, L, d]; d must be a multiple of 4, of 8 for `PROPE`."""
    if encoding is Encoding.PROPE:
        half = query.shape[-1] // 2
        seen = _multiply(query[..., :half], _given(geometry.camera, "camera").transpose(-1, -2))
        return torch.cat((seen, _phase(query[..., half:], geometry.screen, "screen")), dim=-1)
    return _turn(encoding, query, geometry)


def encode_key(encoding: Encoding, key: Tensor, geometry: Geometry) -> Tensor:
    """Turn keys [B, heads, L, d]."""
    if encoding is Encoding.PROPE:
        half = key.shape[-1] // 2
        seen = _multiply(key[..., :half], _given(geometry.inverse, "inverse"))
        return torch.cat((seen, _phase(key[..., half:], geometry.screen, "screen")), dim=-1)
    return _turn(encoding, key, geometry)


def encode_value(encoding: Encoding, value: Tensor, geometry: Geometry) -> Tensor:
    """Values [B, heads, L, d] in world coordinates; only `PROPE` changes them."""
    if encoding is not Encoding.PROPE:
        return value
    half = value.shape[-1] // 2
    seen = _multiply(value[..., :half], _given(geometry.inverse, "inverse"))
    return torch.cat((seen, value[..., half:]), dim=-1)


def decode_output(encoding: Encoding, output: Tensor, geometry: Geometry) -> Tensor:
    """Mixed values [B, heads, L, d] in the query's coordinates; only `PROPE` changes them."""
    if encoding is not Encoding.PROPE:
        return output
    half = output.shape[-1] // 2
    seen = _multiply(output[..., :half], _given(geometry.camera, "camera"))
    return torch.cat((seen, output[..., half:]), dim=-1)


def _turn(encoding: Encoding, x: Tensor, geometry: Geometry) -> Tensor:
    """The encodings that treat queries and keys alike and keep their norm."""
    width = x.shape[-1]
    if encoding is Encoding.SCREEN:
        return _phase(x, geometry.screen, "screen")
    views = {Encoding.VIEW: 3 * (width // 6), Encoding.VIEW_PLACE: 3 * (width // 12)}
    view = views.get(encoding, 0)
    place = 2 * place_pairs(width) if encoding in (Encoding.PLACE, Encoding.VIEW_PLACE) else 0
    parts = []
    if view:
        parts.append(_multiply(x[..., :view], _given(geometry.rays, "rays")))
    if place:
        parts.append(_phase(x[..., view : view + place], geometry.place, "place"))
    return torch.cat((*parts, x[..., view + place :]), dim=-1) if parts else x


def _multiply(x: Tensor, matrices: Tensor) -> Tensor:
    """Multiply each chunk of n channels of [B, heads, L, c] by a token's matrix [B, L, n, n].

    Written as n products and sums: batches of tiny matrix products are slow on processors.
    """
    size = matrices.shape[-1]
    chunks = x.reshape(*x.shape[:-1], x.shape[-1] // size, size)
    columns = matrices.unsqueeze(1).unsqueeze(3)
    total = chunks[..., :1] * columns[..., 0]
    for k in range(1, size):
        total = total + chunks[..., k : k + 1] * columns[..., k]
    return total.reshape(x.shape)


def _phase(x: Tensor, phases: Tensor | None, name: str) -> Tensor:
    """Turn pairs of channels (k, k + P) of [B, heads, L, 2 P]."""
    phases = _given(phases, name)
    if phases.shape[-2] * 2 != x.shape[-1]:
        raise ValueError(f"{x.shape[-1]} channels need {x.shape[-1] // 2} {name} phases a token")
    phases = phases if phases.dim() == 5 else phases.unsqueeze(1)
    cosine, sine = phases[..., 0], phases[..., 1]
    a, b = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((a * cosine - b * sine, a * sine + b * cosine), dim=-1)


def _given(tensor: Tensor | None, name: str) -> Tensor:
    if tensor is None:
        raise ValueError(f"this encoding needs the geometry's {name}")
    return tensor
