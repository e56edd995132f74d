"""The score as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = {
    "visible": "visible",
    "hidden_untouched": "hidden and untouched",
    "hidden_pushed": "hidden and pushed",
    "hidden": "hidden",
}
_VIEWS = (("all", "hidden ones too"), ("knowable", "where knowable"), ("visible", "visible only"))


def lines(figures: Mapping[str, Any]) -> list[str]:
    """The main figures of `Score.figures`, aligned."""
    result = ["objects            recall  precision   IDF1   HOTA  id switches"]
    for key, name in _VIEWS:
        part = figures[key]
        result.append(
            f"  {name:16s} {part['recall']:6.3f} {part['precision']:10.3f} {part['idf1']:6.3f} "
            f"{part['hota']:6.3f}  {part['id_switches']} "
            f"({part['switches_per_1000_frames']:.1f} per 1,000 frames)"
        )
    hidden = figures["hidden"]
    if hidden["episodes"]:
        result.append(
            f"hidden episodes    {hidden['kept']} of {hidden['episodes']} ended with the same id, "
            f"{hidden['pushed_kept']} of {hidden['pushed_episodes']} where the object was moved"
        )
    result.append("position error             median       p95   samples   last seen place, median")
    for key, part in _in_order(figures["position"]):
        result.append(
            f"  {_NAMES[key]:22s} {1000 * part['median_m']:5.0f} mm {1000 * part['p95_m']:6.0f} mm"
            f" {part['count']:9,d} {1000 * part['stay_median_m']:10.0f} mm"
        )
    result.append("honesty            NEES mean (3 is ideal)   inside the 95 % ellipsoid")
    for key, part in _in_order(figures["calibration"]):
        result.append(f"  {_NAMES[key]:22s} {part['nees_mean']:6.2f}   {part['inside_95']:.3f}")
    if figures["visibility"]["accuracy"] is not None:
        result.append(f"visibility state   {figures['visibility']['accuracy']:.3f} agree")
    return result


def _in_order(figures: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, figures[key]) for key in _NAMES if key in figures]
