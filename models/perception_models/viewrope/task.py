"""The slot encoder as a task: from a picture with depth to its objects, alike from everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from perception_models.cells import FULL, Batch, Call
from perception_models.configuration import TrainingConfiguration
from perception_models.data import stream
from perception_models.task import VALIDATION, Signature
from perception_models.viewrope import objective, samples
from perception_models.viewrope.dataset import SHARD
from perception_models.viewrope.encodings import Encoding
from perception_models.viewrope.measure import object_error
from perception_models.viewrope.network import (
    ENCODINGS,
    HEIGHT,
    MEMORY,
    PATCHES,
    WIDTH,
    SlotEncoder,
)
from perception_models.viewrope.scenes import MAX_LABEL
from perception_models.viewrope.slots import STATE
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.parameters import count, number, text
from perception_nodes.scene import MAX_SLOTS, Frame

OUTPUTS = ("masks", "objectness", "latent", "center", "query", "tokens")
_HELD_OUT = {VALIDATION: 24, "test": 2 * SHARD}
"""Scenes of each split that errors are measured on."""
_TEST_VIEWS = [0, 1]


@dataclass(frozen=True)
class Configuration(TrainingConfiguration):
    """How many scenes the slot encoder sees."""

    steps: int = count(4000, "updates of the weights", 1, 10_000_000)
    batch: int = count(2, "scenes an update", 1, 64)
    views: int = count(3, "of each scene", 2, 5)
    shards: int = count(8, "of 50 training scenes each", 1, 1000)
    rest_rate: float = number(2e-3, "learning rate of AdamW for the rest", 0.0, 10.0)
    encoding: str = text(
        Encoding.VIEW_PLACE.value,
        "what patches tell each other about where they are",
        r"[a-z+]+",
        tuple(e.value for e in ENCODINGS),
    )
    clip: float = number(5.0, "largest gradient norm of a cell; 0: any", 0.0, 1e6)
    evaluate_every: int = count(250, "updates between validations", 1, 10_000_000)
    checkpoint_every: int = count(100, "updates between checkpoints", 1, 10_000_000)


class ViewropeTask:
    """See `perception_models.task.Task`."""

    name = "viewrope"
    summary = (
        "Finds the objects of an RGB-D picture as slots with masks, votes for their centers and "
        "describes them by latents that are meant to be the same from every viewpoint."
    )
    limits = (
        "Trained on simulated still scenes alone: rigid things of 3 cm to half a meter on tables "
        "and floors, 0.4 to 3 m away; sixteen objects at most; masks of 80x60 cells. Not trained "
        "on real pictures, on which it finds fewer objects than the depth-only finder "
        "(docs/evidence/viewrope.md), nor on people, animals, glass or mirrors."
    )
    ablations: Mapping[str, Mapping[str, float]] = {FULL: {"memory": 1.0}}
    metric = "error"

    def __init__(self, configuration: Configuration, device: torch.device) -> None:
        self.configuration = configuration
        self.device = device
        self._held_out = lru_cache(maxsize=2)(self._frames)

    def network(self) -> nn.Module:
        """A new encoder."""
        return SlotEncoder(Encoding(self.configuration.encoding))

    def batch(self, step: int, seed: int, horizon: int) -> Batch:
        """Views of scenes, see `samples.draw`, and random numbers for the loss."""
        del horizon
        c = self.configuration
        generator = stream("viewrope", "training", seed, step)
        found = samples.draw(c.shards, c.batch, c.views, generator)
        found["draws"] = torch.rand(c.batch * c.views, 8 + MAX_LABEL, generator=generator)
        return {name: value.to(self.device) for name, value in found.items()}

    def loss(self, call: Call, batch: Batch, switches: Batch) -> Tensor:
        """See `objective.loss`."""
        del switches
        assert isinstance(call, SlotEncoder)
        return objective.loss(call, batch, self.configuration.views)

    def errors(self, call: Call, split: str, switches: Batch) -> dict[str, Tensor]:
        """`error` of each frame by itself: 1 - F1 of its objects at IoU 0.5, in cells."""
        del switches
        assert isinstance(call, SlotEncoder)
        found = []
        for batch in self._held_out(split):
            seen = call.encode(
                *(batch[name] for name in ("color", "depth", "camera", "rays", "place"))
            )
            pixels = call.decode(seen, batch["rays"], batch["place"])
            found.append(object_error(call.slots(pixels), batch))
        return {"error": torch.cat(found)}

    def recipe(self) -> dict[str, Any]:
        """How the data are made."""
        c = self.configuration
        return {
            "world": "still scenes in MuJoCo (perception_models/viewrope/scenes.py)",
            "training": f"{c.shards * SHARD} scenes from 6 viewpoints, mirrored, scaled, recolored",
            "held_out": {name: f"{n} scenes" for name, n in _HELD_OUT.items()},
            "test_shapes": "bottles and capsules too, which training never shows",
        }

    def signature(self) -> Signature:
        """One frame, its key frames and its slots before; all sizes fixed."""
        # Masks compare votes in units of millimeters: the rounding of meters grows in between.
        return Signature(example(), OUTPUTS, {}, tolerance=5e-4)

    def _frames(self, split: str) -> list[Batch]:
        return [
            {
                name: value.to(self.device)
                for name, value in samples.inputs(samples.frames(split, k, _TEST_VIEWS)).items()
            }
            for k in range(_HELD_OUT[split])
        ]


def example() -> dict[str, Tensor]:
    """Inputs by name: boxes before a wall, two key frames and some previous slots, made up."""
    rng = np.random.default_rng(0)
    depth = np.full((HEIGHT, WIDTH), 1.2, np.float32)
    color = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for _ in range(6):
        y, x = rng.integers(0, HEIGHT - 60), rng.integers(0, WIDTH - 60)
        box = slice(y, y + rng.integers(20, 60)), slice(x, x + rng.integers(20, 60))
        depth[box], color[box] = rng.uniform(0.8, 1.1), rng.integers(0, 256, 3)
    camera = Camera(WIDTH, HEIGHT, 280.0, 280.0, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    frame = Frame(0, "camera", "optical", camera, color, depth, Pose.identity())
    view = samples.Sample(frame, np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((1, 3)))
    seen = samples.inputs([view])
    tokens = rng.normal(0.0, 1.0, (1, MEMORY, PATCHES[0] * PATCHES[1], 128)).astype(np.float32)
    query = rng.normal(0.0, 1.0, (1, MAX_SLOTS, STATE)).astype(np.float32)
    center = rng.normal((0.0, 0.0, 1.0), 0.2, (1, MAX_SLOTS, 3)).astype(np.float32)
    known = (rng.random((1, MAX_SLOTS)) < 0.3).astype(np.float32)
    return {
        **{name: seen[name] for name in ("color", "depth", "camera", "rays", "place")},
        "memory": torch.from_numpy(tokens),
        "memory_rays": seen["rays"][:, None].repeat(1, MEMORY, 1, 1, 1),
        "memory_place": seen["place"][:, None].repeat(1, MEMORY, 1, 1, 1),
        "memory_valid": torch.tensor([[1.0, 1.0, 0.0, 0.0]]),
        "previous_query": torch.from_numpy(query),
        "previous_center": torch.from_numpy(center),
        "previous_valid": torch.from_numpy(known),
    }
