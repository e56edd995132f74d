"""Key frames: small pictures of an object when something happened to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.memory.access import MemoryAccess
from perception_nodes.memory.entry import Entry
from perception_nodes.memory.rows import clean
from perception_nodes.scene import EventKind, Frame, ObjectState, SceneState

SIDE = 128
"""Longest side of a picture, pixels."""

_MARGIN = 0.3  # of the object's extent in the image, on each side
_SMALLEST = 24  # pixels of the image
_QUALITY = 75
_SIGNS = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
_TOLD = frozenset(
    (
        *(EventKind.APPEARED, EventKind.REAPPEARED, EventKind.HIDDEN, EventKind.LOST),
        *(EventKind.MOVED, EventKind.MOVED_UNSEEN, EventKind.STOPPED, EventKind.CONTACT_ON),
        *(EventKind.ACTION, EventKind.SURPRISE),
    )
)

Window = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class KeyFrame:
    """A picture of an object, cut out of an image.

    Attributes:
        id: Number by which evidence names it; 0 before it is stored.
        event: Number in the log of the event that it shows.
        object: Id of the one in the middle.
        shows: Ids of all objects that are partly in it.
        stamp: Of the image, ns.
        camera: Who took it.
        window: First column and row, last column and row (not included) in that image.
        jpeg: The picture.
        model_id, vector: Appearance then, and which model made it; None without one.
    """

    id: int
    event: int
    object: str
    shows: tuple[str, ...]
    stamp: int
    camera: str
    window: Window
    jpeg: bytes
    model_id: str | None = None
    vector: Floats | None = None


def cut(
    frame: Frame, scene: SceneState, entries: Sequence[tuple[int, Entry]]
) -> Iterator[KeyFrame]:
    """Pictures for the events that deserve one and whose first subject is in the image.

    Args:
        frame: The image after which they happened.
        scene: What was believed after it.
        entries: Events with their numbers in the log.
    """
    if frame.pose is None or not any(entry.kind in _TOLD for _, entry in entries):
        return
    states = {state.id: state for state in scene.objects}
    windows = dict(zip(states, windows_of(frame, list(states.values())), strict=True))
    pictures: dict[str, bytes] = {}
    for seq, entry in entries:
        name = entry.subjects[0] if entry.subjects else ""
        window = windows.get(name)
        if entry.kind not in _TOLD or window is None or entry.stamp != frame.stamp:
            continue
        shows = [key for key, other in windows.items() if other and _overlap(window, other)]
        if name not in pictures:
            pictures[name] = _picture(frame.color, window)
        state = states[name]
        vector = None if state.latent is None else state.latent.astype("<f4")
        yield KeyFrame(
            id=0,
            event=seq,
            object=clean(name),
            shows=tuple(map(clean, shows)),
            stamp=frame.stamp,
            camera=clean(frame.camera_name),
            window=window,
            jpeg=pictures[name],
            model_id=None if vector is None else clean(state.model_id),
            vector=vector,
        )


def windows_of(frame: Frame, states: Sequence[ObjectState]) -> list[Window | None]:
    """The parts of an image in which objects' boxes are, with a margin; None if one is outside."""
    if not states:
        return []
    assert frame.pose is not None
    inverse = frame.pose.inverse()
    sizes = np.array([state.size for state in states])
    turns = np.array([state.pose.rotation for state in states])
    centers = np.array([state.position for state in states])
    corners = (_SIGNS * sizes[:, None]) @ turns.transpose(0, 2, 1) + centers[:, None]
    corners = inverse.apply(corners.reshape(-1, 3)).reshape(corners.shape)
    ahead = np.isfinite(corners).all(axis=(1, 2)) & (corners[..., 2].min(axis=1) > 0.02)
    pixels, _ = frame.camera.project(np.where(ahead[:, None, None], corners, 1.0))
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    margin = np.maximum(_MARGIN * (high - low), (_SMALLEST - (high - low)) / 2)
    rows, columns = frame.color.shape[:2]
    # The color image may have another resolution than the camera model.
    scale = np.array([columns / frame.camera.width, rows / frame.camera.height])
    first = np.floor((low - margin) * scale).clip(0, [columns, rows]).astype(int)
    last = np.ceil((high + margin) * scale).clip(0, [columns, rows]).astype(int)
    inside = ahead & (last - first > 1).all(axis=1)
    windows = np.concatenate((first, last), axis=1).tolist()
    return [
        (x0, y0, x1, y1) if seen else None
        for (x0, y0, x1, y1), seen in zip(windows, inside.tolist(), strict=True)
    ]


def _overlap(one: Window, other: Window) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _picture(image: Bytes, window: Window) -> bytes:
    x0, y0, x1, y1 = window
    part = image[y0:y1, x0:x1]
    scale = min(1.0, SIDE / max(part.shape[:2]))
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)  # once small: a view backward is slow to resize
    _, buffer = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return buffer.tobytes()


class Pictures(MemoryAccess):
    """Questions about key frames."""

    def keyframes(
        self, object_id: str | None = None, event: int | None = None, k: int = 100
    ) -> list[KeyFrame]:
        """The newest key frames, oldest first.

        Args:
            object_id: Only of this object.
            event: Only of the event with this number.
            k: At most so many.
        """
        limits = {"object = :object": object_id, "event = :event": event}
        wanted = [limit for limit, value in limits.items() if value is not None]
        where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
        query = f"SELECT * FROM keyframe {where} ORDER BY id DESC LIMIT :k"  # noqa: S608
        rows = self._rows(query, object=object_id, event=event, k=k)
        return [
            KeyFrame(
                id=row["id"],
                event=row["event"],
                object=row["object"],
                shows=tuple(json.loads(row["shows"])),
                stamp=row["stamp"],
                camera=row["camera"],
                window=(row["x0"], row["y0"], row["x1"], row["y1"]),
                jpeg=row["jpeg"],
                model_id=row["model_id"],
                vector=None if row["vector"] is None else np.frombuffer(row["vector"], "<f4"),
            )
            for row in reversed(rows)
        ]

    def _pictures_of(self, events: Sequence[int]) -> tuple[str, ...]:
        """Evidence: the key frames of events, as in "keyframe 12"."""
        keys = json.dumps(list(events))
        query = "SELECT id FROM keyframe WHERE event IN (SELECT value FROM json_each (:keys))"
        return tuple(f"keyframe {row['id']}" for row in self._rows(query, keys=keys))
