"""Key frames: drawn once each, shown small in the strip and one of them large."""

from __future__ import annotations

import base64

from perception_nodes.report.keyframes import KeyFrame
from perception_nodes.report.markup import bdi, color, esc, num
from perception_nodes.report.overlay import Outline
from perception_nodes.report.record import RunRecord, Track
from perception_nodes.scene import Visibility


def best(frames: list[KeyFrame]) -> int:
    """The key frame that tells most: objects in sight beside hidden ones drawn where they are."""

    def value(index: int) -> tuple[int, float, int]:
        key = frames[index]
        named = [o for o in key.outlines if o.id]
        hidden = sum(o.visibility != Visibility.VISIBLE for o in named)
        # A picture of the thing in front alone says nothing about what is behind it.
        return hidden + 2 * min(hidden, len(named) - hidden), key.weight, -index

    return max(range(len(frames)), key=value)


def definitions(frames: list[KeyFrame], record: RunRecord) -> str:
    """The pictures (`k0`, `k1`, ...) and the names on them (`l0`, ...), not shown by themselves."""
    groups = []
    for i, key in enumerate(frames):
        data = base64.b64encode(key.jpeg).decode("ascii")
        # Hidden objects are drawn last: they are the point of the picture.
        drawn = sorted(key.outlines, key=lambda o: bool(o.id) and o.visibility != 0)
        marks = "".join(_outline(o, record) for o in drawn)
        groups.append(
            f'<g id="k{i}"><image href="data:image/jpeg;base64,{data}" width="{key.width}" '
            f'height="{key.height}"/>{marks}</g><g id="l{i}">{_names(key, record)}</g>'
        )
    return f'<svg class="defs" aria-hidden="true"><defs>{"".join(groups)}</defs></svg>'


def stage(frames: list[KeyFrame], record: RunRecord) -> str:
    """One key frame large; the page's script changes which."""
    if not frames:
        return '<figure class="stage"><p class="none">No frame to show.</p></figure>'
    i = best(frames)
    key = frames[i]
    return (
        f'<figure class="stage"><svg id="stage" viewBox="0 0 {key.width} {key.height}" role="img" '
        f'aria-label="Key frame"><use href="#k{i}"/><use href="#l{i}"/></svg>'
        f'<figcaption id="caption">{_caption(key, record, len(record.views) > 1)}</figcaption>'
        "</figure>"
    )


def strip(frames: list[KeyFrame], record: RunRecord) -> str:
    """All key frames small, in order of time."""
    several = len(record.views) > 1
    figures = "".join(
        f'<figure data-k="{i}"><button type="button" aria-label="Show {key.t:.1f} s">'
        f'<svg viewBox="0 0 {key.width} {key.height}"><use href="#k{i}"/></svg></button>'
        f"<figcaption>{_caption(key, record, several)}</figcaption></figure>"
        for i, key in enumerate(frames)
    )
    return f'<div class="strip" id="strip">{figures}</div>'


def _caption(key: KeyFrame, record: RunRecord, several: bool) -> str:
    text = "; ".join(esc(reason) for reason in key.reasons[:2])
    if len(key.reasons) > 2:
        text += f" (+{len(key.reasons) - 2})"
    if not text:
        text = f"{len(key.seen)} in sight" + (f", {len(key.hidden)} hidden" * bool(key.hidden))
    camera = f" <small>{bdi(key.camera_name)}</small>" if several else ""
    tracks = [record.tracks[name] for name in key.hidden if name in record.tracks]
    chips = "".join(_chip(track) for track in tracks[:8])
    hidden = f'<span class="chips">out of sight: {chips}</span>' if chips else ""
    return f"<b>{key.t:.1f} s</b>{camera} <span>{text}</span>{hidden}"


def _chip(track: Track) -> str:
    return f'<em style="--c:{color(track.index)}">{bdi(track.name)}</em>'


def _outline(outline: Outline, record: RunRecord) -> str:
    track = record.tracks.get(outline.id)
    if track is None:
        return f'<path class="nobody" d="{outline.mask}"/>' if outline.mask else ""
    hidden = outline.visibility != Visibility.VISIBLE
    parts = []
    if outline.mask:
        parts.append(f'<path class="mask" d="{outline.mask}"/>')
    if hidden and outline.hull:
        parts.append(f'<path class="ghost" d="{outline.hull}"/>')
    parts.append(f'<path class="box" d="{outline.box}"/>')
    if hidden and outline.hull:
        parts.append(f'<path class="rim" d="{outline.hull}"/>')
    kind = "ob hid" if hidden else "ob"
    return (
        f'<g class="{kind}" data-o="{track.index}" style="--c:{color(track.index)}">'
        f"{''.join(parts)}</g>"
    )


def _names(key: KeyFrame, record: RunRecord) -> str:
    """Names of the objects, hidden ones first in the fight for room."""
    taken: list[tuple[float, float, float]] = []
    texts = []
    named = [o for o in key.outlines if o.id in record.tracks]
    for outline in sorted(named, key=lambda o: (o.visibility == Visibility.VISIBLE, o.id)):
        track = record.tracks[outline.id]
        hidden = outline.visibility != Visibility.VISIBLE
        name = track.name if len(track.name) <= 22 else track.name[:21] + "…"
        note = f" hidden {outline.hidden_for:.1f} s" if hidden else ""
        note = " hidden" if hidden and outline.hidden_for < 0.05 else note
        wide = 6.1 * len(name + note) + 14
        x = min(max(outline.anchor[0] - wide / 2, 3.0), max(3.0, key.width - wide - 3.0))
        y = _free(taken, x, outline.anchor[1], wide, key.height)
        if y is None:
            continue
        taken.append((x, y, wide))
        texts.append(
            f'<g class="lab{" hid" if hidden else ""}" data-o="{track.index}" '
            f'style="--c:{color(track.index)}"><circle cx="{num(x + 5)}" cy="{num(y - 4)}" r="4"/>'
            f'<text x="{num(x + 13)}" y="{num(y)}">{esc(name)}'
            f"{f'<tspan>{note}</tspan>' if note else ''}</text></g>"
        )
    return "".join(texts)


def _free(
    taken: list[tuple[float, float, float]], x: float, y: float, wide: float, height: int
) -> float | None:
    """The nearest height above or below `y` at which a name covers no other; None if none is."""
    for shift in (0, -14, 14, -28, 28, -42, 42):
        spot = y + shift
        clear = all(x > ox + ow or ox > x + wide or abs(spot - oy) > 13 for ox, oy, ow in taken)
        if clear and 12 < spot < height - 4:
            return spot
    return None
