"""The bouncing discs as a task: foresee where discs are one interval later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from perception_models.cells import FULL, Batch, Call
from perception_models.configuration import TrainingConfiguration
from perception_models.data import cached, stream
from perception_models.discs import world
from perception_models.discs.network import DiscsNetwork
from perception_models.discs.world import Population, draw, trajectory
from perception_models.task import VALIDATION, Signature
from perception_nodes.ros.parameters import count, number

DISCOUNT = 0.95
"""Weight of an interval further ahead in the loss, relative to the one before."""
ABLATIONS = {FULL: {"interaction": 1.0}, "no_interaction": {"interaction": 0.0}}
"""Whether a disc sees the others."""
_CHUNK = 32
"""Updates whose episodes are drawn at once: many small simulations cost more than one large."""
_ROLLOUT = 8
"""Intervals of a test episode."""
_SPLITS = {VALIDATION: 1, "test": 2}


@dataclass(frozen=True)
class Configuration(TrainingConfiguration):
    """The discs, and the size of the network."""

    interval: float = number(0.1, "between two states, s", 0.01, 2.0)
    smallest: float = number(0.1, "radius, box is 2 wide", 0.02, 0.3)
    largest: float = number(0.25, "radius, box is 2 wide", 0.02, 0.3)
    width: int = count(64, "of a token", 8, 1024)
    depth: int = count(3, "blocks", 1, 24)
    heads: int = count(4, "of the attention", 1, 32)
    episodes: int = count(1000, "of validation and of test, each", 10, 100_000)

    @property
    def population(self) -> Population:
        """From what scenes are drawn."""
        return Population(smallest=self.smallest, largest=self.largest)


class DiscsTask:
    """See `perception_models.task.Task`."""

    name = "discs"
    summary = "Foresees four discs that bounce in a box, one interval ahead."
    limits = (
        "A reference for the training program, not for robots. Trained on exactly four discs; "
        "touches of more than two discs within one interval are foreseen worst."
    )
    ablations: Mapping[str, Mapping[str, float]] = ABLATIONS
    metric = "error"

    def __init__(self, configuration: Configuration, device: torch.device) -> None:
        self.configuration = configuration
        self.device = device
        self.change = typical_change(configuration.population, configuration.interval)
        self._draw_chunk = lru_cache(maxsize=8)(self._chunk)

    def network(self) -> nn.Module:
        """A new transformer."""
        c = self.configuration
        return DiscsNetwork(c.width, c.heads, c.depth, self.change)

    def batch(self, step: int, seed: int, horizon: int) -> Batch:
        """`states` [B, horizon + 1, 4, 5]."""
        chunk = self._draw_chunk(step // _CHUNK, seed, horizon)
        first = (step % _CHUNK) * self.configuration.batch
        states = chunk[first : first + self.configuration.batch]
        return {"states": states.to(self.device)}

    def loss(self, call: Call, batch: Batch, switches: Batch) -> Tensor:
        """Squared error of the states ahead in units of a typical change, discounted."""
        states = batch["states"]
        state, total, weight = states[..., 0, :, :], states.new_zeros(()), 0.0
        for ahead in range(1, states.shape[-3]):
            state = call(state, switches["interaction"])
            factor = DISCOUNT ** (ahead - 1)
            total = (
                total + factor * squared_error(state, states[..., ahead, :, :], self.change).mean()
            )
            weight += factor
        return total / weight

    def errors(self, call: Call, split: str, switches: Batch) -> dict[str, Tensor]:
        """`error` one interval ahead (1: as bad as expecting no change) and `rollout_error` of 8.

        The first is that of the loss; the second the distance between where discs are after eight
        intervals and where they were expected, in box units.
        """
        states = self.held_out(split)
        one = call(states[:, 0], switches["interaction"])
        state = states[:, 0]
        for _ in range(_ROLLOUT):
            state = call(state, switches["interaction"])
        apart = (state[..., :2] - states[:, -1, :, :2]).norm(dim=-1).mean(dim=-1)
        return {
            "error": squared_error(one, states[:, 1], self.change).mean(dim=(-2, -1)),
            "rollout_error": apart,
        }

    def held_out(self, split: str) -> Tensor:
        """Unseen episodes [episodes, 9, 4, 5] of a split, made once and then read from a cache."""
        c = self.configuration
        recipe = {**self._world(), "split": split, "episodes": c.episodes, "steps": _ROLLOUT}

        def make() -> dict[str, Tensor]:
            generator = stream("discs", split, _SPLITS[split])
            states, _ = trajectory(draw(c.population, c.episodes, generator), c.interval, _ROLLOUT)
            return {"states": states.float()}

        return cached("discs", recipe, make, code=(world,))["states"].to(self.device)

    def recipe(self) -> dict[str, Any]:
        """How the data are made."""
        c = self.configuration
        return {
            **self._world(),
            "training": f"fresh scenes each update, {c.batch} a batch, one stream a seed",
            "held_out": f"{c.episodes} validation and {c.episodes} test episodes, streams apart",
        }

    def signature(self) -> Signature:
        """`state` in, `next_state` out, any number of scenes."""
        example = draw(self.configuration.population, 3, stream("discs", "example", 0)).float()
        free = {"state": {0: "batch"}}
        return Signature({"state": example}, ("next_state",), free, ranges={"batch": (1, 1, 1024)})

    def _chunk(self, index: int, seed: int, horizon: int) -> Tensor:
        c = self.configuration
        scenes = draw(c.population, _CHUNK * c.batch, stream("discs", "training", seed, index))
        return trajectory(scenes, c.interval, horizon)[0].float()

    def _world(self) -> dict[str, Any]:
        c = self.configuration
        return {
            "world": "four elastic discs in a box, solved exactly (perception_models/discs)",
            "interval_s": c.interval,
            "radius": [c.smallest, c.largest],
            "speed": c.population.speed,
        }


def squared_error(expected: Tensor, actual: Tensor, change: tuple[float, float]) -> Tensor:
    """Squared error of position and velocity [..., 4] in units of a typical change."""
    position, velocity = change
    scale = expected.new_tensor([position, position, velocity, velocity])
    return ((expected - actual)[..., :4] / scale).square()


@lru_cache
def typical_change(population: Population, interval: float) -> tuple[float, float]:
    """Root mean square change of position and of velocity in one interval."""
    scenes = draw(population, 4000, stream("discs", "scale", 0))
    states, _ = trajectory(scenes, interval, 1)
    change = (states[:, 1] - states[:, 0]).square()
    return float(change[..., :2].mean().sqrt()), float(change[..., 2:4].mean().sqrt())
