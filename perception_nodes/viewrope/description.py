"""From regions of an image to slots: box, covariance, what is hidden, color, a sample of points.

The depth-only finder, the learned encoder and a user's detector find regions in different ways; all
describe them here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from perception_nodes.arrays import Bools, Bytes, Floats, Ints
from perception_nodes.scene import Frame, Slot, Slots
from perception_nodes.viewrope.adjacency import Members
from perception_nodes.viewrope.boxes import View, fit_box, sample
from perception_nodes.viewrope.pairs import find_pairs
from perception_nodes.viewrope.planes import Background
from perception_nodes.viewrope.regions import Outlines, outlines
from perception_nodes.viewrope.surface import Surface

_MAX_POINTS = 64
_CUT = 0.06
_LOOKS_UP = 0.7
_MIN_POINTS = 20
_MIN_SHARE = 0.25  # of the pixels: a rim alone is that of the background


@dataclass(frozen=True, eq=False)
class SeenRegions:
    """Regions of one frame and what is known around them; all images at working resolution.

    Attributes:
        surface: The depth image.
        background: Which way is up, and the planes that things stand on.
        labels: (h, w) regions, 0 for background.
        lines: What lies beyond their outlines.
        color: (h, w, 3) RGB.
    """

    surface: Surface
    background: Background
    labels: Ints
    lines: Outlines
    color: Bytes

    @cached_property
    def heights(self) -> Floats:
        """(h * w,) along the vertical from the camera, meters."""
        return np.asarray(self.surface.points @ self.background.up.astype(np.float32)).ravel()

    @cached_property
    def known(self) -> Bools:
        """(h * w,) where there is a normal."""
        return np.isfinite(self.surface.normals[..., 2]).ravel()

    @cached_property
    def channels(self) -> list[Bytes]:
        """Three times (h * w,): red, green, blue."""
        return list(self.color.reshape(-1, 3).T.copy())

    def hidden(self, region: int) -> float:
        """The part of a region's outline beyond which it may go on."""
        return min(1.0, float(self.lines.occluded[region] + self.lines.at_border[region]))

    def slot(
        self, index: int, region: int, pixels: Ints, score: float, latent: Floats | None = None
    ) -> Slot:
        """Describe a region, given by its flat pixel indices, of which some have normals."""
        points = self.surface.points.reshape(-1, 3)
        fitted = sample(pixels[self.known.take(pixels)])
        hidden = self.hidden(region)
        view = View(
            self.labels,
            region,
            points.take(fitted, axis=0),
            self.surface.normals.reshape(-1, 3).take(fitted, axis=0),
            hidden,
            self._bottom_hidden(region, pixels),
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
            color=np.array([channel.take(pixels).mean() for channel in self.channels]),
            points=points.take(pixels[:: -(-len(pixels) // _MAX_POINTS)], axis=0),
            latent=latent,
        )

    def _bottom_hidden(self, region: int, pixels: Ints) -> bool:
        """Whether something nearer begins beyond the lowest part of a region's outline."""
        edge = self.lines.occluded_pixels[self.lines.occluded_regions == region]
        place = int(0.15 * len(pixels))
        low = np.partition(self.heights.take(pixels), place)[place]
        return bool((self.heights.take(edge) < low).sum() > 0.3 * np.sqrt(len(pixels)))


def describe(
    frame: Frame,
    surface: Surface,
    background: Background,
    regions: Ints,
    scores: Sequence[float],
    latents: Sequence[Floats | None],
    model_id: str,
) -> tuple[Slots, int]:
    """The slots of regions that a network or detector found.

    Args:
        frame: Where they were found.
        surface: Its depth image.
        background: Which way is up, and the planes that things stand on.
        regions: (h, w) at the resolution of the surface; region i + 1 has score and latent i.
        scores: Objectness of each region.
        latents: What each looks like from everywhere; None where the source can't say.
        model_id: Of the source.

    Returns:
        The slots in order of region, and how many regions were left out because the depth image
        does not say where they are.
    """
    lines = outlines(find_pairs(surface, regions > 0), regions)
    color = cv2.resize(frame.color, regions.shape[::-1], interpolation=cv2.INTER_NEAREST)
    scene = SeenRegions(surface, background, regions, lines, np.asarray(color))
    pixels_of, facing = Members(regions), surface.normals.reshape(-1, 3)[:, 2]
    labels = np.zeros(regions.size, dtype=np.uint8)
    items: list[Slot] = []
    lost = 0
    for region in range(1, len(pixels_of)):
        pixels = pixels_of[region]
        measured = pixels[np.isfinite(facing[pixels])]
        if len(measured) >= max(_MIN_POINTS, _MIN_SHARE * len(pixels)):
            score, latent = scores[region - 1], latents[region - 1]
            items.append(scene.slot(len(items), region, measured, score, latent))
            labels[pixels] = len(items)
        elif len(pixels):
            lost += 1
    return Slots(
        frame.stamp,
        frame.camera_name,
        frame.frame_id,
        labels.reshape(regions.shape),
        tuple(items),
        model_id,
    ), lost


def upward(frame: Frame) -> Floats | None:
    """Away from the ground in the optical frame.

    None where no pose says so, or one that would have the camera look up at the sky: such a map
    begins at the first camera instead of on the ground.
    """
    if frame.pose is None or frame.pose.rotation[2, 2] > _LOOKS_UP:
        return None
    return np.asarray(frame.pose.rotation[2])
