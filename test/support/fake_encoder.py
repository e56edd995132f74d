"""A slot encoder for tests: objects are the colors that are not gray; it notes what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from perception_kernels.unproject import unproject
from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.scene import LATENT_SIZE

SLOTS, QUERY, MEMORY, TOKENS, WIDTH, PHASES = 16, 8, 4, 300, 12, 24
_MIN_PIXELS = 100  # fewer are mixtures at edges
Shapes = dict[str, tuple[int | str, ...]]


class FakeEncoder:
    """Has the interface of the network, with masks exact up to the size of their cells.

    Attributes:
        inputs, outputs: Shapes by name; tests change them.
        given: What `run` was called with, call by call.
        objectness: Of the slots that show something.
    """

    model_id = "fake-1"

    def __init__(self) -> None:
        self.inputs: Shapes = {
            "color": (1, 240, 320, 3),
            "depth": (1, 240, 320),
            "camera": (1, 4),
            "rays": (1, TOKENS, 3, 3),
            "place": (1, TOKENS, PHASES, 2),
            "memory": (1, MEMORY, TOKENS, WIDTH),
            "memory_rays": (1, MEMORY, TOKENS, 3, 3),
            "memory_place": (1, MEMORY, TOKENS, PHASES, 2),
            "memory_valid": (1, MEMORY),
            "previous_query": (1, SLOTS, QUERY),
            "previous_center": (1, SLOTS, 3),
            "previous_valid": (1, SLOTS),
        }
        self.outputs: Shapes = {
            "masks": (1, SLOTS + 1, 60, 80),
            "objectness": (1, SLOTS),
            "latent": (1, SLOTS, LATENT_SIZE),
            "center": (1, SLOTS, 3),
            "query": (1, SLOTS, QUERY),
            "tokens": (1, TOKENS, WIDTH),
        }
        self.given: list[dict[str, Any]] = []
        self.objectness = 0.9

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Slots in the order in which the colors appear in the image."""
        for name, shape in self.inputs.items():
            assert inputs[name].shape == shape, f"{name}: {inputs[name].shape}"
            assert np.isfinite(inputs[name]).all(), name
        self.given.append({name: np.array(value) for name, value in inputs.items()})
        found = {name: np.zeros(shape, np.float32) for name, shape in self.outputs.items()}  # type: ignore[arg-type]
        color = inputs["color"][0].astype(int)
        camera = Camera(320, 240, *(float(v) for v in inputs["camera"][0]))
        points = unproject(inputs["depth"][0], camera.rays())
        codes = color @ [1 << 16, 1 << 8, 1]
        codes[np.ptp(color, axis=2) == 0] = 0
        shown, pixels = np.unique(codes[codes > 0], return_counts=True)
        for slot, code in enumerate(shown[pixels >= _MIN_PIXELS][:SLOTS]):
            mask = codes == code
            found["masks"][0, slot + 1] = cv2.resize(
                mask.astype(np.float32), (80, 60), interpolation=cv2.INTER_AREA
            )
            found["objectness"][0, slot] = self.objectness
            found["latent"][0, slot] = latent(int(code))
            seen = mask & (points[..., 2] > 0)
            found["center"][0, slot] = points[seen].mean(axis=0) if seen.any() else 0.0
            found["query"][0, slot] = code % 97
        found["masks"][0, 0] = 1.0 - found["masks"][0, 1:].sum(axis=0)
        found["tokens"][0] = points[::16, ::16].reshape(TOKENS, 3)[:, [0, 1, 2] * 4]
        return found

    def facts(self) -> Mapping[str, str]:
        """What a network says of itself."""
        return {"device": "fake"}


def latent(code: int) -> Floats:
    """The unit vector of a color."""
    vector = np.random.default_rng(code).normal(size=LATENT_SIZE)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
