"""A memory as one HTML page that loads nothing from anywhere: map, timelines, causes, pictures."""

from __future__ import annotations

import base64
from importlib.resources import files
from string import Template

from perception_nodes.memory.answers import duration, name_of, place_of, visibility_of
from perception_nodes.memory.explanation import Explanation, Link
from perception_nodes.memory.queries import MemoryQueries
from perception_nodes.memory.rows import Record
from perception_nodes.report.mapview import draw_map
from perception_nodes.report.markup import bdi, color, esc, plural, table
from perception_nodes.report.record import RunRecord, Track
from perception_nodes.report.tables import events as events_table
from perception_nodes.report.timeline import draw_timelines
from perception_nodes.scene import Event, EventKind

_SECOND = 1_000_000_000
_MOST_OBJECTS = 200
_KNOWN = frozenset(kind.value for kind in EventKind)

_STYLE = """
.chain { display: flex; flex-wrap: wrap; align-items: stretch; gap: 6px; padding: 10px 14px;
  border-top: 1px solid var(--line); }
.chain > h3, .chain > p { flex-basis: 100%; }
.chain > h3 { font-weight: 600; }
.chain figure { width: 190px; border: 1px solid var(--line); border-radius: 8px; padding: 8px;
  background: var(--well); }
.chain img { display: block; max-width: 100%; height: 96px; object-fit: contain; margin: 0 auto 6px;
  border-radius: 4px; }
.chain figcaption { font-size: 12px; overflow-wrap: anywhere; }
.chain i { align-self: center; color: var(--faint); font-style: normal; font-size: 12px; }
.pad { padding: 10px 14px; }
.pair section { margin: 0; }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
$style
</style>
</head>
<body>
<header><p class="over-line"><bdi>$title</bdi></p><h1>$headline</h1></header>
<main>
<div class="pair">
<figure class="plan">$map<figcaption>Where objects are and were; the ellipse is 2&#963;</figcaption>
</figure>
<section><h2>Objects</h2>$objects</section>
</div>
<section class="lanes"><h2>Over time, without the time between sessions</h2>$timelines</section>
<section><h2>Why they are where they are</h2>$chains</section>
<section><h2>Who believes what is not so</h2><div class="pad">$beliefs</div></section>
<section><h2>Events</h2>$events</section>
</main>
</body>
</html>
"""


def memory_page(memory: MemoryQueries, name: str | None = None) -> str:
    """The page. Equal memories give equal text.

    Args:
        memory: Is asked.
        name: Id or label of an object whose causes alone are shown; None for all.
    """
    record, records, begins = _record_of(memory)
    tracks = list(record.tracks.values())
    status = memory.status()
    told = (
        f"{plural(status.objects, 'object')}, {plural(status.events, 'event')} in "
        f"{plural(status.sessions, 'session')}; {status.bytes / 1e6:.1f} MB; {status.health}"
    )
    style = files("perception_nodes.report").joinpath("assets", "report.css").read_text("utf-8")
    asked = set(memory.find(name)) if name is not None else None
    return Template(_PAGE).substitute(
        title=esc(f"Memory {memory.path.name}"),
        style=style + _STYLE,
        headline=esc(told),
        map=draw_map(record, tracks),
        objects=_objects(records, memory.now or 0),
        timelines=draw_timelines(record, tracks, []),
        chains=_chains(memory, record, begins, asked),
        beliefs=_beliefs(memory),
        events=events_table(record),
    )


Begins = dict[int, float]
"""From the stamp at which a session starts to seconds on the page."""


def _record_of(memory: MemoryQueries) -> tuple[RunRecord, list[Record], Begins]:
    """What the report's drawings need, with the sessions one after the other."""
    begins: Begins = {}
    total = 0.0
    for first, last in memory.sessions():
        begins[first] = total
        total += (last - first) / _SECOND
    record, records = RunRecord(), memory.records()[:_MOST_OBJECTS]
    for found in records:
        track = Track(len(record.tracks), found.state)
        record.tracks[found.state.id] = track
        for row in memory.trail(found.state.id):
            track.add(_time(row.session_start, row.state.stamp, begins), row.state)
    for event in memory.events():
        if event.kind in _KNOWN:
            told = Event(event.stamp, EventKind(event.kind), event.subjects, event.text)
            record.events.append((_event_time(event.stamp, begins), told))
    record.duration = total
    return record, records, begins


def _time(start: int, stamp: int, begins: Begins) -> float:
    return begins.get(start, 0.0) + max(0, stamp - start) / _SECOND


def _event_time(stamp: int, begins: Begins) -> float:
    return _time(max((b for b in begins if b <= stamp), default=stamp), stamp, begins)


def _objects(records: list[Record], now: int) -> str:
    rows = [
        [
            bdi(name_of(record.state)),
            esc(visibility_of(record)),
            esc(place_of(record)),
            esc(f"{duration(max(0, now - record.state.last_seen))} ago"),
        ]
        for record in records
    ]
    return table(("object", "state", "where", "last seen"), rows)


def _chains(
    memory: MemoryQueries, record: RunRecord, begins: Begins, asked: set[str] | None
) -> str:
    parts = []
    for key, track in record.tracks.items():
        if asked is not None and key not in asked:
            continue
        found = memory.explain(key)
        if found.chain:
            parts.append(_chain(memory, track, found, begins))
    return "".join(parts) or '<p class="none pad">Nothing was seen to move.</p>'


def _chain(memory: MemoryQueries, track: Track, found: Explanation, begins: Begins) -> str:
    cards = [_card(memory, found.chain[0], begins)]
    for link in found.chain[1:]:
        cards.append(f"<i>because<br>{link.weight:.2f}</i>{_card(memory, link, begins)}")
    if not found.known:
        cards.append("<i>because</i><figure><figcaption>unknown</figcaption></figure>")
    title = f'<h3 style="color:{color(track.index)}">{bdi(name_of(track.state))}</h3>'
    told = "; ".join(f"{k.event.text} ({k.weight:.2f}, event {k.event.seq})" for k in found.others)
    others = f"<p>{esc(f'perhaps also because: {told}')}</p>" if told else ""
    return f'<div class="chain">{title}{"".join(cards)}{others}</div>'


def _card(memory: MemoryQueries, link: Link, begins: Begins) -> str:
    pictures = memory.keyframes(event=link.event.seq, k=1)
    picture = ""
    if pictures:
        data = base64.b64encode(pictures[0].jpeg).decode("ascii")
        picture = f'<img alt="{esc(pictures[0].object)}" src="data:image/jpeg;base64,{data}">'
    when = f"t = {_event_time(link.event.stamp, begins):.1f} s"
    evidence = ", ".join((f"event {link.event.seq}", *link.evidence))
    text = f"{bdi(link.event.text)}<br><small>{esc(when)}; {esc(evidence)}</small>"
    return f"<figure>{picture}<figcaption>{text}</figcaption></figure>"


def _beliefs(memory: MemoryQueries) -> str:
    wrong = memory.false_beliefs()
    if not wrong:
        return '<p class="none">Nobody, as far as is known.</p>'
    lines = (memory.believes(belief.agent, belief.object).sentence for belief in wrong)
    return "".join(f"<p>{esc(line)}</p>" for line in lines)
