"""The timelines: for every object, when it was visible, occluded, out of view or lost."""

from __future__ import annotations

import math

from perception_nodes.report.markup import bdi, color, esc, nice_step, num, plural, seconds
from perception_nodes.report.record import RunRecord, Span, Track
from perception_nodes.scene import EventKind, Visibility

_CLASSES = {
    Visibility.VISIBLE: ("v", "visible"),
    Visibility.OCCLUDED: ("o", "occluded"),
    Visibility.OUT_OF_VIEW: ("w", "out of view"),
    Visibility.LOST: ("l", "lost"),
}
_MARKS = {
    EventKind.MOVED_UNSEEN: "found again, moved while out of sight",
    EventKind.LOST: "lost",
    EventKind.REMOVED: "removed",
    EventKind.REAPPEARED: "found again",
}
_FINEST = 0.001
MAX_ROWS = 24


def draw_timelines(record: RunRecord, tracks: list[Track], key_times: list[float]) -> str:
    """All rows as markup; objects of least life are folded away if there are many."""
    by_life = sorted(tracks, key=lambda track: (-track.life, track.index))
    shown = {track.index for track in by_life[:MAX_ROWS]}
    rows = "".join(_row(record, t) for t in tracks if t.index in shown)
    folded = "".join(_row(record, t) for t in tracks if t.index not in shown)
    more = ""
    if folded:
        count = plural(len(tracks) - len(shown), "object")
        more = f"<details><summary>{count} known for a shorter time</summary>{folded}</details>"
    if record.more_tracks:
        count = plural(record.more_tracks, "object")
        more += f'<p class="none">{count} known for the shortest time were left out.</p>'
    return (
        '<div class="tl" id="tl" tabindex="0" role="slider" aria-label="Time in the run" '
        f'aria-valuemin="0" aria-valuemax="{record.duration:.2f}" aria-valuenow="0">'
        f"{_axis(record.duration, key_times)}{rows}{more}"
        '<div class="over"><i id="head"></i></div></div>'
    )


def _share(t: float, duration: float) -> str:
    return num(100.0 * t / duration if duration > 0 else 0.0, 2)


def _axis(duration: float, key_times: list[float]) -> str:
    step = nice_step(duration, 8)
    digits = 0 if step >= 1 else 1
    count = math.floor(duration / step + 1e-6)
    ticks = "".join(
        f'<i style="left:{_share(i * step, duration)}%">{i * step:.{digits}f}</i>'
        for i in range(count + 1)
        if i * step <= 0.97 * duration or i == 0
    )
    keys = "".join(f'<b style="left:{_share(t, duration)}%"></b>' for t in key_times)
    bar = f'<div class="bar">{ticks}{keys}</div>'
    return f'<div class="row axis"><div class="who">seconds</div>{bar}</div>'


def _row(record: RunRecord, track: Track) -> str:
    spans = "".join(_span(span, record.duration) for span in _merged(track.spans, record.duration))
    marks = "".join(_mark(t, kind, record.duration) for t, kind in _marked(record, track))
    note = _note(track, record.duration)
    name = bdi(track.name)
    if track.state.label:
        name += f" <small>{bdi(track.state.id)}</small>"
    return (
        f'<div class="row" data-o="{track.index}" style="--c:{color(track.index)}">'
        f'<div class="who" title="{esc(track.name)} ({esc(track.state.id)})"><s></s>{name}</div>'
        f'<div class="bar">{spans}{marks}</div><div class="note">{note}</div></div>'
    )


def _merged(spans: list[Span], duration: float) -> list[Span]:
    """The same stretches without those too short to be seen on the page."""
    merged: list[Span] = []
    for span in spans:
        short = span.end - span.begin < _FINEST * duration
        if merged and (short or merged[-1].visibility == span.visibility):
            merged[-1] = merged[-1]._replace(end=span.end)
        else:
            merged.append(span)
    return merged


def _span(span: Span, duration: float) -> str:
    kind, word = _CLASSES[span.visibility]
    return (
        f'<i class="{kind}" style="left:{_share(span.begin, duration)}%;'
        f'width:{_share(span.end - span.begin, duration)}%" '
        f'title="{word} {span.begin:.1f}–{span.end:.1f} s"></i>'
    )


def _marked(record: RunRecord, track: Track) -> list[tuple[float, EventKind]]:
    """What is marked on an object's row; at one time only what says most."""
    order = list(_MARKS)
    best: dict[float, EventKind] = {}
    for t, event in record.events:
        if event.kind in _MARKS and event.subjects[:1] == (track.state.id,):
            best[t] = min(best.get(t, event.kind), event.kind, key=order.index)
    return list(best.items())


def _mark(t: float, kind: EventKind, duration: float) -> str:
    text = f"{_MARKS[kind]} at {t:.1f} s"
    return f'<b class="{kind.value}" style="left:{_share(t, duration)}%" title="{text}"></b>'


def _note(track: Track, now: float) -> str:
    episodes = track.episodes(now)
    if episodes and episodes[-1].ending == Visibility.LOST:
        return f"lost after {seconds(episodes[-1].end - episodes[-1].begin)}"
    if not episodes:
        return ""
    longest = max(e.end - e.begin for e in episodes)
    if len(episodes) == 1:
        return f"hidden {seconds(longest)}"
    return f"hidden {len(episodes)}×, up to {seconds(longest)}"
