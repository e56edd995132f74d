"""Which frames the report shows: moments of interest, and regular coverage between them.

The choice is made while the run goes by, with a bounded number of pictures in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from perception_nodes.arrays import Bytes
from perception_nodes.report.overlay import Outline, outlines
from perception_nodes.report.record import MAX_TRACKS, RunRecord
from perception_nodes.scene import Event, EventKind, Frame, ObjectState, SceneState, Visibility

WIDTH = 480
LIMIT = 24
_HIGHLIGHTS = 14
_APART = 0.6
_TELLING = (0.5, 2.0, 5.0)
_UNSEEN = (Visibility.OCCLUDED, Visibility.OUT_OF_VIEW)
_MAX_JPEG = 90_000
_WEIGHTS = {
    EventKind.MOVED_UNSEEN: 10.0,
    EventKind.REAPPEARED: 8.0,
    EventKind.LOST: 3.0,
    EventKind.REMOVED: 3.0,
    EventKind.HIDDEN: 2.0,
    EventKind.APPEARED: 2.0,
    EventKind.CONTACT_ON: 1.0,
}
_WEIGHT_HIDDEN = 7.0


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A frame worth showing.

    Attributes:
        t: Seconds of the run.
        camera_name: Which camera took it.
        weight: How interesting it is.
        reasons: Sentences about what happens in it.
        jpeg: The picture, `width` x `height` pixels.
        outlines: What is drawn over it.
        seen, hidden: Ids of the objects by what is believed of them.
    """

    t: float
    camera_name: str
    weight: float
    reasons: tuple[str, ...]
    jpeg: bytes
    width: int
    height: int
    outlines: tuple[Outline, ...]
    seen: tuple[str, ...]
    hidden: tuple[str, ...]


class KeyFrames:
    """Chooses key frames as the run goes by."""

    def __init__(self) -> None:
        self._highlights: list[KeyFrame] = []
        self._regular: list[KeyFrame] = []
        self._gap = 0.5
        self._told: dict[str, tuple[int, float]] = {}

    def offer(self, t: float, frame: Frame, state: SceneState, record: RunRecord) -> None:
        """Consider a frame; a picture is made only if it may be shown."""
        weight, reasons = self._interest(state, record)
        regular = not self._regular or t - self._regular[-1].t >= self._gap
        rival = next((k for k in self._highlights if abs(k.t - t) < _APART), None)
        floor = min((k.weight for k in self._highlights), default=0.0)
        full = len(self._highlights) >= _HIGHLIGHTS
        wanted = weight > (rival.weight if rival else floor if full else 0.0)
        if not (regular or wanted):
            return
        key = _key_frame(t, frame, state, (weight, reasons), record)
        if wanted:
            self._keep_highlight(key, rival)
        if regular:
            self._keep_regular(key)

    def chosen(self) -> list[KeyFrame]:
        """At most 24 key frames in order of time: all highlights, then what fills the gaps."""
        chosen = list(self._highlights)
        rest = [k for k in self._regular if all(k is not h for h in chosen)]
        while rest and len(chosen) < LIMIT:
            far = [min((abs(k.t - c.t) for c in chosen), default=k.t + 1.0) for k in rest]
            best = max(range(len(rest)), key=far.__getitem__)
            if far[best] < _APART and chosen:
                break
            chosen.append(rest.pop(best))
        return sorted(chosen, key=lambda k: (k.t, k.camera_name))

    def _keep_highlight(self, key: KeyFrame, rival: KeyFrame | None) -> None:
        if rival is not None:
            self._highlights.remove(rival)
        self._highlights.append(key)
        if len(self._highlights) > _HIGHLIGHTS:
            # Of equals the latest goes, so that the story keeps its beginning.
            self._highlights.remove(min(self._highlights, key=lambda k: (k.weight, -k.t)))

    def _keep_regular(self, key: KeyFrame) -> None:
        self._regular.append(key)
        if len(self._regular) > LIMIT:
            self._regular = self._regular[::2]
            self._gap *= 2

    def _interest(self, state: SceneState, record: RunRecord) -> tuple[float, tuple[str, ...]]:
        """How interesting a frame is, and why."""
        found = [(_WEIGHTS.get(event.kind, 0.0), _sentence(event)) for event in state.events]
        for item in state.objects:
            track = record.tracks.get(item.id)
            if track is not None and item.visibility == Visibility.OCCLUDED:
                hidden = track.hidden_for()
                if self._is_news(item, hidden):
                    text = f"{track.name} has been hidden for {hidden:.1f} s"
                    found.append((_WEIGHT_HIDDEN, text))
        found = sorted((f for f in found if f[0] > 0), key=lambda f: -f[0])
        if not found:
            return 0.0, ()
        occluded = sum(s.visibility == Visibility.OCCLUDED for s in state.objects)
        weight = found[0][0] + 0.5 * min(len(found) - 1, 3) + min(occluded, 3)
        return weight, tuple(text for _, text in found)

    def _is_news(self, item: ObjectState, hidden: float) -> bool:
        """Whether an object has just been hidden for one of the telling times."""
        step = max((s for s in _TELLING if hidden >= s), default=0.0)
        told = self._told.get(item.id, (-1, 0.0))
        if step == 0.0 or (told[0] == item.last_seen and told[1] >= step):
            return False
        self._told[item.id] = (item.last_seen, step)
        if len(self._told) > MAX_TRACKS:
            del self._told[next(iter(self._told))]
        return True


def _sentence(event: Event) -> str:
    return event.text or f"{', '.join(event.subjects)}: {event.kind.value.replace('_', ' ')}"


def _key_frame(
    t: float,
    frame: Frame,
    state: SceneState,
    interest: tuple[float, tuple[str, ...]],
    record: RunRecord,
) -> KeyFrame:
    weight, reasons = interest
    width, height = _size(frame)
    drawn = outlines(frame, state.slots, state.objects, (width, height))
    small = np.asarray(cv2.resize(frame.color, (width, height), interpolation=cv2.INTER_AREA))
    return KeyFrame(
        t=t,
        camera_name=frame.camera_name,
        weight=weight,
        reasons=reasons,
        jpeg=_jpeg(small.astype(np.uint8, copy=False)),
        width=width,
        height=height,
        outlines=tuple(replace(o, hidden_for=_hidden_for(o.id, record)) for o in drawn),
        seen=tuple(s.id for s in state.objects if s.visibility == Visibility.VISIBLE),
        hidden=tuple(s.id for s in state.objects if s.visibility in _UNSEEN),
    )


def _size(frame: Frame) -> tuple[int, int]:
    rows, columns = frame.color.shape[:2]
    return WIDTH, max(1, round(WIDTH * rows / columns))


def _hidden_for(name: str, record: RunRecord) -> float:
    return record.tracks[name].hidden_for() if name in record.tracks else 0.0


def _jpeg(image: Bytes) -> bytes:
    """The picture at the best quality that keeps the page small."""
    data = b""
    for quality in (82, 65, 45, 25):
        _, buffer = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        data = buffer.tobytes()
        if len(data) <= _MAX_JPEG:
            break
    return data
