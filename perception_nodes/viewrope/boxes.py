"""From the visible points of an object to its whole box, with an honest covariance.

The far side of an object is never seen. The object is completed by its own image turned by half a
revolution about a vertical axis, as deep as it is wide at most, and no deeper than leaves the new
back side hidden: where the camera sees past it, there is none. So a ball becomes a ball, while a
box whose top is seen stays as deep as its top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.geometry.pose import Pose
from perception_nodes.viewrope.planes import Background
from perception_nodes.viewrope.surface import Surface

_TRIM = 0.01
_SIDE = 0.6  # |cosine| between the normal of a side face and the vertical, at most
_FLAT_SIDES = 0.55
_RESTS = 0.03
_FIT_POINTS = 300
_DEPTHS = np.linspace(0.0, 0.5, 6)
_SEEN_PAST = 0.06
_PAST = 0.01
_TOP = 0.15
_AS_WIDE = 0.85
_AS_DEEP = 0.8
_NOT_A_FACE = 0.15
_MIN_SLANT = 0.2
_LOST = 0.8
_FACE_DEPTH = 1
_FACE_NOISE = 0.003
_UPRIGHT = 0.3
_MIN_SIZE = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One object as it is seen.

    Attributes:
        labels: (h, w) which region each pixel belongs to, at working resolution.
        region: The one that is the object.
        points: (N, 3) a sample of its visible surface, optical frame.
        normals: (N, 3), facing the camera.
        hidden: Part of its outline beyond which something nearer begins or the image ends.
        bottom_hidden: Whether its lowest visible points lie above something nearer.
    """

    labels: Ints
    region: int
    points: Floats
    normals: Floats
    hidden: float
    bottom_hidden: bool


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """An upright box: pose of its center in the optical frame, (3,) extents, (3, 3) covariance."""

    pose: Pose
    size: Floats
    covariance: Floats


def sample(pixels: Ints) -> Ints:
    """As many of the pixels of an object as its box is fitted to, evenly."""
    return pixels[:: max(1, -(-len(pixels) // _FIT_POINTS))]


def fit_box(view: View, surface: Surface, background: Background) -> Box:
    """Estimate the whole box of an object; its z axis points up.

    Args:
        view: What is seen of it.
        surface: The depth image, which tells where there is free space.
        background: Which way is up, and the planes it may stand on.
    """
    points = view.points.astype(np.float64)
    axes = _view_axes(points.mean(axis=0), background.up)
    local = points @ axes
    yaw = _side_direction(view.normals @ axes)
    whole, doubt = _complete(local, axes, surface)
    turn = _turn(0.0 if yaw is None else yaw)
    low, high = _range(whole @ turn)
    low[2] = _bottom(
        view, surface, background, axes @ turn @ ((low + high) / 2.0), float(low[2]), float(high[2])
    )
    size = np.maximum(high - low, _MIN_SIZE)
    rotation = axes @ turn
    center = rotation @ ((low + high) / 2.0)
    covariance = _covariance(view, axes, size, doubt, surface.noise * float(center @ center))
    return Box(Pose(rotation, center), size, covariance)


def _view_axes(center: Floats, up: Floats) -> Floats:
    """Columns: horizontal view direction, to the left of it, up."""
    along = center - up * float(center @ up)
    length = float(np.linalg.norm(along))
    if length < 0.1 * float(np.linalg.norm(center)):  # seen from above, all directions are alike
        along = np.cross(up, np.eye(3)[int(np.abs(up).argmin())])
        length = float(np.linalg.norm(along))
    along = along / length
    return np.column_stack((along, _cross(up, along), up))


def _cross(a: Floats, b: Floats) -> Floats:
    """Of two vectors (3,); `numpy.cross` takes ten times as long over its generality."""
    (x, y, z), (u, v, w) = a.tolist(), b.tolist()
    return np.array([y * w - z * v, z * u - x * w, x * v - y * u])


def _turn(yaw: float) -> Floats:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _range(values: Floats) -> tuple[Floats, Floats]:
    """Lowest and highest value of each column, without the outermost percent."""
    ordered = np.sort(values, axis=0)
    cut = int(_TRIM * len(ordered))
    return ordered[cut], ordered[len(ordered) - 1 - cut]


def _side_direction(normals: Floats) -> float | None:
    """Yaw of flat sides, 0..90 degrees; None of a round object.

    Normals of the sides of a box differ by multiples of 90 degrees, so that four times their angle
    is the same for all; around a cylinder they cancel.
    """
    sides = normals[np.abs(normals[:, 2]) < _SIDE]
    if len(sides) < 8:
        return None
    angle = 4.0 * np.arctan2(sides[:, 1], sides[:, 0])
    x, y = float(np.cos(angle).mean()), float(np.sin(angle).mean())
    return float(np.arctan2(y, x)) / 4.0 if np.hypot(x, y) >= _FLAT_SIDES else None


def _complete(local: Floats, axes: Floats, surface: Surface) -> tuple[Floats, float]:
    """Add the unseen back side.

    Args:
        local: (N, 3) visible points along `axes`.
        axes: (3, 3) columns of the optical frame: view direction, left, up.
        surface: The depth image.

    Returns:
        (M, 3) points of the whole and the standard deviation of its center along the view.
    """
    low, high = _range(local)
    size = high - low
    top = local[local[:, 2] > high[2] - _TOP * min(size[1], size[2])]
    if _as_large(top, size):
        return np.concatenate((local, _to_far_edge(top, axes, surface))), 0.05 * float(
            size[:2].max()
        )
    added = _DEPTHS * max(0.0, size[1] - size[0])
    center = (low + high) / 2.0
    turned = np.array([1.0, 1.0, 0.0]) * 2.0 * center - local * np.array([1.0, 1.0, -1.0])
    shifts = 2.0 * added[:, None] * axes[:, 0]
    past = _sees_past(surface, turned @ axes.T, shifts)
    wrong = past.mean(axis=1)
    refuted = wrong > wrong[0] + _SEEN_PAST
    last = int(refuted.argmax()) - 1 if refuted.any() else len(added) - 1
    if _is_face(local, surface.noise):
        last = min(last, _FACE_DEPTH)
    turned[:, 0] += 2.0 * added[last]
    whole = np.concatenate((local, turned[~past[last]]))
    free = (len(added) - 1 - last) * (added[1] - added[0])
    doubt = 0.3 * added[last] + 0.1 * free + 0.05 * size[1]
    return whole, float(doubt)


def _is_face(local: Floats, noise: float) -> bool:
    """Whether all that is seen is one flat, upright side.

    From above a box shows its top as well, so that a flat side alone is more likely a board's.
    """
    center = local.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov((local - center).T))
    thickness = float(np.sqrt(max(values[0], 0.0)))
    flat = thickness < _FACE_NOISE + noise * float(center @ center)
    return bool(flat and abs(axes[2, 0]) < _UPRIGHT)


def _as_large(top: Floats, size: Floats) -> bool:
    """Whether the points of a lid or rim reach as wide and deep as all that is seen."""
    low, high = _range(top)
    deep = high[0] - low[0] >= _AS_DEEP * size[0] and size[0] >= _NOT_A_FACE * size[1]
    return bool(deep and high[1] - low[1] >= _AS_WIDE * size[1])


def _to_far_edge(top: Floats, axes: Floats, surface: Surface) -> Floats:
    """Move points of a level surface away by what about one pixel covers there.

    The far edge of a surface lies behind its last pixel, and sensors lose the pixels at edges.
    """
    points = top @ axes.T
    slant = np.maximum(np.abs(top[:, 2]) / np.linalg.norm(points, axis=1), _MIN_SLANT)
    pitch = _LOST * points[:, 2] / surface.camera.fx / slant
    return np.asarray(top + pitch[:, None] * np.array([1.0, 0.0, 0.0]))


def _sees_past(surface: Surface, points: Floats, shifts: Floats) -> Bools:
    """(K, N) whether the camera sees something clearly behind each of N points, moved K ways."""
    x, y, depth = (points[:, i] + shifts[:, i, None] for i in range(3))
    pixels, inside = _pixels(surface, x, y, depth)
    measured = surface.disparity.ravel().take(pixels)
    expected = 1.0 / (depth + _PAST) - 3.0 * surface.noise
    return np.asarray(inside & (measured > 0) & (measured < expected))


def _pixels(surface: Surface, x: Floats, y: Floats, depth: Floats) -> tuple[Ints, Bools]:
    """Flat indices of the pixels in which points lie, and whether they lie in the image."""
    camera = surface.camera
    near = np.maximum(depth, 1e-6)
    u = np.rint(camera.fx * x / near + camera.cx)
    v = np.rint(camera.fy * y / near + camera.cy)
    inside = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height) & (depth > 0)
    return np.where(inside, v * camera.width + u, 0.0).astype(np.intp), inside


def _bottom(
    view: View, surface: Surface, background: Background, center: Floats, low: float, high: float
) -> float:
    """Height of the lowest point, on the plane that the object stands on if there is one.

    `center` (3,), optical frame, and the heights `low` and `high` are those of the visible part.
    """
    up = background.up
    lowest = center + up * (low - float(center @ up))
    clearance = float(background.clearance(lowest[None])[0])
    if clearance < _RESTS or (view.bottom_hidden and clearance < 2.0 * (high - low)):
        return low - clearance
    if clearance < high - low:
        below = lowest - up * (clearance * np.linspace(0.1, 0.9, 9)[:, None])
        pixels, inside = _pixels(surface, *below.T)
        if (inside & (view.labels.ravel().take(pixels) == view.region)).all():
            return low - clearance
    return low


def _covariance(view: View, axes: Floats, size: Floats, doubt: float, noise: float) -> Floats:
    """Doubt along the view, a little across it, and room for what is hidden."""
    across = 0.002 + 0.04 * float(size[:2].max()) + noise / 4.0
    hidden = 0.5 * view.hidden * float(size.max())
    sigma = np.hypot([doubt + noise, across, across], hidden)
    return np.asarray((axes * np.square(sigma)) @ axes.T)
