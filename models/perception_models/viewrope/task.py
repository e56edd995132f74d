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
from perception_models.viewrope.measure import object_error
from perception_models.viewrope.network import HEIGHT, MEMORY, PATCHES, WIDTH, SlotEncoder
from perception_models.viewrope.scenes import MAX_LABEL
from perception_models.viewrope.slots import STATE
from perception_nodes.ros.parameters import count, number
from perception_nodes.scene import MAX_SLOTS

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
        "on real pictures, people, animals, glass or mirrors."
    )
    ablations: Mapping[str, Mapping[str, float]] = {FULL: {"memory": 1.0}}
    metric = "error"

    def __init__(self, configuration: Configuration, device: torch.device) -> None:
        self.configuration = configuration
        self.device = device
        self._held_out = lru_cache(maxsize=2)(self._frames)

    def network(self) -> nn.Module:
        """A new encoder."""
        return SlotEncoder()

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
                *(batch[name] for name in ("color", "points", "normals", "rays", "place"))
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
        return Signature(example(), OUTPUTS, {})

    def _frames(self, split: str) -> list[Batch]:
        return [
            {
                name: value.to(self.device)
                for name, value in samples.inputs(samples.frames(split, k, _TEST_VIEWS)).items()
            }
            for k in range(_HELD_OUT[split])
        ]


def example() -> dict[str, Tensor]:
    """Inputs by name, made up."""
    rng = np.random.default_rng(0)
    tokens = PATCHES[0] * PATCHES[1]
    shapes = {
        "color": (1, HEIGHT, WIDTH, 3),
        "points": (1, HEIGHT, WIDTH, 3),
        "normals": (1, HEIGHT, WIDTH, 3),
        "rays": (1, tokens, 3, 3),
        "place": (1, tokens, samples.PHASES, 2),
        "memory": (1, MEMORY, tokens, 128),
        "memory_rays": (1, MEMORY, tokens, 3, 3),
        "memory_place": (1, MEMORY, tokens, samples.PHASES, 2),
        "memory_valid": (1, MEMORY),
        "previous_query": (1, MAX_SLOTS, STATE),
        "previous_center": (1, MAX_SLOTS, 3),
        "previous_valid": (1, MAX_SLOTS),
    }
    made = {name: rng.uniform(0.0, 1.0, shape).astype(np.float32) for name, shape in shapes.items()}
    made["color"] = (255 * made["color"]).astype(np.uint8)
    made["memory_valid"] = np.array([[1, 1, 0, 0]], np.float32)
    made["previous_valid"] = (rng.random((1, MAX_SLOTS)) < 0.3).astype(np.float32)
    return {name: torch.from_numpy(value) for name, value in made.items()}
