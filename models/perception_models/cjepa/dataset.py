"""The recorded episodes as tensors, made once and then read from a cache.

    python -m perception_models.cjepa.dataset

makes all of them beforehand; training makes what is missing.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perception_models.cjepa import recording, scenes
from perception_models.cjepa.recording import Episode, record
from perception_models.data import cached
from perception_nodes.errors import ConfigurationError
from perception_simulation.specification import Scene
from perception_simulation.world import World

CHUNK = 100
"""Episodes a cached file."""
CROWDS = {"few": (3, 6), "many": (7, 10)}
"""How many objects, at least and at most."""
SPLITS = {
    "training": {"few": 3000, "many": 600},
    "validation": {"few": 300, "many": 0},
    "test": {"few": 400, "many": 100},
}
"""Episodes of each split; none of one split is of a seed of another."""


@dataclass(frozen=True)
class Episodes:
    """Episodes stacked: [E, ...] of each field of `Episode`, single precision."""

    size: Tensor
    physics: Tensor
    states: Tensor
    robot: Tensor
    touching: Tensor
    branches: Tensor
    branch_robot: Tensor
    branch_frame: Tensor
    left_out: Tensor

    def __len__(self) -> int:
        return len(self.size)


def episodes(split: str, crowd: str, count: int | None = None) -> Episodes:
    """The first `count` episodes of a split (all: none given), made if they are not cached."""
    total = SPLITS[split][crowd] if count is None else min(count, SPLITS[split][crowd])
    chunks = [_chunk(split, crowd, k) for k in range((total + CHUNK - 1) // CHUNK)]
    names = [field.name for field in dataclasses.fields(Episodes)]
    return Episodes(**{name: torch.cat([c[name] for c in chunks])[:total] for name in names})


def scene_of(split: str, episode: int) -> Scene:
    """The scene of an episode with few objects, drawn as `recording.record` draws it."""
    low, high = CROWDS["few"]
    number = episode % CHUNK
    seed = [list(SPLITS).index(split), list(CROWDS).index("few"), episode // CHUNK, number]
    rng = np.random.default_rng(seed)
    while True:
        with contextlib.suppress(ConfigurationError):
            scene = scenes.random_scene(rng, low + number % (high - low + 1))
            World(scene)
            return scene


def _chunk(split: str, crowd: str, index: int) -> dict[str, Tensor]:
    low, high = CROWDS[crowd]
    recipe = {"split": split, "objects": [low, high], "index": index, "episodes": CHUNK}

    def make() -> dict[str, Tensor]:
        first = (list(SPLITS).index(split), list(CROWDS).index(crowd), index)
        made = [record((*first, k), low + k % (high - low + 1)) for k in range(CHUNK)]
        return _stacked(made, high)

    return cached("cjepa", recipe, make, code=(scenes, recording))


def _stacked(made: list[Episode], most: int) -> dict[str, Tensor]:
    """Stack episodes; slots that no episode of this crowd uses are dropped."""
    keep = np.arange(recording.MAX_OBJECTS) < most
    with_pusher = np.append(keep, True)

    def tensor(name: str) -> Tensor:
        values = np.stack([np.asarray(getattr(item, name)) for item in made])
        if name in ("size", "physics"):
            values = values[:, keep]
        elif name == "states":
            values = values[:, :, keep]
        elif name == "branches":
            values = values[:, :, :, keep]
        elif name == "touching":
            values = values[:, :, with_pusher][..., with_pusher]
        return torch.from_numpy(values.astype(np.int64 if values.ndim == 1 else np.float32))

    return {field.name: tensor(field.name) for field in dataclasses.fields(Episodes)}


def main() -> None:
    """Make everything that is missing."""
    for split, crowds in SPLITS.items():
        for crowd in crowds:
            print(f"{split}, {crowd} objects: {len(episodes(split, crowd))} episodes", flush=True)


if __name__ == "__main__":
    main()
