"""Puts the sections together into one HTML file that loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from string import Template
from typing import TypeVar

from perception_nodes.report.gallery import best, definitions, stage, strip
from perception_nodes.report.keyframes import KeyFrame
from perception_nodes.report.mapview import chart_of, draw_map
from perception_nodes.report.markup import color, esc
from perception_nodes.report.record import RunRecord, Track
from perception_nodes.report.scores import score
from perception_nodes.report.story import headline, tiles
from perception_nodes.report.summary import RunSummary
from perception_nodes.report.tables import events, made, timings
from perception_nodes.report.timeline import draw_timelines

_POINTS = 200

Item = TypeVar("Item")


def render_page(title: str, record: RunRecord, frames: list[KeyFrame], summary: RunSummary) -> str:
    """The whole page. The same run gives the same text, except for timings."""
    tracks = list(record.tracks.values())
    script = _asset("report.js")
    section = "<section><h2>Score against truth</h2>{}</section>"
    return Template(_asset("report.html")).substitute(
        title=esc(title),
        style=_asset("report.css"),
        script=script,
        script_hash=_hash(script),
        headline=esc(headline(record, tracks, summary)),
        source="" if summary.source == title else esc(summary.source),
        tiles=tiles(record, tracks, summary),
        definitions=definitions(frames, record),
        stage=stage(frames, record),
        map=draw_map(record, tracks),
        timelines=draw_timelines(record, tracks, [key.t for key in frames]),
        strip=strip(frames, record),
        events=events(record),
        score=section.format(score(summary.score)) if summary.score else "",
        timings=timings(record),
        made=made(summary),
        data=_data(record, tracks, frames),
    )


def _asset(name: str) -> str:
    return files("perception_nodes.report").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What allows this script and no other to run (Content Security Policy)."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _data(record: RunRecord, tracks: list[Track], frames: list[KeyFrame]) -> str:
    """What the script needs to link time, map and key frames, as JSON that can't end its tag."""
    chart = chart_of(record, tracks)

    def pixels(x: float, y: float) -> list[float]:
        return [round(v, 1) for v in chart.at(x, y)]

    paths = [
        [[round(p.t, 2), *pixels(p.x, p.y), int(p.visibility)] for p in _thin(list(track.path))]
        for track in tracks
    ]
    views = [
        [
            [round(v.t, 2), *pixels(v.x, v.y), None if v.yaw is None else round(v.yaw, 2)]
            for v in _thin(list(way))
        ]
        for way in record.views.values()
    ]
    data = {
        "duration": round(record.duration, 3),
        "first": best(frames) if frames else 0,
        "keys": [[round(key.t, 3), key.width, key.height] for key in frames],
        "colors": [color(track.index) for track in tracks],
        "paths": paths,
        "views": views,
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _thin(items: list[Item]) -> list[Item]:
    stride = max(1, len(items) // _POINTS)
    return items[::stride]
