"""Crops of pictures, changed at random, and the maps that a network shall make of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from perception_models.keypoints.pictures import HEIGHT, HIDDEN, OUTSIDE, VISIBLE, WIDTH, Picture
from perception_nodes.arrays import Bytes, Floats, Ints
from perception_nodes.embodmocap.keypoints import COARSE, FINE, OFFSET_UNIT
from perception_nodes.embodmocap.skeleton import COUNT, INDEX, LEFT, RIGHT

MIRRORED = np.arange(COUNT)
"""(17,) which joint each becomes in a mirror."""
MIRRORED[[*LEFT, *RIGHT]] = [*RIGHT, *LEFT]
_TRUNK = [INDEX[f"{s}_{p}"] for s in ("left", "right") for p in ("shoulder", "hip")]
_JOINT_SPREAD, _MIDDLE_SPREAD = 1.5, 2.0  # cells
_SURE = {OUTSIDE: 0.0, HIDDEN: 0.4, VISIBLE: 1.0}
_AMPLITUDE = np.array([_SURE[k] for k in range(3)])
_LEAST_SEEN = 3
LIMBS = (
    (("nose", "left_ear"), ("nose", "right_ear"), ("left_ear", "right_ear")),
    (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
     ("right_shoulder", "right_hip"), ("left_shoulder", "right_hip")),
    *((((f"{s}_shoulder", f"{s}_elbow"), (f"{s}_elbow", f"{s}_wrist"))) for s in ("left", "right")),
    *((((f"{s}_hip", f"{s}_knee"), (f"{s}_knee", f"{s}_ankle"))) for s in ("left", "right")),
)  # fmt: skip
"""Head, trunk, arms and legs, each by the bones in it."""
_LIMBS = [[(INDEX[a], INDEX[b]) for a, b in bones] for bones in LIMBS]
_THICK = 0.05  # of a person's size
_AWAY = 1e4
_OWN = 0.4  # of a middle's map, from where on its offsets are learned


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of a picture: `image` (h, w, 3), and people as in `Picture`, in its own pixels."""

    image: Bytes
    pixels: Floats
    seen: Ints


def crop(rng: np.random.Generator, picture: Picture, width: int, height: int) -> Crop:
    """A part of a picture, turned, scaled, mirrored, recolored and partly erased at random."""
    scale = math.exp(rng.uniform(math.log(width / WIDTH), math.log(1.3)))
    angle = math.radians(rng.normal(0.0, 7.0))
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
    slack = np.maximum([WIDTH - width / scale, HEIGHT - height / scale], 0.0) / 2.0
    middle = np.array([(WIDTH - 1) / 2.0, (HEIGHT - 1) / 2.0]) + rng.uniform(-slack, slack)
    matrix[:, 2] = [(width - 1) / 2.0, (height - 1) / 2.0] - matrix[:, :2] @ middle
    mirrored = rng.random() < 0.5
    if mirrored:
        matrix[0] = [-matrix[0, 0], -matrix[0, 1], width - 1 - matrix[0, 2]]
    image = cv2.warpAffine(
        picture.image, matrix, (width, height), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    pixels = picture.pixels @ matrix[:, :2].T + matrix[:, 2]
    seen = picture.seen
    if mirrored:
        pixels, seen = pixels[:, MIRRORED], seen[:, MIRRORED]
    # Joints behind the camera have no place: any that is far away will do.
    pixels = np.nan_to_num(pixels, nan=_AWAY, posinf=_AWAY, neginf=-_AWAY)
    inside = (pixels > -0.5).all(axis=-1) & (pixels < [width - 0.5, height - 0.5]).all(axis=-1)
    image, seen = _erased(rng, np.asarray(image), pixels, np.where(inside, seen, OUTSIDE))
    return Crop(_recolored(rng, image), pixels, seen)


def middles(pixels: Floats, seen: Ints, width: int, height: int) -> Floats:
    """(P, 2) of the trunk, or, where that is out of sight, of what there is."""
    result = np.full((len(pixels), 2), np.nan)
    for k, (places, known) in enumerate(zip(pixels, seen, strict=True)):
        trunk = places[_TRUNK].mean(axis=0)
        outside = (trunk < 0.0).any() or trunk[0] > width - 1 or trunk[1] > height - 1
        if not outside:
            result[k] = trunk
        elif (known > OUTSIDE).any():
            result[k] = places[known > OUTSIDE].mean(axis=0)
    return result


def targets(crops: list[Crop]) -> dict[str, Tensor]:
    """What a network shall make of crops of one size.

    Returns:
        `image` [N, h, w, 3] uint8; `maps` [N, 18, h/4, w/4]; `offsets` [N, 34, h/8, w/8], and
        `weight` of the same shape: where and how much they count; `limbs` [N, 6, h/4, w/4], 1 along
        seen bones of head, trunk, arms and legs.
    """
    height, width = crops[0].image.shape[:2]
    made = [_maps(item, width, height) for item in crops]
    return {
        "image": torch.from_numpy(np.stack([item.image for item in crops])),
        **{
            name: torch.from_numpy(np.stack([item[k] for item in made]))
            for k, name in enumerate(("maps", "offsets", "weight"))
        },
        "limbs": torch.from_numpy(np.stack([_limbs(item, width, height) for item in crops])),
    }


def _maps(item: Crop, width: int, height: int) -> tuple[Floats, Floats, Floats]:
    maps = np.zeros((COUNT + 1, height // FINE, width // FINE), np.float32)
    offsets = np.zeros((2 * COUNT, height // COARSE, width // COARSE), np.float32)
    weight, own = np.zeros_like(offsets), np.full(offsets.shape[1:], _OWN, np.float32)
    rows, columns = _centers(height, FINE), _centers(width, FINE)
    kept = (item.seen == VISIBLE).sum(axis=1) >= _LEAST_SEEN
    places = middles(item.pixels, item.seen, width, height)
    y, x = _centers(height, COARSE), _centers(width, COARSE)
    for pixels, seen, middle, known in zip(item.pixels, item.seen, places, kept, strict=True):
        bells = _bell(pixels, rows, columns, _JOINT_SPREAD) * _AMPLITUDE[seen][:, None, None]
        np.maximum(maps[:COUNT], bells, out=maps[:COUNT])
        if not known:
            continue
        sure = min(1.0, 0.4 + 0.1 * float((seen == VISIBLE).sum()))
        np.maximum(maps[COUNT], sure * _bell(middle[None], rows, columns, _MIDDLE_SPREAD)[0],
                   out=maps[COUNT])  # fmt: skip
        share = _bell(middle[None], y, x, _MIDDLE_SPREAD * FINE / COARSE)[0]
        mine = share > own
        own[mine] = share[mine]
        offsets[0::2, mine] = pixels[:, 0, None] - np.broadcast_to(x, mine.shape)[mine]
        offsets[1::2, mine] = pixels[:, 1, None] - np.broadcast_to(y[:, None], mine.shape)[mine]
        weight[:, mine] = np.repeat(_AMPLITUDE[seen], 2)[:, None]
    return maps, offsets / OFFSET_UNIT, weight


def _limbs(item: Crop, width: int, height: int) -> Floats:
    result = np.zeros((len(_LIMBS), height // FINE, width // FINE), np.float32)
    for pixels, seen in zip(item.pixels, item.seen, strict=True):
        places = np.rint((pixels + 0.5) / FINE - 0.5).astype(int)
        known = pixels[seen > OUTSIDE]
        size = float(np.ptp(known, axis=0).max()) / FINE if len(known) else 0.0
        thick = max(1, round(_THICK * size))
        for chart, bones in zip(result, _LIMBS, strict=True):
            for a, b in bones:
                if min(seen[a], seen[b]) > OUTSIDE and max(seen[a], seen[b]) == VISIBLE:
                    cv2.line(chart, places[a].tolist(), places[b].tolist(), (1.0,), thick)
    return result


def _bell(places: Floats, rows: Floats, columns: Floats, cells: float) -> Floats:
    """(J, H, W) Gaussian bells of height 1 around places."""
    spread = cells * (columns[1] - columns[0])
    across = np.exp(-0.5 * ((columns - places[:, :1]) / spread) ** 2)
    along = np.exp(-0.5 * ((rows - places[:, 1:]) / spread) ** 2)
    return np.asarray(along[:, :, None] * across[:, None, :], np.float32)


def _centers(side: int, step: int) -> Floats:
    return (np.arange(side // step) + 0.5) * step - 0.5


def _erased(
    rng: np.random.Generator, image: Bytes, pixels: Floats, seen: Ints
) -> tuple[Bytes, Ints]:
    """Up to two rectangles are painted over; joints under them are hidden."""
    height, width = image.shape[:2]
    for _ in range(int(rng.choice([0, 1, 2], p=[0.7, 0.2, 0.1]))):
        size = rng.uniform(0.05, 0.35, 2) * (width, height)
        low = rng.uniform(0.0, 1.0, 2) * (width, height) - size / 2.0
        high = low + size
        left, top = np.maximum(low, 0).astype(int)
        right, bottom = high.astype(int)
        image[top:bottom, left:right] = rng.integers(0, 256, 3)
        under = ((pixels > low) & (pixels < high)).all(axis=-1)
        seen = np.where(under & (seen == VISIBLE), HIDDEN, seen)
    return image, seen


def _recolored(rng: np.random.Generator, image: Bytes) -> Bytes:
    """Other light, other white, other contrast, gray now and then, and noise."""
    color = image.astype(np.float32)
    if rng.random() < 0.1:
        color = np.repeat(color.mean(axis=-1, keepdims=True), 3, axis=-1)
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.88, 1.12, 3)
    color = (color - 112.0) * rng.uniform(0.7, 1.3) + 112.0 + rng.uniform(-25.0, 25.0)
    color = color * gain.astype(np.float32)
    if rng.random() < 0.3:
        color = color + rng.uniform(0.0, 8.0) * rng.standard_normal(color.shape, np.float32)
    return np.clip(color, 0.0, 255.0).astype(np.uint8)
