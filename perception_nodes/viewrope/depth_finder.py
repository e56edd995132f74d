"""Slots from depth alone: planes removed, the rest split at steps and concave creases."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from perception_nodes.arrays import Bytes, Floats, Ints
from perception_nodes.scene import MAX_SLOTS, Frame, Slot, Slots
from perception_nodes.viewrope.adjacency import members
from perception_nodes.viewrope.boxes import View, fit_box
from perception_nodes.viewrope.merging import merge
from perception_nodes.viewrope.pairs import find_pairs
from perception_nodes.viewrope.planes import Background, Plane, find_background
from perception_nodes.viewrope.regions import Outlines, outlines, plausible
from perception_nodes.viewrope.segmentation import CREASE, concavity, split
from perception_nodes.viewrope.surface import Surface, prepare

MODEL_ID = "depth-finder-1"
MAX_EXTENT = 1.0
"""What is larger than this, meters, is furniture or building."""

_MAX_POINTS = 64
_MIN_EXTENT = 0.015
_SHEET = 0.008
_CUT = 0.06
_SCORE_PIXELS = 150.0
_LOOKS_UP = 0.7


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
        background = find_background(surface, _up(frame), self._planes, self._max_extent)
        self._planes = (*background.supports, *background.walls)
        objects = surface.valid & ~background.mask
        pairs = find_pairs(surface, objects)
        bend = concavity(surface, objects)
        parts = split(surface, objects, bend > CREASE)
        labels = merge(surface, background, pairs, parts, bend)
        lines = outlines(pairs, labels)
        good = np.flatnonzero(plausible(surface, background, labels, lines))
        color = cv2.resize(frame.color, labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
        scene = _Scene(surface, background, labels, lines, np.asarray(color))
        return self._report(frame, scene, good)

    def _report(self, frame: Frame, scene: _Scene, good: Ints) -> Slots:
        """The regions of possible objects as slots, best first."""
        pixels_of = members(scene.labels)
        scores = {int(region): scene.score(int(region), len(pixels_of[region])) for region in good}
        labels = np.zeros(scene.labels.size, dtype=np.uint8)
        items: list[Slot] = []
        for region in sorted(scores, key=lambda r: -scores[r]):
            if len(items) == MAX_SLOTS:
                break
            slot = scene.slot(len(items), region, pixels_of[region], scores[region])
            if self._is_object(slot):
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

    def _is_object(self, slot: Slot) -> bool:
        extents = np.sort(slot.size)
        # A sheet whose end is not seen is a piece of a table or wall, not a thing on it.
        sheet = extents[0] < _SHEET and slot.cut
        return bool(extents[1] >= _MIN_EXTENT and extents[2] <= self._max_extent and not sheet)


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What describes the objects of one frame; all images at working resolution."""

    surface: Surface
    background: Background
    labels: Ints
    lines: Outlines
    color: Bytes

    def hidden(self, region: int) -> float:
        """The part of a region's outline beyond which it may go on."""
        return min(1.0, float(self.lines.occluded[region] + self.lines.at_border[region]))

    def score(self, region: int, pixels: int) -> float:
        """Objectness of a region of so many pixels, 0..1."""
        seen = 1.0 - float(np.exp(-pixels / _SCORE_PIXELS))
        return seen * (1.0 - 0.5 * self.hidden(region))

    def slot(self, index: int, region: int, pixels: Ints, score: float) -> Slot:
        """Describe a region, given by its flat pixel indices."""
        points = self.surface.points.reshape(-1, 3)[pixels]
        normals = self.surface.normals.reshape(-1, 3)[pixels]
        known = np.isfinite(normals[:, 2])
        hidden = self.hidden(region)
        view = View(
            self.labels == region,
            points[known],
            normals[known],
            hidden,
            self._bottom_hidden(region, points),
        )
        box = fit_box(view, self.surface, self.background)
        return Slot(
            index=index,
            pose=box.pose,
            covariance=box.covariance,
            size=box.size,
            pixels=len(pixels) * self.surface.factor**2,
            score=score,
            cut=hidden > _CUT,
            color=self.color.reshape(-1, 3)[pixels].mean(axis=0),
            points=points[:: -(-len(points) // _MAX_POINTS)],
        )

    def _bottom_hidden(self, region: int, points: Floats) -> bool:
        """Whether something nearer begins beyond the lowest part of a region's outline."""
        lines, up = self.lines, self.background.up.astype(np.float32)
        edge = lines.occluded_pixels[lines.occluded_regions == region]
        height = points @ up
        low = np.sort(height)[int(0.15 * len(height))]
        below = self.surface.points.reshape(-1, 3)[edge] @ up < low
        return bool(below.sum() > 0.3 * np.sqrt(len(points)))


def _up(frame: Frame) -> Floats | None:
    """Away from the ground in the optical frame.

    None where no pose says so, or one that would have the camera look up at the sky: such a map
    begins at the first camera instead of on the ground.
    """
    if frame.pose is None or frame.pose.rotation[2, 2] > _LOOKS_UP:
        return None
    return np.asarray(frame.pose.rotation[2])
