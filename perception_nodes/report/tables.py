"""Events, timings and how the page was made, as tables."""

from __future__ import annotations

import math

import numpy as np

from perception_nodes.report.markup import bdi, color, esc, num, plural, table
from perception_nodes.report.record import RunRecord
from perception_nodes.report.summary import RunSummary
from perception_nodes.scene import Event

_SHOWN_EVENTS = 400


def events(record: RunRecord) -> str:
    """What happened, in order of time."""
    if not record.events:
        return '<p class="none">Nothing happened.</p>'
    rows = "".join(_event(record, t, event) for t, event in record.events[:_SHOWN_EVENTS])
    rest = len(record.events) + record.more_events - _SHOWN_EVENTS
    more = f'<p class="none">… and {plural(rest, "more event")}.</p>' if rest > 0 else ""
    return (
        '<div class="scroll tall"><table class="events" id="events"><thead><tr>'
        '<th scope="col">Time</th><th scope="col">Kind</th><th scope="col">Objects</th>'
        f'<th scope="col">What</th></tr></thead><tbody>{rows}</tbody></table></div>{more}'
    )


def _event(record: RunRecord, t: float, event: Event) -> str:
    names = []
    for subject in event.subjects:
        track = record.tracks.get(subject)
        if track is None:
            names.append(f"<em>{bdi(subject)}</em>")
        else:
            names.append(f'<em style="--c:{color(track.index)}">{bdi(track.name)}</em>')
    kind = esc(event.kind.value.replace("_", " "))
    return (
        f'<tr data-t="{t:.3f}"><td>{t:.1f} s</td><td class="kind">{kind}</td>'
        f"<td>{' '.join(names)}</td><td>{esc(event.text)}</td></tr>"
    )


def timings(record: RunRecord) -> str:
    """How long each part took for a frame: median, 95th and 99th percentile."""
    parts = {name: np.array(list(values)) for name, values in record.timings.items()}
    if not parts:
        return '<p class="none">No timings were taken.</p>'
    if "total" not in parts and len(parts) > 1 and len({len(v) for v in parts.values()}) == 1:
        parts["total"] = np.sum(list(parts.values()), axis=0)
    figures = {
        name: [1000.0 * float(v) for v in np.percentile(values, (50, 95, 99))]
        for name, values in parts.items()
    }
    longest = max(p99 for _, _, p99 in figures.values()) or 1.0
    rows = [
        (esc(name), *(_milliseconds(v) for v in three), _bar([v / longest for v in three]))
        for name, three in figures.items()
    ]
    return table(("Part", "p50", "p95", "p99", ""), rows, "timings")


def _milliseconds(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


def _bar(shares: list[float]) -> str:
    median, usual, worst = (num(100 * share) for share in shares)
    return (
        f'<div class="meter" title="bar: p50, pale: p95, tick: p99"><i style="width:{usual}%"></i>'
        f'<b style="width:{median}%"></b><s style="left:{worst}%"></s></div>'
    )


def made(summary: RunSummary) -> str:
    """How to get the same page again, and what was assumed or lost."""
    facts = [
        ("Source", esc(summary.source)),
        ("Input hash", f"<code>{esc(summary.input_hash)}</code>" if summary.input_hash else ""),
        ("Command", f"<code>{esc(summary.command)}</code>" if summary.command else ""),
        ("Version", esc(summary.version)),
        ("Camera pose", esc(summary.pose_origin)),
        ("Dropped frames", _drops(summary)),
        ("Input lost", _items(summary.losses) or "nothing"),
        ("Notes", _items(summary.notes)),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts if value)
    return f'<dl class="made">{rows}</dl>'


def _drops(summary: RunSummary) -> str:
    causes = [f"{count:,} {esc(cause)}" for cause, count in summary.drops.items() if count]
    return ", ".join(causes) or "none"


def _items(sentences: tuple[str, ...]) -> str:
    if not sentences:
        return ""
    return f"<ul>{''.join(f'<li>{esc(s)}</li>' for s in sentences)}</ul>"
