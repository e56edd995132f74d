"""What one step of the world model costs, beside a predictor over patch tokens.

    python bench/cjepa_cost.py

Both run in ONNX Runtime, one thread, one after the other in turn, with random weights for the
patch predictor: three frames of 196 tokens (14 x 14 patches, as DINO-WM), the same width and depth.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from common import write_result
from torch import Tensor, nn

from perception_models.cjepa.network import FRAMES
from perception_models.cjepa.task import CjepaTask, Configuration, example
from perception_models.export import export
from perception_models.networks.transformer import Block
from perception_models.task import Signature
from perception_nodes.cjepa.loading import network_hash
from perception_nodes.model_cards import weights_folder

PATCHES, HISTORY = 196, 3
BATCHES = (1, 64, 300)


class PatchPredictor(nn.Module):
    """A transformer over the patch tokens of three frames that foresees the next frame's."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(HISTORY * PATCHES, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads, 2) for _ in range(depth))
        self.head = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, 588, D] to [B, 196, D]."""
        tokens = tokens + self.place
        for block in self.blocks:
            tokens = block(tokens)
        answer: Tensor = self.head(tokens[:, -PATCHES:])
        return answer


def timed(session: Any, inputs: dict[str, Any], repeats: int) -> float:
    """Median milliseconds of one run."""
    session.run(None, inputs)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        session.run(None, inputs)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times))


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.parse_args()
    torch.set_num_threads(1)
    c = Configuration()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        patches = PatchPredictor(c.width, c.heads, c.depth)
        tokens = torch.randn(2, HISTORY * PATCHES, c.width)
        signature = Signature({"tokens": tokens}, ("next",), {"tokens": {0: "batch"}})
        path = export(patches, signature, Path(folder) / "patches.onnx").path
        other = onnxruntime.InferenceSession(str(path), options)
    session = onnxruntime.InferenceSession(str(weights_folder() / "cjepa.onnx"), options)
    scene = {name: x[:1].numpy() for name, x in example().items()}
    objects = scene["size"].shape[1]
    rows = {}
    for batch in BATCHES:
        repeats = 20 if batch == 1 else 3
        mine = {name: np.repeat(x, batch, axis=0) for name, x in scene.items()}
        few = min(batch, 64)  # 300 would need gigabytes for the attention of the patches
        theirs = {"tokens": np.repeat(tokens[:1].numpy(), few, axis=0)}
        rows[str(batch)] = {
            "objects_ms": round(timed(session, mine, repeats), 2),
            "patches_ms": round(timed(other, theirs, repeats) * batch / few, 2),
        }
        print(batch, rows[str(batch)], flush=True)
    network = CjepaTask(c, torch.device("cpu")).network()
    figures = {
        "objects": {
            "tokens": FRAMES * (objects + 1) + FRAMES,
            "parameters": sum(p.numel() for p in network.parameters()),
        },
        "patches": {
            "tokens": HISTORY * PATCHES,
            "parameters": sum(p.numel() for p in patches.parameters()),
        },
        "ms": rows,
    }
    write_result("cjepa_cost", {"network": network_hash(), **figures})


if __name__ == "__main__":
    main()
