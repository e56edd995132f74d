"""The exported world model in the place of a torch network, to measure what is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import torch
from torch import Tensor

from perception_models.cells import FULL, Batch, Call
from perception_models.cjepa.task import ABLATIONS
from perception_nodes.model_cards import weights_folder

NAMES = ("states", "beliefs", "known", "size", "physics", "present", "robot", "interval")
"""Inputs of the network, in order."""


def shipped(folder: Path | None = None) -> Call:
    """`cjepa.onnx` of a folder (by default the program's own), one thread, torch in and out."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = (folder or weights_folder()) / "cjepa.onnx"
    session: Any = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )

    def call(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        fed = {name: x.contiguous().numpy() for name, x in zip(NAMES, inputs, strict=True)}
        states, deviations = session.run(None, fed)
        return torch.from_numpy(states), torch.from_numpy(deviations)

    return call


def as_shipped() -> Batch:
    """The switches of the shipped ablation."""
    return {name: torch.tensor(value) for name, value in ABLATIONS[FULL].items()}
