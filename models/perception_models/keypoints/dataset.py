"""Shards of pictures of rendered people, made once and kept.

python -m perception_models.keypoints.dataset [SHARDS]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import torch

from perception_models.data import cached
from perception_models.keypoints import backgrounds, bodies, clothes, pictures, poses, raster
from perception_models.keypoints.pictures import Picture, photograph
from perception_nodes.arrays import Floats, Ints
from perception_nodes.embodmocap.skeleton import COUNT

SHARD = 250
"""Pictures of a shard."""
MOST = 4
"""People of a picture at most."""
SPLITS = {"training": (1, 480), "validation": (2, 60), "test": (3, 90)}
"""First number of the seed, and how many bodies: no body is in two splits."""
CODE = (backgrounds, bodies, clothes, pictures, poses, raster)
"""Modules on which the pictures depend."""


def split_bodies(split: str) -> bodies.Bodies:
    """The bodies of a split."""
    seed, count = SPLITS[split]
    return bodies.pool(split, count, seed)


@cache
def shard(split: str, index: int) -> dict[str, torch.Tensor]:
    """250 pictures.

    Returns:
        `image` (N, 240, 320, 3) uint8, `people` (N,), and of up to four people each `pixels`
        (N, 4, 17, 2), `seen` (N, 4, 17), `distance` and `shown` (N, 4), see `Picture`; zero beyond.
    """
    recipe = {"split": split, "shard": index, "pictures": SHARD, "bodies": SPLITS[split][1]}

    def make() -> dict[str, torch.Tensor]:
        cv2.setNumThreads(1)
        everyone = split_bodies(split)
        rng = np.random.default_rng((SPLITS[split][0], index))
        found = [photograph(rng, everyone) for _ in range(SHARD)]
        return {
            "image": torch.from_numpy(np.stack([p.image for p in found])),
            "people": torch.tensor([len(p.pixels) for p in found]),
            "pixels": _padded([p.pixels for p in found], (COUNT, 2)).float(),
            "seen": _padded([p.seen for p in found], (COUNT,)).to(torch.uint8),
            "distance": _padded([p.distance for p in found], ()).float(),
            "shown": _padded([p.shown for p in found], ()).float(),
        }

    return cached("keypoints", recipe, make, code=CODE)


def picture(split: str, number: int) -> Picture:
    """One of a split's pictures."""
    found = {name: value[number % SHARD] for name, value in shard(split, number // SHARD).items()}
    there = slice(0, int(found["people"]))
    return Picture(
        found["image"].numpy(),
        found["pixels"][there].double().numpy(),
        found["seen"][there].numpy(),
        found["distance"][there].numpy(),
        found["shown"][there].numpy(),
    )


def _padded(items: Sequence[Floats | Ints], shape: tuple[int, ...]) -> torch.Tensor:
    result = np.zeros((len(items), MOST, *shape))
    for k, item in enumerate(items):
        result[k, : len(item)] = item
    return torch.from_numpy(result)


def main(shards: int) -> None:
    """Make validation, test and the first training shards."""
    for split, count in (("training", shards), ("validation", 2), ("test", 4)):
        for index in range(count):
            shard.__wrapped__(split, index)
            print(f"{split} {index + 1} of {count}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
