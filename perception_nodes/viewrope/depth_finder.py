"""Slots from depth alone: planes removed, the rest split at steps and concave creases."""

from __future__ import annotations

import cv2
import numpy as np

from perception_nodes.arrays import Ints
from perception_nodes.scene import MAX_SLOTS, Frame, Slot, Slots
from perception_nodes.viewrope.adjacency import Members
from perception_nodes.viewrope.description import SeenRegions, upward
from perception_nodes.viewrope.merging import merge
from perception_nodes.viewrope.pairs import find_pairs
from perception_nodes.viewrope.planes import Plane, find_background
from perception_nodes.viewrope.regions import outlines, plausible
from perception_nodes.viewrope.segmentation import CREASE, concavity, split
from perception_nodes.viewrope.surface import prepare

MODEL_ID = "depth-finder-1"
MAX_EXTENT = 1.0
"""What is larger than this, meters, is furniture or building."""
MAX_RANGE = 4.5
"""Beyond this, meters, depth cameras see where walls and furniture are, but not single objects."""

_MIN_EXTENT = 0.015
_SHEET = 0.008
_CUT = 0.06
_CUT_EXTENT = 0.6
_SCORE_PIXELS = 150.0


class DepthFinder:
    """Finds objects in a depth image without learning.

    An object is what stands out of the large planes: a surface that ends at steps in depth and at
    concave creases, while surfaces that meet in an outward edge belong together (Stein et al.,
    Object Partitioning using Local Convexity, CVPR 2014). The camera's pose, where it is known,
    tells which way is up.

    It can't see things flatter than about 1.5 cm, nor tell two things apart whose surfaces continue
    each other; what an occluder divides becomes two slots; things in a box may stick to its walls.

    Args:
        max_extent: What is larger than this is furniture or building and not reported, meters.
    """

    def __init__(self, max_extent: float = MAX_EXTENT) -> None:
        self._max_extent = max_extent
        self._planes: tuple[Plane, ...] = ()

    @property
    def model_id(self) -> str:
        """Names the source; its slots have no latents."""
        return MODEL_ID

    def reset(self) -> None:
        """Forget the planes of the previous frame."""
        self._planes = ()

    def find(self, frame: Frame) -> Slots:
        """Return the objects of a frame, the most certain ones where there are more than 16."""
        surface = prepare(frame.depth, frame.camera)
        background = find_background(surface, upward(frame), self._planes, self._max_extent)
        self._planes = (*background.supports, *background.walls)
        objects = surface.valid & ~background.mask
        pairs = find_pairs(surface, objects)
        bend = concavity(surface, objects)
        parts = split(surface, objects, bend > CREASE)
        labels = merge(surface, background, pairs, parts, bend)
        lines = outlines(pairs, labels)
        good = np.flatnonzero(plausible(surface, background, labels, lines))
        color = cv2.resize(frame.color, labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
        scene = SeenRegions(surface, background, labels, lines, np.asarray(color))
        return self._report(frame, scene, good)

    def _report(self, frame: Frame, scene: SeenRegions, good: Ints) -> Slots:
        """The regions of possible objects as slots, best first."""
        pixels_of = Members(scene.labels)
        scores = {
            int(region): _score(scene, int(region), int(pixels_of.sizes[region])) for region in good
        }
        labels = np.zeros(scene.labels.size, dtype=np.uint8)
        items: list[Slot] = []
        for region in sorted(scores, key=lambda r: -scores[r]):
            if len(items) == MAX_SLOTS:
                break
            slot = scene.slot(len(items), region, pixels_of[region], scores[region])
            if self._is_object(slot, float(scene.lines.at_border[region])):
                labels[pixels_of[region]] = slot.index + 1
                items.append(slot)
        return Slots(
            frame.stamp,
            frame.camera_name,
            frame.frame_id,
            labels.reshape(scene.labels.shape),
            tuple(items),
            MODEL_ID,
        )

    def _is_object(self, slot: Slot, at_border: float) -> bool:
        """Whether a slot is no furniture; `at_border` is the part of its outline that is there."""
        extents = np.sort(slot.size)
        # A sheet whose end is not seen is a piece of a table or wall, not a thing on it.
        sheet = extents[0] < _SHEET and slot.cut
        # Of what the image cuts off there is more than is seen.
        limit = self._max_extent * (_CUT_EXTENT if at_border > _CUT else 1.0)
        near = slot.pose.translation[2] <= MAX_RANGE
        return bool(near and extents[1] >= _MIN_EXTENT and extents[2] <= limit and not sheet)


def _score(scene: SeenRegions, region: int, pixels: int) -> float:
    """Objectness of a region of so many pixels, 0..1."""
    seen = 1.0 - float(np.exp(-pixels / _SCORE_PIXELS))
    return seen * (1.0 - 0.5 * scene.hidden(region))
