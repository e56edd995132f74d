"""Slots from a user's own detector: boxes or masks in the color image, places from depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.scene import MAX_SLOTS, Frame, Slots
from perception_nodes.viewrope.depth_finder import MAX_EXTENT
from perception_nodes.viewrope.description import describe, upward
from perception_nodes.viewrope.planes import Background, Plane, find_background
from perception_nodes.viewrope.surface import Surface, prepare

_CENTER = 0.3  # of the box: how far from its center a thing that fills it is seen
_SAME_THING = 0.03  # m, step in depth within one object
_INNER = (0.05, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What a detector found.

    Attributes:
        box: (left, top, right, bottom) in pixels of the frame's color image.
        score: 0..1.
        mask: (H, W) the pixels of the object, of the size of the color image; None if the detector
            gives boxes only: then depth decides which pixels of the box belong to it.
    """

    box: tuple[float, float, float, float]
    score: float = 1.0
    mask: Bools | None = None


class Detector(Protocol):
    """A detector of a user; any object with these two members will do."""

    @property
    def name(self) -> str:
        """Part of the model id of the slots."""
        ...

    def detect(self, frame: Frame) -> Sequence[Detection]:
        """What a frame shows; it may look at the color image, the depth image, or both."""
        ...


class GivenDetections:
    """A detector that runs elsewhere: `current` are its detections in the frame at hand."""

    name = "given"

    def __init__(self) -> None:
        self.current: Sequence[Detection] = ()

    def detect(self, frame: Frame) -> Sequence[Detection]:  # noqa: ARG002 -- as the protocol has it
        """Return what was given for this frame."""
        return self.current


class DetectionFinder:
    """Turns detections into slots.

    Args:
        detector: Finds objects in the color image.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._planes: dict[str, tuple[Plane, ...]] = {}
        self._lost = 0

    @property
    def model_id(self) -> str:
        """Names the detector; its slots have no latents."""
        return f"detections-{self._detector.name}"

    def reset(self) -> None:
        """Forget the planes of the previous frame."""
        self._planes.clear()

    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know."""
        if not self._lost:
            return ()
        text = "detections were not used: no depth there, or only what better ones cover"
        return (f"{self._lost} {text}",)

    def facts(self) -> Mapping[str, str]:
        """How many detections could not be used."""
        return {"detections not used": str(self._lost)}

    def find(self, frame: Frame) -> Slots:
        """Return the detections of a frame as slots, the best first and 16 at most."""
        found = sorted(self._detector.detect(frame), key=lambda d: -d.score)[:MAX_SLOTS]
        surface = prepare(frame.depth, frame.camera)
        planes = self._planes.get(frame.camera_name, ())
        background = find_background(surface, upward(frame), planes, MAX_EXTENT)
        self._planes[frame.camera_name] = (*background.supports, *background.walls)
        regions = np.zeros(surface.disparity.shape, dtype=np.int32)
        for number, detection in enumerate(found, 1):
            mask = pixels_of(detection, surface, background)
            regions[mask & (regions == 0)] = number
        scores = [min(1.0, max(0.0, detection.score)) for detection in found]
        slots, _ = describe(
            frame, surface, background, regions, scores, [None] * len(found), self.model_id
        )
        self._lost += len(found) - len(slots.items)
        return slots


def pixels_of(detection: Detection, surface: Surface, background: Background) -> Bools:
    """(h, w) the pixels of a detection at the resolution of the surface.

    Of a box, these are the surface that fills its middle, up to where depth steps, without the
    planes that things stand on; and pieces within the box that lie as deep.
    """
    shape = surface.disparity.shape
    if detection.mask is not None:
        small = cv2.resize(
            detection.mask.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST
        )
        return np.asarray(small > 0)
    result = np.zeros(shape, dtype=bool)
    window = _window(detection, surface)
    inside = surface.valid[window] & ~background.mask[window]
    if inside.any():
        result[window] = _filling(surface, window, inside)
    return result


Window = tuple[slice, slice]


def _window(detection: Detection, surface: Surface) -> Window:
    """Rows and columns of a box, within the image."""
    left, top, right, bottom = (value / surface.factor for value in detection.box)
    height, width = surface.disparity.shape
    edges = []
    for low, high, size in ((top, bottom, height), (left, right, width)):
        first = int(np.clip(np.floor(low + 0.5), 0, size))
        edges.append(slice(first, int(np.clip(np.ceil(high), first, size))))
    return edges[0], edges[1]


def _filling(surface: Surface, window: Window, inside: Bools) -> Bools:
    """The part of a window that the object in its middle covers."""
    parts = _connected(surface.right[window], surface.down[window], inside)
    weight = np.outer(*(_bell(size) for size in inside.shape)) * inside
    votes = np.bincount(parts.ravel(), weight.ravel())
    best = int(votes.argmax())
    depth = surface.points[..., 2][window]
    low, high = np.quantile(depth[(parts == best) & inside], _INNER)
    count = np.bincount(parts[inside], minlength=len(votes))
    middle = np.bincount(parts[inside], depth[inside], len(votes)) / np.maximum(count, 1)
    same = (count > 0) & (middle > low - _SAME_THING) & (middle < high + _SAME_THING)
    same[best] = True
    return np.asarray(same[parts] & inside)


def _connected(right: Bools, down: Bools, inside: Bools) -> Ints:
    """(h, w) number of the connected surface of each pixel; those outside are on their own."""
    index = np.arange(inside.size).reshape(inside.shape)
    across = right[:, :-1] & inside[:, :-1] & inside[:, 1:]
    along = down[:-1] & inside[:-1] & inside[1:]
    first = np.concatenate((index[:, :-1][across], index[:-1][along]))
    second = np.concatenate((index[:, 1:][across], index[1:][along]))
    links = coo_array((np.ones(len(first), bool), (first, second)), (inside.size, inside.size))
    return np.asarray(connected_components(links, directed=False)[1].reshape(inside.shape))


def _bell(size: int) -> Floats:
    place = (np.arange(size) + 0.5) / size - 0.5
    return np.asarray(np.exp(-0.5 * np.square(place / _CENTER)))
