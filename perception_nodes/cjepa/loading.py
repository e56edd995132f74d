"""The world model that comes with the program, or another one."""

from __future__ import annotations

from pathlib import Path

from perception_nodes.cjepa.calibration import CALIBRATION, read_calibration
from perception_nodes.cjepa.model import WorldModel
from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import read_card, weights_folder

CARD = "cjepa.yaml"


def load_world_model(
    folder: Path | None = None, device: str = "auto", precision: str = "auto"
) -> WorldModel:
    """Check and load `cjepa.onnx` with its calibration.

    Args:
        folder: Where they are; by default those that come with the program.
        device: "auto", "tensorrt", "cuda" or "cpu".
        precision: "auto", "single" or "half".

    Raises:
        ModelError: A file is missing, or the network is not the one of its card.
    """
    folder = folder or weights_folder()
    calibration = read_calibration(folder / CALIBRATION)
    # so small a network only waits for a second thread
    network = load_network(folder / CARD, device, threads=1, precision=precision)
    return WorldModel(network, calibration)


def network_hash(folder: Path | None = None) -> str:
    """SHA-256 of the network as its card says: which one a figure is of.

    Raises:
        ModelError: There is no card.
    """
    return read_card((folder or weights_folder()) / CARD).sha256
