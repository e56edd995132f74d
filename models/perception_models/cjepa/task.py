"""The world model as a task: foresee where objects are one interval later, and go on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from perception_models.cells import FULL, Batch, Call
from perception_models.cjepa import dataset, rollout
from perception_models.cjepa.dataset import SPLITS, episodes
from perception_models.cjepa.evaluation import (
    KINDS,
    branch_batch,
    distance,
    effect,
    outlook,
)
from perception_models.cjepa.network import FRAMES, HISTORY, CjepaNetwork
from perception_models.cjepa.recording import INTERVAL
from perception_models.cjepa.samples import Windows
from perception_models.cjepa.tosses import Tosses, toss_file, tosses
from perception_models.configuration import TrainingConfiguration
from perception_models.data import stream
from perception_models.task import VALIDATION, Signature
from perception_nodes.cjepa.model import MAX_BODIES
from perception_nodes.ros.parameters import count, number, switch

_FULL = {"masks": 1.0, "token": 0.0, "tube": 0.0, "noise": 1.0, "robot": 1.0, "shape": 1.0}
FACTORS = {
    f"{slots} {robot} {masks}": {
        **_FULL,
        "masks": float(masks[-1]),
        "noise": float(slots == "noisy"),
        "robot": float(robot == "robot"),
    }
    for slots in ("noisy", "clean")
    for robot in ("robot", "no_robot")
    for masks in ("mask_0", "mask_1", "mask_2")
}
"""Noisy or clean states, the pusher as the robot's own or as an object, objects masked at most."""
ABLATIONS = {
    FULL: _FULL,
    "no_mask": {**_FULL, "masks": 0.0},
    "token_mask": {**_FULL, "token": 1.0},
    "tube_mask": {**_FULL, "tube": 1.0},
    "no_shape": {**_FULL, "shape": 0.0},
    **{name.replace(" ", "_"): switches for name, switches in FACTORS.items()},
}
"""Those that treat the pusher as an object need `pusher=true` in the configuration."""
_SCENES = ("few", "few", "many", "few", "few", "many", "tosses", "few")
"""What updates take their windows from, in turn; real tosses where their file is there."""
RANGES = {"batch": (1, 4, 1200), "objects": (1, 6, MAX_BODIES)}
"""Four directions are asked at once; the largest batch is 300 candidates in each of them."""


@dataclass(frozen=True)
class Configuration(TrainingConfiguration):
    """The world model's size and how long it looks ahead."""

    steps: int = count(7500, "updates of the weights", 1, 10_000_000)
    batch: int = count(64, "windows an update", 1, 65536)
    rest_rate: float = number(2e-3, "learning rate of AdamW for the rest", 0.0, 10.0)
    clip: float = number(5.0, "largest gradient norm of a cell; 0: any", 0.0, 1e6)
    longest_horizon: int = count(4, "frames that a loss looks ahead at most", 1, 64)
    evaluate_every: int = count(2500, "updates between validations", 1, 10_000_000)
    width: int = count(64, "of a token", 16, 1024)
    depth: int = count(2, "blocks", 1, 24)
    heads: int = count(4, "of the attention", 1, 32)
    message: int = count(48, "width of the messages between objects", 4, 512)
    own: float = number(0.2, "share of the updates on own roll-outs", 0.0, 0.5)
    pusher: bool = switch(False, "offer the pusher as an object to the ablations without robot")
    episodes: int = count(3000, "training episodes with few objects", 100, 3000)


class CjepaTask:
    """See `perception_models.task.Task`."""

    name = "cjepa"
    summary = (
        "Foresees how objects on a support move, push each other, roll, topple and stop, 0.1 s "
        "ahead, repeatable, with standard deviations; from states, not from images."
    )
    limits = (
        "Knows boxes, balls and cylinders; one level support; rigid things of 3 cm to half a "
        "meter; ten objects at most in training."
    )
    ablations: Mapping[str, Mapping[str, float]] = ABLATIONS
    metric = "error_1s"

    def __init__(self, configuration: Configuration, device: torch.device) -> None:
        self.configuration = configuration
        self.device = device
        self._held_out: dict[str, Windows] = {}

    @cached_property
    def _training(self) -> dict[str, Windows | Tosses]:
        few = self.configuration.episodes
        file = toss_file()
        found: dict[str, Windows | Tosses] = {
            "few": Windows(episodes("training", "few", few)),
            "many": Windows(episodes("training", "many", max(few // 5, 100))),
        }
        found["tosses"] = Tosses(tosses(file, "training")) if file else found["few"]
        return found

    def network(self) -> nn.Module:
        """A new predictor."""
        c = self.configuration
        return CjepaNetwork(c.width, c.heads, c.depth, c.message)

    def batch(self, step: int, seed: int, horizon: int) -> Batch:
        """Windows of three frames and those to foresee: one, or `horizon` in the second half."""
        c = self.configuration
        # on own roll-outs while the learning rate still is one: in turn with single steps
        share = 2 * c.own
        alone = 2 * step < c.steps or int((step + 1) * share) == int(step * share)
        crowd = _SCENES[step % len(_SCENES)]
        generator = stream("cjepa", "training", seed, step)
        drawn = self._training[crowd].draw(c.batch, 1 if alone else horizon, generator, c.pusher)
        return {name: value.to(self.device) for name, value in drawn.items()}

    def loss(self, call: Call, batch: Batch, switches: Batch) -> Tensor:
        """See `rollout.loss`."""
        return rollout.loss(call, batch, switches)

    def errors(self, call: Call, split: str, switches: Batch) -> dict[str, Tensor]:
        """Errors on each unseen episode, foreseen from its branch.

        `error_1s` and `error_2s`: mean distance of the objects that move, m; `action_missed` over
        `action_total` and `removal_missed` over `removal_total` are the squared effect ratios.
        """
        windows = self.held_out(split)
        pusher = self.configuration.pusher
        found = {kind: outlook(call, windows, kind, switches, pusher) for kind in KINDS}
        factual = found["factual"]
        apart = distance(factual.answer, factual.truth)
        first = branch_batch(windows, "factual")["truth"][:, HISTORY - 1 : HISTORY]
        moving = (distance(factual.truth, first) > 0.01).any(dim=1).float() * factual.present
        result = {
            f"error_{seconds}s": (apart[:, 10 * seconds - 1] * moving).sum(dim=-1)
            / moving.sum(dim=-1).clamp(min=1)
            for seconds in (1, 2)
        }
        for name, kind in (("removal", KINDS[1]), ("action", KINDS[2])):
            made = effect(factual, found[kind])
            result[f"{name}_missed"], result[f"{name}_total"] = made.missed, made.total
        return result

    def held_out(self, split: str) -> Windows:
        """Episodes of a split with few objects."""
        if split not in self._held_out:
            self._held_out[split] = Windows(episodes(split, "few"))
        return self._held_out[split]

    def recipe(self) -> dict[str, Any]:
        """How the data are made."""
        return {
            "world": "rigid bodies in MuJoCo (perception_models/cjepa/scenes.py)",
            "interval_s": INTERVAL,
            "objects": {name: list(counts) for name, counts in dataset.CROWDS.items()},
            "episodes": SPLITS,
            "interventions": "each episode again without an object and without the push",
            "training": f"windows turned at random, {self.configuration.batch} a batch",
            "tosses": "real ones of a cube (DAIRLab/dair_pll, BSD-3-Clause), 280 of 400"
            if toss_file()
            else "none: the file of real ones is missing",
        }

    def signature(self) -> Signature:
        """Three frames of the objects and four of the robot in, three frames out."""
        scene = example()
        dynamic = {name: {0: "batch"} for name in scene}
        for name, axis in {"states": 2, "beliefs": 2, "known": 2, "size": 1, "roundness": 1,
                           "physics": 1, "present": 1}.items():  # fmt: skip
            dynamic[name][axis] = "objects"
        outputs = ("next_states", "log_deviations")
        return Signature(scene, outputs, dynamic, ranges=RANGES)


def example() -> dict[str, Tensor]:
    """Two scenes of three objects, by input."""
    windows = Windows(episodes(VALIDATION, "few", 100))
    batch = windows.draw(2, 1, stream("cjepa", "example"))
    switches = {name: torch.tensor(value) for name, value in ABLATIONS[FULL].items()}
    seen, beliefs, size = rollout.observed(batch, switches)
    return {
        "states": seen[:, :HISTORY],
        "beliefs": beliefs[:, :HISTORY],
        "known": 1 - rollout.masked(batch, switches),
        "size": size,
        "roundness": rollout.believed_roundness(batch, switches),
        "physics": batch["physics"],
        "present": batch["present"],
        "robot": batch["robot"][:, :FRAMES],
        "interval": batch["interval"],
    }
