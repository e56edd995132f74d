"""What real RGB-D cameras do to a perfect image."""

from __future__ import annotations

import cv2
import numpy as np

from perception_nodes.arrays import Bools, Bytes, Floats
from perception_simulation.specification import DepthSensor

_EDGE_STEP, _EDGE_SLOPE = 0.02, 0.03
_TILE = 32


class CameraNoise:
    """Errors of one camera: every frame has its own, and the same frame always the same.

    Noise and steps grow with the square of the distance, as they do wherever depth comes from
    disparity (structured light and stereo: Khoshelham and Elberink 2012; Nguyen et al. 2012).

    Args:
        sensor: How strong the errors are.
        seed: Of the scene.
        index: Of the camera in the scene.
    """

    def __init__(self, sensor: DepthSensor, seed: int, index: int) -> None:
        self._sensor = sensor
        self._key = (seed, index)
        self._grain: Floats | None = None

    def depth(self, perfect: Floats, number: int) -> Floats:
        """The measured depth of frame `number`.

        Args:
            perfect: (H, W) float32, meters; NaN where there is nothing.
            number: Of the frame, from 0.

        Returns:
            (H, W) float32, meters; NaN where there is no reading.
        """
        sensor = self._sensor
        rng = np.random.default_rng((*self._key, number))
        edges = _edges(perfect)
        depth = self._frayed(perfect, edges, rng)
        if sensor.axial_noise > 0.0:
            noise = rng.standard_normal(depth.shape, dtype=np.float32)
            depth = depth + np.float32(sensor.axial_noise) * noise * depth * depth
        if sensor.quantization > 0.0:
            step = np.float32(sensor.quantization)
            depth = 1.0 / (np.rint(1.0 / (depth * step)) * step)
        chance = rng.random(depth.shape, dtype=np.float32)
        lost = chance < sensor.dropouts
        if sensor.edge_holes > 0.0:
            lost |= edges & (chance < sensor.edge_holes)
        # NaN compares false, so that pixels without a surface are lost as well
        lost |= ~((depth >= sensor.minimum) & (depth <= sensor.maximum))
        return np.where(lost, np.float32(np.nan), depth).astype(np.float32, copy=False)

    def color(self, perfect: Bytes, number: int) -> Bytes:
        """The noisy color image (H, W, 3) of frame `number`."""
        if self._sensor.color_noise <= 0.0:
            return perfect
        height, width = perfect.shape[:2]
        if self._grain is None:
            size = (height + _TILE, width + _TILE, 3)
            grain = np.random.default_rng(self._key).normal(0.0, self._sensor.color_noise, size)
            self._grain = np.rint(grain).astype(np.int16)
        # a window of one large pattern: fresh noise would cost more than the rendering
        row, column = np.random.default_rng((*self._key, number, 1)).integers(0, _TILE, 2)
        noise = self._grain[row : row + height, column : column + width]
        noisy: Bytes = np.asarray(cv2.add(perfect, noise, dtype=cv2.CV_8U))
        return noisy

    def _frayed(self, depth: Floats, edges: Bools, rng: np.random.Generator) -> Floats:
        """Pixels at edges look a little beside their place, at one surface or the other."""
        if self._sensor.lateral_noise <= 0.0:
            return depth
        row, column = np.nonzero(edges)
        shift = np.rint(rng.normal(0.0, self._sensor.lateral_noise, (2, len(row)))).astype(int)
        beside = (
            np.clip(row + shift[0], 0, depth.shape[0] - 1),
            np.clip(column + shift[1], 0, depth.shape[1] - 1),
        )
        frayed = depth.copy()
        frayed[row, column] = depth[beside]
        return frayed


def _edges(depth: Floats) -> Bools:
    """Pixels on both sides of a jump in depth."""
    filled = np.nan_to_num(depth, nan=1e3)
    limit = _EDGE_STEP + _EDGE_SLOPE * filled
    edges = np.zeros(depth.shape, dtype=bool)
    across = np.abs(np.diff(filled, axis=1)) > np.minimum(limit[:, 1:], limit[:, :-1])
    down = np.abs(np.diff(filled, axis=0)) > np.minimum(limit[1:], limit[:-1])
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges
