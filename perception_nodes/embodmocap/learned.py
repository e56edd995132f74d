"""Keypoints from the network that comes with the program; no image outlives the call."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from perception_nodes.arrays import Bytes
from perception_nodes.embodmocap.interface import Keypoints
from perception_nodes.embodmocap.keypoints import COARSE, FINE, Decoding, decode
from perception_nodes.embodmocap.skeleton import COUNT
from perception_nodes.errors import ModelError
from perception_nodes.inference.network import Network
from perception_nodes.scene import Frame

NETWORK = "keypoints"
"""Name of its card."""
_GRAY = 112


class LearnedKeypoints:
    """Finds everyone's joints in a color image; a `KeypointSource`.

    Args:
        network: Takes `image` (1, h, w, 3) uint8 RGB and gives `maps` (1, 18, h/4, w/4) and
            `offsets` (1, 34, ~h/8, ~w/8), see `keypoints.decode`.
        rule: What counts as found.

    Raises:
        ModelError: The network has other inputs or outputs.
    """

    def __init__(self, network: Network, rule: Decoding | None = None) -> None:
        self._height, self._width = _size(network)
        self._network = network
        self._rule = rule or Decoding()

    @property
    def model_id(self) -> str:
        """Name and version of the network."""
        return self._network.model_id

    def find(self, frame: Frame) -> Keypoints:
        """The keypoints of a frame, in the pixels of its image.

        Raises:
            ModelError: The device failed.
        """
        image, scale = fitted(frame.color, self._width, self._height)
        found = self._network.run({"image": image[None]})
        pixels, confidence = decode(found["maps"][0], found["offsets"][0], self._rule)
        pixels = (pixels + 0.5) / scale - 0.5
        height, width = frame.color.shape[:2]
        within = (pixels > -0.5) & (pixels < np.array([width - 0.5, height - 0.5]))
        inside = np.asarray(within.all(axis=-1))
        pixels = np.where(inside[..., None], pixels, np.nan)
        confidence = np.where(inside, confidence, 0.0)
        return Keypoints(frame.stamp, frame.camera_name, pixels, confidence)

    def reset(self) -> None:
        """Nothing is remembered."""


def learned_keypoints(
    device: str = "auto", models: Path | None = None, precision: str = "auto"
) -> LearnedKeypoints:
    """The shipped network, loaded and warm.

    Args:
        device: What it runs on, one of `perception_nodes.inference.providers.DEVICES`.
        models: Folder of networks and cards; None for those that come with the program.
        precision: One of `perception_nodes.inference.precision.PRECISIONS`.

    Raises:
        ModelError: It is missing, not what its card says, or can't be loaded.
    """
    from perception_nodes.inference.loading import load_network
    from perception_nodes.model_cards import weights_folder

    card = (models or weights_folder()) / f"{NETWORK}.yaml"
    return LearnedKeypoints(load_network(card, device, precision=precision))


def fitted(image: Bytes, width: int, height: int) -> tuple[Bytes, float]:
    """An image as large as fits, at the upper left of gray; and its scale."""
    rows, columns = image.shape[:2]
    scale = min(width / columns, height / rows)
    if (rows, columns) == (height, width):
        return image, 1.0
    size = (min(round(columns * scale), width), min(round(rows * scale), height))
    way = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    result = np.full((height, width, 3), _GRAY, np.uint8)
    result[: size[1], : size[0]] = cv2.resize(image, size, interpolation=way)
    return result, scale


def _size(network: Network) -> tuple[int, int]:
    """Height and width of the images that a network takes."""
    given, made = network.inputs, network.outputs
    shape = given.get("image", ())
    if tuple(given) == ("image",) and len(shape) == 4 and set(made) >= {"maps", "offsets"}:
        height, width = shape[1:3]
        if isinstance(height, int) and isinstance(width, int):
            maps = (1, COUNT + 1, height // FINE, width // FINE)
            offsets = (1, 2 * COUNT, height // COARSE, width // COARSE)
            if tuple(made["maps"]) == maps and tuple(made["offsets"]) == offsets:
                return height, width
    raise ModelError(
        f"{network.model_id} finds no keypoints: it takes {dict(given)} and gives {dict(made)}",
        "export it again with `permanence train keypoints`; docs/embodmocap.md tells how to use "
        "other networks",
    )
