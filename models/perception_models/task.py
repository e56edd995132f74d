"""What the trainer must know of a model: its network, data, loss, errors and how to describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from perception_models.cells import Batch, Call
from perception_models.configuration import TrainingConfiguration

VALIDATION = "validation"
"""Episodes that choose the seed to ship and pace the curriculum."""
TEST = "test"
"""Episodes that only the figures on the card come from."""


@dataclass(frozen=True)
class Signature:
    """How a network is exported.

    Attributes:
        inputs: Example of each input by name, in the order of `forward`.
        outputs: Names of the outputs.
        dynamic: Per input the axes whose size is free, with a name each; others are static.
        tolerance: Largest difference of the exported network's outputs, relative to the largest
            output; the default allows for rounding of single precision.
        ranges: Per name of a free size the least, the usual and the largest it is used with.
    """

    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    dynamic: dict[str, dict[int, str]]
    tolerance: float = 1e-4
    ranges: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)


class Task(Protocol):
    """A model that `permanence train` can train.

    Attributes:
        name: Of the model and its files.
        summary: One sentence for the card.
        limits: What the model can't do, for the card.
        ablations: Per name the switches that the loss is told; "full" takes nothing away.
        metric: The error by which models are compared; smaller is better.
    """

    name: str
    summary: str
    limits: str
    ablations: Mapping[str, Mapping[str, float]]
    metric: str

    def __init__(self, configuration: Any, device: torch.device) -> None: ...

    @property
    def configuration(self) -> TrainingConfiguration:
        """What it was made with."""

    def network(self) -> nn.Module:
        """A new network, initialized from torch's global generator."""

    def batch(self, step: int, seed: int, horizon: int) -> Batch:
        """The episodes of a step: a function of the arguments alone, so that runs can resume."""

    def loss(self, call: Call, batch: Batch, switches: Batch) -> Tensor:
        """The loss of one cell, a scalar."""

    def errors(self, call: Call, split: str, switches: Batch) -> dict[str, Tensor]:
        """Errors by name, each [episodes], on unseen episodes; `metric` is among them."""

    def recipe(self) -> dict[str, Any]:
        """How the data are made, for the card; plain values."""

    def signature(self) -> Signature:
        """Inputs and outputs of the exported network."""
