"""The exported world model in the place of a torch network, to measure what is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from perception_models.cells import FULL, Batch, Call
from perception_models.cjepa.task import ABLATIONS
from perception_nodes.arrays import Floats
from perception_nodes.cjepa.turning import averaged
from perception_nodes.model_cards import weights_folder

NAMES = (
    "states",
    "beliefs",
    "known",
    "size",
    "roundness",
    "physics",
    "present",
    "robot",
    "interval",
)
"""Inputs of the network, in order."""


def shipped(folder: Path | None = None, turned: bool = True) -> Call:
    """`cjepa.onnx` of a folder (by default the program's own) as it is asked at run time.

    One thread, torch in and out; averaged over quarter turns (`perception_nodes.cjepa.turning`)
    unless `turned` is false, which is how plans ask.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = (folder or weights_folder()) / "cjepa.onnx"
    session: Any = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )

    def run(fed: dict[str, Any]) -> dict[str, Any]:
        return dict(zip(("next_states", "log_deviations"), session.run(None, fed), strict=True))

    def call(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        fed = {name: x.contiguous().numpy() for name, x in zip(NAMES, inputs, strict=True)}
        found = averaged(run, fed) if turned else run(fed)
        return _tensor(found["next_states"]), _tensor(found["log_deviations"])

    return call


def _tensor(values: Floats) -> Tensor:
    return torch.from_numpy(np.asarray(values)).float()


def as_shipped() -> Batch:
    """The switches of the shipped ablation."""
    return {name: torch.tensor(value) for name, value in ABLATIONS[FULL].items()}
