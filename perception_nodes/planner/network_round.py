"""One round of sampling as a network: what `iteration` computes with NumPy, in a single call.

The graph (`models/weights/planner.onnx`, by `python -m perception_models.planner.build`) is traced
from the same lines. It holds for the default `Moves`, `Physics` and `Weights` only.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import ModelError
from perception_nodes.inference.loading import load_network
from perception_nodes.inference.network import Network
from perception_nodes.inference.providers import order, why_not
from perception_nodes.inference.runtime import onnxruntime
from perception_nodes.planner.blocks import Blocks
from perception_nodes.planner.candidates import Moves
from perception_nodes.planner.cost import Aim
from perception_nodes.planner.iteration import Search
from perception_nodes.planner.prior import Physics, things

NAME = "planner"
FILE = "planner.onnx"
ELITES = 8
PARTS = 2
"""Rectangles that a footprint may have in the graph."""
_CPU = "cpu"
_NONE = (0.0, 0.0, -1e3, -1e3, 0.0)


class Round(NamedTuple):
    """Candidates (B, D), their costs (B,), and where to look next."""

    candidates: Floats
    costs: Floats
    following: Search


class NetworkRound:
    """Draws, foresees, judges and narrows down.

    Args:
        network: The graph.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def draw(
        self, search: Search, least: Floats, noise: Floats, blocks: Blocks, aim: Aim, height: float
    ) -> Round:
        """One round from noise (B, D); `least` (D,) is the least deviation."""
        still = things(blocks, Physics(), Moves().interval)
        padding = np.tile(_NONE, (len(blocks.ids), PARTS - blocks.parts.shape[1], 1))
        answer = self._network.run(
            {
                "mean": search.mean,
                "deviation": search.deviation,
                "least": least,
                "noise": noise,
                "poses": blocks.poses,
                "velocities": blocks.velocities,
                "spread": blocks.deviation,
                **still._asdict(),
                "parts": np.concatenate((still.parts, padding), axis=1),
                "chosen": aim.chosen,
                "goal": aim.pose,
                "turn": aim.turn.reshape(1),
                "area": aim.area,
                "clearance": aim.clearance.reshape(1),
                "height": np.array([height]),
            }
        )
        found = {name: value.astype(np.float64) for name, value in answer.items()}
        following = Search(found["next_mean"], found["next_deviation"])
        return Round(found["candidates"], found["costs"], following)

    def judge(self, candidates: Floats, blocks: Blocks, aim: Aim, height: float) -> Floats:
        """(B,) costs of given candidates (B, D)."""
        size = candidates.shape[1]
        nothing = Search(np.zeros(size), np.ones(size))
        noise = np.concatenate((np.zeros((1, size)), candidates))
        fill = max(ELITES - len(noise), 0)
        noise = np.concatenate((noise, np.zeros((fill, size))))
        found = self.draw(nothing, np.zeros(size), noise, blocks, aim, height)
        return found.costs[1 : 1 + len(candidates)]


def on_gpu(models: Path, device: str) -> tuple[NetworkRound | None, str]:
    """The graph on the fastest GPU provider that works, or None where NumPy shall compute.

    On a CPU the graph takes two to six times as long as NumPy (docs/evidence/inference.md).

    Args:
        models: Folder of networks and cards.
        device: One of `perception_nodes.inference.providers.DEVICES`.

    Returns:
        It, and what computes and why, in one line.

    Raises:
        ModelError: The graph is not that of its card.
        ConfigurationError: There is no such device.
    """
    wanted = [name for name in order(device) if name != _CPU]
    if not wanted:
        return None, "NumPy, as the parameter device asks"
    try:
        runtime = onnxruntime()
    except ModelError as error:  # plans need no network
        return None, f"NumPy: {error.message}"
    reasons = [why_not(runtime, name) for name in wanted]
    if all(reasons):
        return None, f"NumPy: {reasons[-1]}"
    network = load_network(models / f"{NAME}.yaml", device)
    if network.device == _CPU:
        return None, f"NumPy: {'; '.join(network.fallbacks.values())}"
    return NetworkRound(network), f"{NAME}.onnx on {network.device}"
