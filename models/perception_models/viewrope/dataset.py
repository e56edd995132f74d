"""Shards of scenes, made once and kept; training reads them in a random order.

python -m perception_models.viewrope.dataset [SHARDS]
"""

from __future__ import annotations

import sys
from functools import lru_cache

import numpy as np
import torch

from perception_models.data import cached
from perception_models.viewrope import groceries, scenes
from perception_models.viewrope.scenes import Views, views

SHARD = 50
"""Scenes of a shard."""
SPLITS = {"training": 0, "validation": 1_000_000, "test": 2_000_000}
"""First seed of each; test scenes also show the families of shapes that were held out."""


@lru_cache(maxsize=64)
def shard(split: str, index: int) -> dict[str, torch.Tensor]:
    """The views of 50 scenes, stacked: the fields of `Views` with an axis for scenes in front."""
    recipe = {"split": split, "shard": index, "scenes": SHARD, "views": scenes.VIEWS}

    def make() -> dict[str, torch.Tensor]:
        first = SPLITS[split] + index * SHARD
        found = [views(first + k, held_out=split == "test") for k in range(SHARD)]
        return {
            name: torch.from_numpy(np.stack([getattr(item, name) for item in found]))
            for name in Views._fields
        }

    return cached("viewrope", recipe, make, code=(scenes, groceries))


def main(shards: int) -> None:
    """Make validation, test and the first training shards."""
    for split, count in (("validation", 1), ("test", 2), ("training", shards)):
        for index in range(count):
            shard.__wrapped__(split, index)
            print(f"{split} {index + 1} of {count}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
