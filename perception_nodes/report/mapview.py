"""The map from above: where the objects were believed to be, and the way of the camera."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.report.markup import color, esc, nice_step, num, path
from perception_nodes.report.overlay import corners
from perception_nodes.report.record import Point, RunRecord, Track, View
from perception_nodes.scene import Visibility

WIDTH, HEIGHT = 560, 480
_MARGIN = 34
_SIGMAS = 2.0


@dataclass(frozen=True, slots=True)
class Chart:
    """Places world coordinates (meters, x right, y up) on the drawing (pixels, y down)."""

    scale: float
    left: float
    top: float

    @classmethod
    def around(cls, points: Floats) -> Chart:
        """A chart that shows all (N, 2) points, at least half a meter wide."""
        low, high = points.min(axis=0), points.max(axis=0)
        span = np.maximum((high - low) * 1.16, 0.5)
        scale = min((WIDTH - 2 * _MARGIN) / span[0], (HEIGHT - 2 * _MARGIN) / span[1])
        middle = (low + high) / 2
        return cls(
            float(scale),
            float(middle[0] - WIDTH / 2 / scale),
            float(middle[1] + HEIGHT / 2 / scale),
        )

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point in meters."""
        return (x - self.left) * self.scale, (self.top - y) * self.scale


def draw_map(record: RunRecord, tracks: list[Track]) -> str:
    """The map as SVG markup."""
    chart = chart_of(record, tracks)
    parts = [
        (
            f'<svg class="map" id="map" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            'aria-label="Map from above with the paths of objects and camera">'
        ),
        _grid(chart),
        *(_view(chart, list(views)) for views in record.views.values()),
        *(_trail(chart, track) for track in tracks),
        *(_belief(chart, track) for track in sorted(tracks, key=_footprint, reverse=True)),
        _names(chart, tracks),
        '<g id="now"></g></svg>',
    ]
    return "".join(parts)


def chart_of(record: RunRecord, tracks: list[Track]) -> Chart:
    """The chart that the map of a run uses."""
    points = [(p.x, p.y) for track in tracks for p in track.path]
    points += [(v.x, v.y) for views in record.views.values() for v in views]
    for track in tracks:
        box = corners(track.state)[:, :2]
        if np.isfinite(box).all():
            points += [(float(x), float(y)) for x, y in box]
    return Chart.around(np.array(points or [(0.0, 0.0)], dtype=np.float64))


def _grid(chart: Chart) -> str:
    step = nice_step(min(WIDTH, HEIGHT) / chart.scale, 6)
    digits = max(0, -math.floor(math.log10(step)))
    lines, texts = [], []
    for i in _multiples(chart.left, chart.left + WIDTH / chart.scale, step):
        x, _ = chart.at(i * step, 0.0)
        lines.append(f"M{num(x)} 0V{HEIGHT}")
        if 30 < x < WIDTH - 60:
            texts.append(
                f'<text x="{num(x)}" y="{HEIGHT - 8}" text-anchor="middle">'
                f"{i * step:.{digits}f}</text>"
            )
    for i in _multiples(chart.top - HEIGHT / chart.scale, chart.top, step):
        _, y = chart.at(0.0, i * step)
        lines.append(f"M0 {num(y)}H{WIDTH}")
        if 20 < y < HEIGHT - 30:
            texts.append(f'<text x="8" y="{num(y + 3.5)}">{i * step:.{digits}f}</text>')
    unit = f'<text x="{WIDTH - 10}" y="{HEIGHT - 8}" text-anchor="end">x → m</text>'
    unit += '<text x="8" y="16">y ↑ m</text>'
    return f'<g class="grid"><path d="{"".join(lines)}"/>{"".join(texts)}{unit}</g>'


def _multiples(low: float, high: float, step: float) -> range:
    return range(math.ceil(low / step), math.floor(high / step) + 1)


def _view(chart: Chart, views: list[View]) -> str:
    points = [chart.at(v.x, v.y) for v in views]
    x, y = points[-1]
    way = f'<path class="way" d="{path(points)}"/>' if len(points) > 1 else ""
    return f'<g class="cam">{way}<g class="end">{camera_glyph(x, y, views[-1].yaw)}</g></g>'


def camera_glyph(x: float, y: float, yaw: float | None) -> str:
    """A camera seen from above; a ring where it looks straight down."""
    if yaw is None:
        return f'<circle cx="{num(x)}" cy="{num(y)}" r="6"/>'
    turn = num(-math.degrees(yaw))
    return f'<path d="M0 0L15-7.5V7.5Z" transform="translate({num(x)} {num(y)}) rotate({turn})"/>'


def _trail(chart: Chart, track: Track) -> str:
    """The path of an object, dashed where it was out of sight."""
    runs: list[tuple[bool, list[Point]]] = []
    for point in track.path:
        if point.visibility == Visibility.LOST:
            continue
        hidden = point.visibility != Visibility.VISIBLE
        if not runs or runs[-1][0] != hidden:
            # What lies between a sight and the next was not seen: it belongs to the hidden run.
            if runs and not hidden:
                runs[-1][1].append(point)
            runs.append((hidden, runs[-1][1][-1:] if runs else []))
        runs[-1][1].append(point)
    drawn = "".join(
        f'<path class="{"unseen" if hidden else "seen"}" '
        f'd="{path(_simplified([chart.at(p.x, p.y) for p in points]))}"/>'
        for hidden, points in runs
        if len(points) > 1
    )
    return f'<g class="trail" data-o="{track.index}" style="--c:{color(track.index)}">{drawn}</g>'


def _simplified(points: list[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    """The same line without points that make no visible difference."""
    line = cv2.approxPolyDP(np.array(points, dtype=np.float32)[:, None], 0.35, False)[:, 0]
    return [(float(x), float(y)) for x, y in line]


def _belief(chart: Chart, track: Track) -> str:
    """Where an object is believed to be at the end: its box from above and the 2-sigma ellipse."""
    state = track.state
    box = corners(state)[:, :2]
    covariance = np.asarray(state.pose_covariance, dtype=np.float64)[:2, :2]
    if not (np.isfinite(box).all() and np.isfinite(covariance).all()):
        return ""
    hull = cv2.convexHull(box.astype(np.float32))[:, 0]
    outline = path([chart.at(float(x), float(y)) for x, y in hull], closed=True)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    radii = _SIGMAS * np.sqrt(np.maximum(values, 0.0)) * chart.scale
    # An ellipse larger than the map says nothing more than one as large as it.
    radii = np.minimum(radii, 4.0 * WIDTH)
    turn = -math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
    x, y = chart.at(float(state.position[0]), float(state.position[1]))
    kind = state.visibility.name.lower()
    return (
        f'<g class="belief {kind}" data-o="{track.index}" style="--c:{color(track.index)}">'
        f'<ellipse rx="{num(radii[1])}" ry="{num(radii[0])}" '
        f'transform="translate({num(x)} {num(y)}) rotate({num(turn)})"/>'
        f'<path d="{outline}"/><circle cx="{num(x)}" cy="{num(y)}" r="2.5"/></g>'
    )


def _footprint(track: Track) -> float:
    """Area of an object from above; what is large is drawn first, below what is small."""
    area = float(track.state.size[0] * track.state.size[1])
    return area if math.isfinite(area) else 0.0


def _names(chart: Chart, tracks: list[Track]) -> str:
    """Names beside the objects, placed where they cover no other name."""
    taken: list[tuple[float, float, float, float]] = []
    texts = []
    for track in tracks:
        if not np.isfinite(track.state.position).all():
            continue
        x, y = chart.at(float(track.state.position[0]), float(track.state.position[1]))
        name = track.name if len(track.name) <= 18 else track.name[:17] + "…"
        wide = 6.9 * len(name)
        off = 5.0 + min(22.0, 0.6 * float(np.max(track.state.size[:2])) * chart.scale)
        sides = ((off, 4), (-off - wide, 4), (-wide / 2, -off), (-wide / 2, off + 9), (off, -off))
        for dx, dy in sides:
            spot = (x + dx, y + dy - 10, x + dx + wide, y + dy + 3)
            inside = spot[0] > 2 and spot[2] < WIDTH - 2 and spot[1] > 2 and spot[3] < HEIGHT - 2
            if inside and not any(_overlap(spot, other) for other in taken):
                taken.append(spot)
                texts.append(
                    f'<text data-o="{track.index}" x="{num(x + dx)}" y="{num(y + dy)}">'
                    f"{esc(name)}</text>"
                )
                break
    return f'<g class="names">{"".join(texts)}</g>'


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
