"""Outlines drawn over a key frame: masks of what is seen, boxes of what is believed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.report.markup import num, path
from perception_nodes.scene import Frame, ObjectState, Slots, Visibility

_NEAR = 0.03
_SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b).bit_count() == 1])


@dataclass(frozen=True, slots=True)
class Outline:
    """What is drawn for one object, as SVG path data in pixels of the key frame.

    Attributes:
        id: Of the object; empty for a slot that belongs to none.
        visibility: How the object is believed to be.
        mask: Contour of what is seen of it; empty if hidden.
        box: Edges of its box.
        hull: Outline of its box; empty where it reaches behind the camera.
        anchor: Where its name stands.
        hidden_for: Seconds since it was last seen; 0 while it is visible.
    """

    id: str
    visibility: Visibility
    mask: str
    box: str
    hull: str
    anchor: tuple[float, float] = (0.0, 0.0)
    hidden_for: float = 0.0


def corners(state: ObjectState) -> Floats:
    """(8, 3) corners of an object's box in the world."""
    return state.pose.apply(_SIGNS * np.asarray(state.size, dtype=np.float64) / 2.0)


def outlines(
    frame: Frame, slots: Slots, objects: tuple[ObjectState, ...], size: tuple[int, int]
) -> tuple[Outline, ...]:
    """What to draw over a frame that is shown `size` (width, height) pixels large.

    Objects that are lost, or whose box lies outside the image, are left out. Without a camera
    pose only masks are drawn, since boxes live in the world.
    """
    masks = _mask_paths(slots, *size)
    if frame.pose is None:
        return tuple(Outline("", Visibility.VISIBLE, masks[s.index], "", "") for s in slots.items)
    owners = _owners(slots, frame.pose, objects)
    camera, to_camera = frame.camera.scaled(*size), frame.pose.inverse()
    drawn = []
    for state in objects:
        mask = masks.get(owners.get(state.id, -1), "")
        outline = _outline(state, mask, camera, to_camera)
        if outline is not None:
            drawn.append(outline)
    taken = set(owners.values())
    drawn += [
        Outline("", Visibility.VISIBLE, masks[s.index], "", "")
        for s in slots.items
        if s.index not in taken
    ]
    return tuple(drawn)


def _outline(state: ObjectState, mask: str, camera: Camera, to_camera: Pose) -> Outline | None:
    points = to_camera.apply(corners(state))
    if state.visibility == Visibility.LOST or not np.isfinite(points).all():
        return None
    edges = _project_edges(points, camera)
    if not len(edges):
        return None
    ends = edges.reshape(-1, 2)
    low, high = ends.min(axis=0), ends.max(axis=0)
    outside = (high < 0).any() or low[0] > camera.width or low[1] > camera.height
    if outside:
        return None
    # Boxes around the camera itself would cover the picture with meaningless lines.
    if (np.abs(ends) > 20 * camera.width).any():
        return None
    hull = ""
    if (points[:, 2] > _NEAR).all():
        outline = cv2.convexHull(ends.astype(np.float32))[:, 0]
        hull = path([(float(x), float(y)) for x, y in outline], closed=True)
    box = "".join(path([tuple(edge[0]), tuple(edge[1])]) for edge in edges.tolist())
    anchor = (
        float(np.clip((low[0] + high[0]) / 2, 4, camera.width - 4)),
        float(np.clip(low[1] - 5, 14, camera.height - 6)),
    )
    return Outline(state.id, state.visibility, mask, box, hull, anchor)


def _project_edges(points: Floats, camera: Camera) -> Floats:
    """(N, 2, 2) ends in pixels of a box's edges, cut at the near plane, without those behind it."""
    ends = points[_EDGES]
    depth = ends[..., 2]
    ends, depth = (part[(depth >= _NEAR).any(axis=1)] for part in (ends, depth))
    ends = ends.copy()
    for own, other in ((0, 1), (1, 0)):
        cut = depth[:, own] < _NEAR
        a, b = ends[cut, own], ends[cut, other]
        share = (_NEAR - a[:, 2]) / (b[:, 2] - a[:, 2])
        ends[cut, own] = a + (b - a) * share[:, None]
    pixels, _ = camera.project(ends)
    return pixels


def _mask_paths(slots: Slots, width: int, height: int) -> dict[int, str]:
    """Contours of each slot's mask, by slot index."""
    paths = {}
    for slot in slots.items:
        mask = (slots.labels == slot.index + 1).astype(np.float32)
        smooth = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
        found, _ = cv2.findContours(
            smooth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        data = []
        for contour in found:
            if cv2.contourArea(contour) < 12:
                continue
            line = cv2.approxPolyDP(contour, 0.9, True)[:, 0]
            data.append("L".join(f"{num(x, 0)} {num(y, 0)}" for x, y in line.tolist()))
        paths[slot.index] = "".join(f"M{part}Z" for part in data)
    return paths


def _owners(slots: Slots, pose: Pose, objects: tuple[ObjectState, ...]) -> dict[str, int]:
    """Which slot shows which visible object, by their distance in space."""
    seen = [state for state in objects if state.visibility == Visibility.VISIBLE]
    if not seen or not slots.items:
        return {}
    centers = np.stack([pose.apply(slot.pose.translation) for slot in slots.items])
    beliefs = np.stack([state.position for state in seen])
    gates = np.array([max(0.1, float(np.max(state.size)) / 2) for state in seen])
    distance = np.linalg.norm(beliefs[:, None] - centers[None], axis=2)
    cost = np.nan_to_num(np.minimum(distance / gates[:, None], 1.0), nan=1.0)
    rows, cols = linear_sum_assignment(cost)
    return {
        seen[r].id: slots.items[c].index
        for r, c in zip(rows, cols, strict=True)
        if cost[r, c] < 1.0
    }
