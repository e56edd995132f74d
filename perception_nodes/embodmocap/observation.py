"""What cameras say of one person at a moment, and how far joints are from agreeing with it.

Of joint X and the view with rotation R, center t, focal lengths f and principal point c, with
Y = R^T (X - t):

    r_u = (f Y_xy / Y_z + c - u) / s_u            pixels
    r_z = (Y_z - z - o) / s_z                     depth of the surface, o the way from there to X

Both are weighted as if their noise were Student's t (Lange, Little and Taylor 1989): a keypoint
on somebody else's arm, or depth of the wall behind, then pulls hardly at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.embodmocap.interface import View
from perception_nodes.embodmocap.skeleton import SURFACE

_TAILS = np.array([5.0, 3.0])
_TAILED = np.array([7.0, 4.0])
_NEAREST = 0.15
_LEAST_CONFIDENCE = 0.05
_BIG = 1e9


@dataclass(frozen=True, slots=True)
class Noise:
    """What measurements of a joint are off by, one standard deviation.

    Attributes:
        pixels: Of a keypoint of confidence 1 in an image 640 pixels wide.
        depth: Of the depth of a surface at 1 m; it grows with the square of the distance.
        surface: Of the way from the surface to the joint, m.
        turn, shift: Of a camera's pose that nobody corrected, after its first meter, radians and
            m; as odometry drifts, they grow with the root of the way.
    """

    pixels: float = 3.0
    depth: float = 0.005
    surface: float = 0.02
    turn: float = math.radians(1.0)
    shift: float = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One person in V views at one moment.

    Attributes:
        rotation, center: (V, 3, 3) and (V, 3), optical frames in the world.
        focal, principal: (V, 2) pixels.
        pixels: (V, 17, 2); zero where unknown.
        depths: (V, 17) meters of the joints themselves, behind the surface; zero where unknown.
        information: (V, 17, 2), 1 / s_u^2 and 1 / s_z^2; zero where unknown.
    """

    rotation: Floats
    center: Floats
    focal: Floats
    principal: Floats
    pixels: Floats
    depths: Floats
    information: Floats

    @property
    def pixel_information(self) -> Floats:
        """(V, 17), 1 / s_u^2."""
        return self.information[..., 0]

    @property
    def depth_information(self) -> Floats:
        """(V, 17), 1 / s_z^2."""
        return self.information[..., 1]

    @property
    def seen(self) -> Bools:
        """(V, 17), which joints were found where."""
        return np.asarray(self.pixel_information > 0.0)

    def only(self, believed: Bools) -> Observation:
        """The same without the keypoints, and depths at them, that are not believed, (V, 17)."""
        return replace(self, information=self.information * believed[..., None])


def observe(views: Sequence[tuple[View, int]], noise: Noise) -> Observation:
    """Put together what views say of the person with the given index in each."""
    pixels = np.array([view.keypoints.pixels[k] for view, k in views], dtype=np.float64)
    confidence = np.array([view.keypoints.confidence[k] for view, k in views], dtype=np.float64)
    depths = np.array([view.depths[k] for view, k in views], dtype=np.float64)
    finite = np.isfinite(pixels)
    known = finite[..., 0] & finite[..., 1] & (confidence > _LEAST_CONFIDENCE)
    cameras = [view.camera for view, _ in views]
    scale = np.array([640.0 / (noise.pixels * camera.width) for camera in cameras])[:, None]
    precision = np.where(known, scale * np.minimum(confidence, 1.0), 0.0)
    deep = known & np.isfinite(depths) & (depths > _NEAREST)
    depths = np.where(deep, depths, 0.0)
    variance = (noise.depth * depths**2) ** 2 + noise.surface**2
    return Observation(
        rotation=np.array([view.pose.rotation for view, _ in views]),
        center=np.array([view.pose.translation for view, _ in views]),
        focal=np.array([(c.fx, c.fy) for c in cameras]),
        principal=np.array([(c.cx, c.cy) for c in cameras]),
        pixels=np.where(known[..., None], pixels, 0.0),
        depths=np.where(deep, depths + SURFACE, 0.0),
        information=np.stack([precision * precision, deep / variance], axis=-1),
    )


def linearize(seen: Observation, joints: Floats, spread: Floats) -> tuple[Floats, Floats, Floats]:
    """Rows of each view about each joint, and what they are off by, in standard deviations.

    Args:
        seen: The measurements.
        joints: (17, 3) where joints are taken to be, world frame.
        spread: (17,) variance by which joints and cameras may be off, m^2: so much is not taken
            for an outlier.

    Returns:
        (V, 17, 3, 3) Jacobian J and (V, 17, 3) residuals r, both with the roots of the robust
        weights: two rows of pixels and one of depth. J^T J is the information about a joint.
        And (V, 17) squared misfits of keypoints.
    """
    local = (joints - seen.center[:, None]) @ seen.rotation
    depth = local[..., 2:]
    slope = local[..., :2] / np.maximum(depth, _NEAREST)
    gain = seen.focal[:, None] / np.maximum(depth, _NEAREST)
    off = np.empty(local.shape)
    off[..., :2] = gain * local[..., :2] + seen.principal[:, None] - seen.pixels
    off[..., 2] = local[..., 2] - seen.depths
    squared = off * off
    squared[..., 0] += squared[..., 1]
    information = seen.information * (depth > _NEAREST)
    wide = information * spread[:, None]
    wide[..., 0] *= gain[..., 0] ** 2
    fit = squared[..., ::2] * information / (1.0 + wide)
    root = np.sqrt(information * _TAILED / (_TAILS + fit))
    toward = np.swapaxes(seen.rotation, 1, 2)[:, None]
    jacobian = np.empty((*local.shape, 3))
    jacobian[..., :2, :] = toward[:, :, :2] - slope[..., None] * toward[:, :, 2:]
    jacobian[..., :2, :] *= (root[..., :1] * gain)[..., None]
    jacobian[..., 2, :] = root[..., 1:] * toward[:, :, 2]
    off[..., :2] *= root[..., :1]
    off[..., 2] *= root[..., 1]
    return jacobian, off, fit[..., 0]


def misfit(seen: Observation, joints: Floats, variance: Floats, orders: Ints) -> Floats:
    """(K, V, H, 17) squared Mahalanobis distance of keypoints from where joints are expected.

    Args:
        seen: The measurements; joints without any have distance 0.
        joints: (K, 17, 3) expected, of K persons.
        variance: (K, 17) of these, per axis.
        orders: (H, 17) which joints of `seen` are taken for which, in H ways.
    """
    local = (joints[:, None] - seen.center[:, None]) @ seen.rotation
    z = np.maximum(local[..., 2], _NEAREST)
    gain = seen.focal[:, None] / z[..., None]
    expected = gain * local[..., :2] + seen.principal[:, None]
    off = expected[:, :, None] - seen.pixels[:, orders]
    information = seen.pixel_information[:, orders]
    blur = (variance[:, None] * gain[..., 0] ** 2)[:, :, None]
    squared = (off * off).sum(axis=-1) * information / (1.0 + information * blur)
    squared = np.where(local[:, :, None, :, 2] > _NEAREST, squared, _BIG * (information > 0.0))
    deep = seen.depth_information[:, orders]
    away = local[:, :, None, :, 2] - seen.depths[:, orders]
    total = deep / (1.0 + deep * variance[:, None, None])
    return np.asarray(squared + away * away * total)


def exchanged(seen: Observation, orders: Ints) -> Observation:
    """The same with joints of each view taken in another order, (V, 17)."""
    rows = np.arange(len(orders))[:, None]
    return replace(
        seen,
        pixels=seen.pixels[rows, orders],
        depths=seen.depths[rows, orders],
        information=seen.information[rows, orders],
    )


def gather(parts: Sequence[tuple[Observation, int]]) -> Observation:
    """One person's views, as rows of observations."""
    if len(parts) == 1:
        seen, row = parts[0]
        return Observation(*(getattr(seen, name)[row : row + 1] for name in _FIELDS))
    return Observation(*(
        np.array([getattr(seen, name)[row] for seen, row in parts]) for name in _FIELDS
    ))  # fmt: skip


_FIELDS = tuple(Observation.__dataclass_fields__)
