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
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Bools, Floats
from perception_nodes.embodmocap.interface import View
from perception_nodes.embodmocap.skeleton import COUNT, SURFACE

_TAIL_U, _TAIL_Z = 5.0, 3.0
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
        pixel_information: (V, 17), 1 / s_u^2; zero where unknown.
        depths: (V, 17) meters of the joints themselves, behind the surface; zero where unknown.
        depth_information: (V, 17), 1 / s_z^2; zero where unknown.
    """

    rotation: Floats
    center: Floats
    focal: Floats
    principal: Floats
    pixels: Floats
    pixel_information: Floats
    depths: Floats
    depth_information: Floats

    @property
    def seen(self) -> Bools:
        """(V, 17), which joints were found where."""
        return np.asarray(self.pixel_information > 0.0)


def observe(views: Sequence[tuple[View, int]], noise: Noise) -> Observation:
    """Put together what views say of the person with the given index in each."""
    pixels = np.array([view.keypoints.pixels[k] for view, k in views], dtype=np.float64)
    confidence = np.array([view.keypoints.confidence[k] for view, k in views], dtype=np.float64)
    depths = np.array([view.depths[k] for view, k in views], dtype=np.float64)
    known = np.isfinite(pixels).all(axis=-1) & (confidence > _LEAST_CONFIDENCE)
    scale = np.array([view.camera.width / 640.0 for view, _ in views])[:, None]
    deviation = noise.pixels * scale / np.clip(confidence, _LEAST_CONFIDENCE, 1.0)
    deep = known & np.isfinite(depths) & (depths > _NEAREST)
    depths = np.where(deep, depths, 0.0)
    variance = (noise.depth * depths**2) ** 2 + noise.surface**2
    cameras = [view.camera for view, _ in views]
    return Observation(
        rotation=np.array([view.pose.rotation for view, _ in views]),
        center=np.array([view.pose.translation for view, _ in views]),
        focal=np.array([(c.fx, c.fy) for c in cameras]),
        principal=np.array([(c.cx, c.cy) for c in cameras]),
        pixels=np.where(known[..., None], pixels, 0.0),
        pixel_information=np.where(known, 1.0 / deviation**2, 0.0),
        depths=np.where(deep, depths + SURFACE, 0.0),
        depth_information=np.where(deep, 1.0 / variance, 0.0),
    )


def linearize(seen: Observation, joints: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Information of each view about each joint, and its pull.

    Args:
        seen: The measurements.
        joints: (17, 3) where joints are taken to be, world frame.
        spread: (17,) variance by which joints and cameras may be off, m^2: so much is not taken
            for an outlier.

    Returns:
        (V, 17, 3, 3) J^T W J and (V, 17, 3) -J^T W r.
    """
    local = (joints[None] - seen.center[:, None]) @ seen.rotation
    depth = local[..., 2]
    ahead = depth > _NEAREST
    z = np.where(ahead, depth, 1.0)
    slope = local[..., :2] / z[..., None]
    gain = seen.focal[:, None] / z[..., None]
    off_u = seen.focal[:, None] * slope + seen.principal[:, None] - seen.pixels
    off_z = np.where(seen.depth_information > 0.0, depth - seen.depths, 0.0)
    weight_u, weight_z = seen.pixel_information * ahead, seen.depth_information * ahead
    squared = np.sum(off_u**2, axis=-1) * weight_u / (1.0 + weight_u * gain[..., 0] ** 2 * spread)
    weight_u = weight_u * (_TAIL_U + 2.0) / (_TAIL_U + squared)
    squared = off_z**2 * weight_z / (1.0 + weight_z * spread)
    weight_z = weight_z * (_TAIL_Z + 1.0) / (_TAIL_Z + squared)
    # Jacobian in the camera's own axes: two rows of pixels and one of depth.
    toward = np.swapaxes(seen.rotation, 1, 2)[:, None]
    jacobian = np.empty((*depth.shape, 3, 3))
    jacobian[..., :2, :] = gain[..., None] * (
        toward[:, :, :2] - slope[..., None] * toward[:, :, 2:]
    )
    jacobian[..., 2, :] = toward[:, :, 2]
    weighted = jacobian.copy()
    weighted[..., :2, :] *= weight_u[..., None, None]
    weighted[..., 2, :] *= weight_z[..., None]
    off = np.empty((*depth.shape, 1, 3))
    off[..., 0, :2], off[..., 0, 2] = off_u, off_z
    return np.swapaxes(weighted, -1, -2) @ jacobian, -(off @ weighted)[..., 0, :]


def misfit(seen: Observation, joints: Floats, covariances: Floats) -> Floats:
    """(V, 17) squared Mahalanobis distance of keypoints from where joints are expected.

    Args:
        seen: The measurements; joints without any have distance 0.
        joints: (17, 3) expected.
        covariances: (17, 3, 3) of these.
    """
    local = (joints[None] - seen.center[:, None]) @ seen.rotation
    ahead = local[..., 2] > _NEAREST
    z = np.where(ahead, local[..., 2], 1.0)
    off = seen.focal[:, None] * local[..., :2] / z[..., None] + seen.principal[:, None]
    off = off - seen.pixels
    variance = np.einsum("nii->n", covariances) / 3.0
    blur = variance * (seen.focal[:, None, 0] / z) ** 2
    known = seen.seen
    information = np.where(known, seen.pixel_information, 1.0)
    squared = np.sum(off**2, axis=-1) / (1.0 / information + blur)
    deep = seen.depth_information > 0.0
    total = 1.0 / np.where(deep, seen.depth_information, 1.0) + variance
    squared = squared + np.where(deep, (local[..., 2] - seen.depths) ** 2 / total, 0.0)
    return np.asarray(np.where(known, np.where(ahead, squared, _BIG), 0.0))


def swapped(seen: Observation, view: int, pairs: tuple[tuple[int, int], ...]) -> Observation:
    """The same with the two joints of each pair exchanged in one view."""
    order = np.arange(COUNT)
    for a, b in pairs:
        order[[a, b]] = b, a
    values = {}
    for name in ("pixels", "pixel_information", "depths", "depth_information"):
        array = getattr(seen, name).copy()
        array[view] = array[view][order]
        values[name] = array
    return Observation(seen.rotation, seen.center, seen.focal, seen.principal, **values)
