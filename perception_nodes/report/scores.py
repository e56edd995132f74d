"""The score section: what `perception_nodes.score` measured, for runs with truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perception_nodes.report.markup import esc, plural, table
from perception_nodes.scene import Visibility

_NAMES = {
    "visible": "visible",
    "hidden_untouched": "hidden, untouched",
    "hidden_pushed": "hidden and pushed",
    "hidden": "hidden",
}


def score(figures: Mapping[str, Any]) -> str:
    """The section's markup; figures that are missing are shown as a dash."""
    blocks = [
        _block("Detection and identity", _tracking(figures)),
        _block("Position error", _position(figures.get("position", {}))),
        _block("Uncertainty", _calibration(figures.get("calibration", {}))),
        _block("Visibility", _confusion(figures.get("visibility", {}))),
    ]
    return f'<div class="scores">{"".join(blocks)}</div>'


def _block(title: str, body: str) -> str:
    return f"<div><h3>{esc(title)}</h3>{body}</div>"


def _tracking(figures: Mapping[str, Any]) -> str:
    rows = []
    for key, name in (("all", "all, hidden ones too"), ("visible", "visible only")):
        part = figures.get(key, {})
        cells = (_percent(part.get(f)) for f in ("recall", "precision", "idf1", "hota"))
        rows.append((name, *cells, _count(part.get("id_switches"))))
    hidden = figures.get("hidden", {})
    note = ""
    if hidden.get("episodes"):
        kept, moved = _count(hidden.get("kept")), _count(hidden.get("pushed_episodes"))
        note = (
            f'<p class="none">{plural(hidden["episodes"], "hidden episode")}: {kept} ended with '
            f"the same identity, also {_count(hidden.get('pushed_kept'))} of the {moved} in which "
            "the object was moved. A hidden object was known at its place "
            f"{_percent(hidden.get('recall'))} of the time.</p>"
        )
    return table(("Objects", "recall", "precision", "IDF1", "HOTA", "switches"), rows) + note


def _position(figures: Mapping[str, Any]) -> str:
    rows = [
        (
            esc(_NAMES.get(name, name)),
            _millimeters(part.get("median_m")),
            _millimeters(part.get("p95_m")),
            _millimeters(part.get("stay_median_m")),
            _count(part.get("count")),
        )
        for name, part in _in_order(figures)
        if part.get("count")
    ]
    return table(("While", "median", "p95", "last seen place", "samples"), rows)


def _calibration(figures: Mapping[str, Any]) -> str:
    rows = [
        (
            esc(_NAMES.get(name, name)),
            _plain(part.get("nees_mean")),
            _plain(part.get("nees_median")),
            _percent(part.get("inside_95")),
        )
        for name, part in _in_order(figures)
        if part.get("count")
    ]
    return table(("While", "NEES mean (3)", "median (2.4)", "inside 95 %"), rows)


def _confusion(figures: Mapping[str, Any]) -> str:
    names = [v.name.lower().replace("_", " ") for v in Visibility]
    confusion = figures.get("confusion") or []
    rows = [
        (names[i], *(_count(count) for count in row)) for i, row in enumerate(confusion) if any(row)
    ]
    note = f'<p class="none">{_percent(figures.get("accuracy"))} agree; rows are the truth.</p>'
    return table(("", *names), rows) + note


def _in_order(figures: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, figures[name]) for name in _NAMES if name in figures]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _millimeters(value: float | None) -> str:
    return "–" if value is None else f"{1000 * value:.0f} mm"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
