"""Keypoints from networks that look at one person at a time, such as RTMPose and ViTPose.

Their files are the user's; a detector of people, also the user's, says where to look. A network
takes one cut of the image per person and gives, per joint, a heat map (Xiao et al. 2018,
arXiv:1804.06208) or scores over columns and over rows ("SimCC", Li et al. 2022, arXiv:2107.03332).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.embodmocap.interface import Keypoints
from perception_nodes.embodmocap.skeleton import COUNT
from perception_nodes.errors import ModelError
from perception_nodes.inference.network import Network
from perception_nodes.scene import Frame

Boxes = Callable[[Frame], Floats]
"""Where people are in a frame: (P, 4) left, top, right, bottom, pixels."""
_ENLARGED = 1.25


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a network wants its pixels: (value - mean) / deviation, RGB; ImageNet's by default."""

    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    deviation: tuple[float, float, float] = (58.395, 57.12, 57.375)


class TopDownKeypoints:
    """Finds joints in boxes; a `KeypointSource`.

    Args:
        network: One input (N or 1, 3, h, w) float; either one output (N, 17, h', w') of heat maps,
            or two, (N, 17, a w) and (N, 17, b h), of SimCC, with any a and b.
        boxes: The detector of people.
        scaling: Of pixels.

    Raises:
        ModelError: The network has other inputs or outputs.
    """

    def __init__(self, network: Network, boxes: Boxes, scaling: Scaling | None = None) -> None:
        self._network, self._boxes = network, boxes
        self._scaling = scaling or Scaling()
        self._input, self._height, self._width = _input(network)

    @property
    def model_id(self) -> str:
        """Name and version of the network."""
        return self._network.model_id

    def find(self, frame: Frame) -> Keypoints:
        """The joints in each box; a box that is empty or not finite gives nobody.

        Raises:
            ModelError: The device failed.
        """
        boxes = np.asarray(self._boxes(frame), dtype=np.float64).reshape(-1, 4)
        sides = boxes[:, 2:] - boxes[:, :2]
        boxes = boxes[np.isfinite(boxes).all(axis=1) & (sides > 1.0).all(axis=1)]
        pixels, confidence = np.empty((len(boxes), COUNT, 2)), np.zeros((len(boxes), COUNT))
        for k, box in enumerate(boxes):
            matrix = cut_matrix(box, self._width, self._height)
            outputs = self._network.run({self._input: self._cut(frame.color, matrix)})
            found, confidence[k] = read_outputs(
                [np.asarray(outputs[name][0]) for name in self._network.outputs],
                self._width,
                self._height,
            )
            pixels[k] = (found - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        pixels[confidence <= 0.0] = np.nan
        return Keypoints(frame.stamp, frame.camera_name, pixels, confidence)

    def reset(self) -> None:
        """Nothing is remembered."""

    def _cut(self, image: Bytes, matrix: Floats) -> Floats:
        cut = cv2.warpAffine(image, matrix, (self._width, self._height)).astype(np.float32)
        scaled = (cut - self._scaling.mean) / self._scaling.deviation
        return np.asarray(scaled.transpose(2, 0, 1)[None], dtype=np.float32)


def load_topdown(path: Path, boxes: Boxes, device: str = "auto") -> TopDownKeypoints:
    """A network of the user's, from its ONNX file.

    A card is written beside a file that has none, from what the file itself says; from then on
    another file under the same name is refused.

    Raises:
        ModelError: The file can't be read or loaded, or has other inputs or outputs.
    """
    from perception_nodes.inference.loading import load_network
    from perception_nodes.inference.runtime import onnxruntime
    from perception_nodes.model_cards import Card, sha256, signature, write_card

    card = path.with_suffix(".yaml")
    if not card.exists():
        try:
            session = onnxruntime().InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no base class but Exception
            raise ModelError(f"{path} can't be loaded: {error}", "give an ONNX file") from error
        inputs, outputs = signature(session)
        write_card(
            Card(
                name=path.stem, summary="Keypoints of one person in a box; a user's own network.",
                limits="Unknown here.", license="the user's", file=path.name,
                sha256=sha256(path), opset=0, inputs=inputs, outputs=outputs,
            ),
            card,
        )  # fmt: skip
    return TopDownKeypoints(load_network(card, device), boxes)


def cut_matrix(box: Floats, width: int, height: int) -> Floats:
    """(2, 3) from the image to the cut around a box, enlarged and given the cut's shape."""
    middle = (box[:2] + box[2:]) / 2.0
    across, along = _ENLARGED * (box[2:] - box[:2])
    scale = min(width / across, height / along)
    shift = np.array([(width - 1) / 2.0, (height - 1) / 2.0]) - scale * middle
    return np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])


def read_outputs(outputs: list[Floats], width: int, height: int) -> tuple[Floats, Floats]:
    """Joints of one person: (17, 2) pixels of the cut and (17,) confidence within 0..1.

    Args:
        outputs: [(17, h', w')] heat maps, or [(17, a w), (17, b h)] SimCC; NaN counts as nothing.
        width: Of the cut.
        height: Of the cut.
    """
    clean = [np.nan_to_num(np.asarray(x, np.float64), neginf=0.0, posinf=1.0) for x in outputs]
    if len(clean) == 1:
        rows, columns = clean[0].shape[1:]
        flat = clean[0].reshape(COUNT, -1)
        best = flat.argmax(axis=1)
        cells = np.stack([best % columns, best // columns], axis=1).astype(np.float64)
        cells += _quarter(clean[0], best // columns, best % columns)
        value, steps = flat.max(axis=1), np.array([width / columns, height / rows])
    else:
        cells = np.stack([x.argmax(axis=1) for x in clean], axis=1).astype(np.float64)
        value = np.minimum(clean[0].max(axis=1), clean[1].max(axis=1))
        steps = np.array([width / clean[0].shape[1], height / clean[1].shape[1]])
    return cells * steps, np.clip(value, 0.0, 1.0)


def _quarter(maps: Floats, rows: Floats, columns: Floats) -> Floats:
    """(17, 2) a quarter of a cell toward the higher neighbor, as is usual with heat maps."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    k, r, c = np.arange(len(maps)), rows.astype(int) + 1, columns.astype(int) + 1
    across = padded[k, r, c + 1] - padded[k, r, c - 1]
    along = padded[k, r + 1, c] - padded[k, r - 1, c]
    return np.asarray(0.25 * np.sign(np.stack([across, along], axis=1)))


def _input(network: Network) -> tuple[str, int, int]:
    """Name, height and width of the input."""
    given, made = network.inputs, list(network.outputs.values())
    heat = len(made) == 1 and len(made[0]) == 4
    simcc = len(made) == 2 and all(len(shape) == 3 for shape in made)
    joints = all(shape[1] == COUNT for shape in made) if heat or simcc else False
    if len(given) == 1 and joints:
        name, shape = next(iter(given.items()))
        if len(shape) == 4 and isinstance(shape[2], int) and isinstance(shape[3], int):
            return name, shape[2], shape[3]
    raise ModelError(
        f"{network.model_id} is no top-down network of 17 joints: it takes {dict(given)} and gives "
        f"{dict(network.outputs)}",
        "its input must be (1, 3, h, w), its outputs heat maps (1, 17, h', w') or the two of SimCC",
    )
