"""What a depth image says at the place where an object should be.

For each point of the object's known surface: is something in front of it (occluded), is a surface
where it should be (there), or do we look through it (gone)? Points without a reading say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.scene import Frame

# Share of the points that must fall into the image for a verdict other than OUT_OF_VIEW.
_IN_VIEW = 0.4
# Share of points with a reading that must agree for PRESENT or GONE.
_PRESENT = 0.3
_GONE = 0.6
_MIN_KNOWN = 4
# How far beneath an object its support is looked for, and which share of the readings must tell.
_BENEATH = 0.03
_TELLING = 0.5


class Verdict(Enum):
    """What one frame says about one object that no slot was matched to."""

    PRESENT = "a surface is where the object should be"
    OCCLUDED = "something is in front of it"
    OUT_OF_VIEW = "its place is outside the image"
    GONE = "the camera looks through its place"
    UNKNOWN = "there is no reading at its place"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A verdict with the shares of points it rests on."""

    verdict: Verdict
    occluded: float
    present: float
    through: float


def depth_noise(depth: Floats) -> Floats:
    """Standard deviation of a structured-light or stereo depth reading, m.

    Axial noise of a Kinect (Nguyen, Izadi, Lovell 2012): 0.0012 + 0.0019 (z - 0.4)^2; stereo
    cameras have about twice the quadratic term.
    """
    return np.asarray(0.0012 + 0.004 * np.square(np.maximum(depth - 0.4, 0.0)))


def examine(frame: Frame, points: Floats, spread: float) -> Evidence:
    """Compare where an object should be with a depth image.

    Args:
        frame: With a pose.
        points: (P, 3) believed surface of the object, world frame.
        spread: Standard deviation of the object's position, m; widens what counts as agreement.

    Returns:
        The evidence of this frame.
    """
    if frame.pose is None or len(points) == 0:
        return Evidence(Verdict.UNKNOWN, 0.0, 0.0, 0.0)
    pixels, depth = frame.camera.project(frame.pose.inverse().apply(points))
    in_view = frame.camera.contains(pixels)
    if in_view.mean() < _IN_VIEW:
        return Evidence(Verdict.OUT_OF_VIEW, 0.0, 0.0, 0.0)
    # Of an object known from all sides, the near half is what this camera can see.
    near = in_view & (depth <= np.median(depth[in_view]))
    u, v = np.rint(pixels[near]).astype(np.intp).T
    expected, measured = depth[near], frame.depth[v, u]
    known = np.isfinite(measured)
    if known.sum() < _MIN_KNOWN:
        return Evidence(Verdict.UNKNOWN, 0.0, 0.0, 0.0)
    difference = measured[known] - expected[known]
    margin = 0.015 + 2.5 * depth_noise(expected[known]) + min(2.0 * spread, 0.1)
    occluded = float((difference < -margin).mean())
    through = float((difference > margin).mean())
    present = 1.0 - occluded - through
    if through >= _GONE:
        verdict = Verdict.GONE
    elif present >= _PRESENT and present >= occluded:
        verdict = Verdict.PRESENT
    else:
        verdict = Verdict.OCCLUDED
    return Evidence(verdict, occluded, present, through)


def claimed_slot(frame: Frame, labels: Bytes, points: Floats) -> tuple[int, float]:
    """Which slot's mask covers the place of an object.

    Args:
        frame: With a pose.
        labels: (h, w) slot masks of the frame, see `Slots.labels`.
        points: (P, 3) believed surface, world frame.

    Returns:
        The slot index (-1 for background) and the share of the object's near points it covers.
    """
    if frame.pose is None or len(points) == 0:
        return -1, 0.0
    pixels, depth = frame.camera.project(frame.pose.inverse().apply(points))
    in_view = frame.camera.contains(pixels)
    if not in_view.any():
        return -1, 0.0
    near = in_view & (depth <= np.median(depth[in_view]))
    scale = np.array([labels.shape[1], labels.shape[0]]) / (frame.camera.width, frame.camera.height)
    u, v = ((pixels[near] + 0.5) * scale).astype(np.intp).T
    found = labels[np.minimum(v, labels.shape[0] - 1), np.minimum(u, labels.shape[1] - 1)]
    counts = np.bincount(found)
    counts[0] = 0
    if not counts.any():
        return -1, 0.0
    best = int(counts.argmax())
    return best - 1, float(counts[best] / len(found))


def hovers(frame: Frame, labels: Bytes, slot: int, points: Floats) -> bool | None:
    """Whether the camera looks through right beneath something that it sees.

    Looked at are the pixels where the lowest part of its visible surface would go on downwards.

    Args:
        frame: With a pose; the world's z axis points up.
        labels: (h, w) slot masks of the frame, see `Slots.labels`.
        slot: Its index.
        points: (P, 3) its visible surface, world frame.

    Returns:
        True if there is nothing beneath it, False if something bears it, None if that can't be
        seen, as when something else is in front.
    """
    if frame.pose is None or len(points) == 0:
        return None
    bottom, top = points[:, 2].min(), points[:, 2].max()
    beneath = points[points[:, 2] <= bottom + max(0.25 * (top - bottom), 0.01)].copy()
    beneath[:, 2] = bottom - _BENEATH
    pixels, depth = frame.camera.project(frame.pose.inverse().apply(beneath))
    inside = frame.camera.contains(pixels)
    pixels, depth, beneath = pixels[inside], depth[inside], beneath[inside]
    scale = np.array([labels.shape[1], labels.shape[0]]) / (frame.camera.width, frame.camera.height)
    x, y = ((pixels + 0.5) * scale).astype(np.intp).T
    mask = labels[np.minimum(y, labels.shape[0] - 1), np.minimum(x, labels.shape[1] - 1)]
    u, v = np.rint(pixels).astype(np.intp).T
    measured = frame.depth[v, u]
    known = np.isfinite(measured) & (mask != slot + 1)
    if known.sum() < _MIN_KNOWN:
        return None
    expected, measured = depth[known], measured[known]
    eye = frame.pose.translation
    # where the rays hit: on the support, far behind the object, or on something in front of it
    hit = eye + (beneath[known] - eye) * (measured / expected)[:, None]
    noise = 2.5 * depth_noise(expected)
    # what hangs on a wall has the wall close behind it
    behind = max(float(np.ptp(points, axis=0).max()), 0.1)
    through = (measured > expected + behind + noise).mean()
    borne = ((measured <= expected + 0.01 + noise) & (hit[:, 2] <= bottom + 0.02 + noise)).mean()
    if max(through, borne) < _TELLING:
        return None
    return bool(through > borne)
