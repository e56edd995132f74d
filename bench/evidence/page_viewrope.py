"""The page of ViewRope: encodings compared, retrieval, what memory costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evidence import viewrope_identity, viewrope_rate, viewrope_slots
from evidence.statistics import Interval, false_alarms, paired_difference, paired_ratio
from evidence.tables import bars, table
from perception_nodes.arrays import Floats

MEASURE = (
    "viewrope_encodings.py",
    "viewrope_cost.py",
    "slots.py",
    "identity.py",
    "viewrope_rate.py",
)
_KINDS = ("turned", "translated")
_TITLES = {"cpu": "CPU tier", "full": "Full tier"}
_STRATEGIES = (
    "all", "oracle", "network", "cones", "random", "recent", "without the network's",
    "without random ones", "shuffled poses",
)  # fmt: skip
_ARMS = (
    "none", "screen", "pluecker", "prope", "view", "place", "view+place", "view+place, depth given",
)  # fmt: skip
_GIVEN = "view+place, depth given"
_WITH_POINTS = ("prope", "place", "view+place", _GIVEN)


def page(results: dict[str, Any]) -> dict[str, str]:
    """docs/evidence/viewrope.md and its plots."""
    files: dict[str, str] = {}
    parts = [_INTRODUCTION]
    for name, (title, section) in _SECTIONS.items():
        result = results.get(name)
        text = "not measured yet\n" if result is None else section(result["figures"], files)
        parts.append(f"## {title}\n\n{text}")
    files["viewrope.md"] = "\n".join(parts)
    return files


def _encodings(figures: dict[str, Any], files: dict[str, str]) -> str:
    parts = [_TASK]
    for tier, title in _TITLES.items():
        parts.append(f"### {title}\n")
        if tier not in figures:
            parts.append("not measured yet\n")
            continue
        parts += _tier(figures[tier], tier, files)
    return "\n".join(parts)


def _tier(measured: dict[str, Any], tier: str, files: dict[str, str]) -> list[str]:
    arms = {name: measured["arms"][name] for name in _ARMS if name in measured["arms"]}
    machine = measured["machine"]
    rooms = measured["rooms"]
    parameters = sorted({arm["parameters"] for arm in arms.values()})
    seconds = np.mean([arm["seconds_a_seed"] for arm in arms.values()])
    setup = (
        f"{len(measured['seeds'])} seeds, {measured['steps']} updates of {measured['batch']} "
        f"rooms, {rooms['training']} rooms to train and {rooms['test']} others to test, "
        f"{' to '.join(str(p) for p in parameters)} parameters, {seconds:.0f} s of one core a "
        f"training ({machine['device']}). Intervals are 95 % over (seed, room).\n"
    )
    parts = [setup, table(_HEADER, [_row(name, arm) for name, arm in arms.items()])]
    if "copying" in measured:
        blind = [arm for name, arm in arms.items() if name != _GIVEN]
        best = min(_mean(arm, "turned revisited") for arm in blind)
        parts.append(_copying(measured["copying"], best))
    for kind in _KINDS:
        if "screen" not in arms:
            continue
        base = _pooled(arms["screen"], "all", f"{kind} revisited")
        ratios = [
            (name, paired_ratio(*_paired(_pooled(arm, "all", f"{kind} revisited"), base)))
            for name, arm in arms.items()
        ]
        plot = f"viewrope_{kind}_{tier}.svg"
        files[plot] = bars(ratios, mark=1.0)
        parts.append(
            f"![error on {kind} returns as a multiple of screen RoPE's]({plot})\n\n"
            f"Error on {kind} returns, as a multiple of screen RoPE's.\n"
        )
    if "view" in arms:
        parts.append(_retrieval(arms["view"], measured["selected"]))
    parts.append(_falsifiers(arms))
    return parts


def _row(name: str, arm: dict[str, Any]) -> list[object]:
    row: list[object] = [name]
    for kind in _KINDS:
        again, first = (_pooled(arm, "all", f"{kind} {what}") for what in ("revisited", "first"))
        row += [_mean(arm, f"{kind} revisited"), _mean(arm, f"{kind} first")]
        row.append(str(paired_ratio(*_paired(again, first))))
    return row


def _copying(errors: dict[str, Any], best: float) -> str:
    turned, translated = (
        float(np.nanmean(np.array(errors[f"{kind} revisited"], dtype=float))) for kind in _KINDS
    )
    return (
        "For comparison, without a network: copying the memory patch whose ray points most the "
        f"same way errs by {turned:.3f} on turned and by {translated:.3f} on translated returns "
        f"(revisited). The best arm without given depth errs {best / turned:.1f} times as much on "
        "turned ones; as long as this is far above 1, the arms are compared by how fast they are "
        "learned as much as by how well.\n"
    )


def _retrieval(arm: dict[str, Any], count: int) -> str:
    lines = []
    for name in _STRATEGIES:
        found = arm["strategies"].get(name)
        if found is None:
            continue
        recall = f"{np.nanmean(_values(found['recall'])):.2f}" if "recall" in found else ""
        errors = [float(np.nanmean(_values(found[f"{kind} revisited"]))) for kind in _KINDS]
        lines.append([name, recall, *errors])
    header = ["memory frames looked at", "pixels found again", "error, turned", "error, translated"]
    return (
        f"The view arm with other choices of {count} of the 18 frames: those that show most of the "
        "pixels (oracle), greatest pooled affinity in the first block (network), greatest overlap "
        "of view cones, without depth (cones).\n\n" + table(header, lines)
    )


def _falsifiers(arms: dict[str, Any]) -> str:
    """What would refute the method, computed."""
    lines = []
    if {"view", "screen"} <= arms.keys():
        lines.append(_verdict(
            "(i) on turned returns the view arm errs less than screen RoPE",
            _difference(arms, ("view", "all"), ("screen", "all"), "turned"), wanted=-1,
        ))  # fmt: skip
    lines += [
        _verdict(
            f"(ii) on translated returns the view arm errs more than {other}",
            _difference(arms, ("view", "all"), (other, "all"), "translated"), wanted=1,
        )
        for other in _WITH_POINTS if other in arms and "view" in arms
    ]  # fmt: skip
    if "view" in arms:
        lines.append(_verdict(
            "(iii) without the network's frames it errs more than without random ones",
            _difference(arms, ("view", "without the network's"), ("view", "without random ones"),
                        "turned"), wanted=1,
        ))  # fmt: skip
    if {"view", "screen"} <= arms.keys():
        gain = _difference(arms, ("view", "shuffled poses"), ("screen", "all"), "turned")
        lines.append([
            "(iv) with shuffled poses the view arm is no better than screen RoPE", str(gain),
            "refuted" if gain.high < 0 else "holds",
        ])  # fmt: skip
    header = ["prediction", "difference of errors", "verdict"]
    text = f"Predictions that could have failed:\n\n{table(header, lines)}\n{_LEAK}"
    if {"view", "screen"} <= arms.keys():
        text += _control(arms)
    return text


def _control(arms: dict[str, Any]) -> str:
    view, screen = (_pooled(arms[arm], "all", "turned revisited") for arm in ("view", "screen"))
    alarms = false_alarms(*_paired(view, screen), trials=60)
    return (
        "\nNegative control: with the pairs of view and screen in random order a difference was "
        f"found in {100 * alarms.value:.0f} % of 60 trials (about 5 % is chance).\n"
    )


def _verdict(what: str, found: Interval, wanted: int) -> list[object]:
    """Holds if the interval lies on the wanted side of zero, is refuted if on the other."""
    if not found.excludes(0.0):
        return [what, str(found), "not decided"]
    return [what, str(found), "holds" if found.value * wanted > 0 else "refuted"]


def _difference(
    arms: dict[str, Any], a: tuple[str, str], b: tuple[str, str], kind: str
) -> Interval:
    first, second = (_pooled(arms[arm], how, f"{kind} revisited") for arm, how in (a, b))
    return paired_difference(*_paired(first, second))


def _mean(arm: dict[str, Any], what: str) -> float:
    return float(np.nanmean(_pooled(arm, "all", what)))


def _pooled(arm: dict[str, Any], strategy: str, what: str) -> Floats:
    return _values(arm["strategies"][strategy][what])


def _values(rows: list[list[float | None]]) -> Floats:
    """[seeds, rooms]; NaN where a room had nothing to measure."""
    return np.array(rows, dtype=float)


def _paired(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The rooms in which both were measured."""
    kept = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0)
    return a[:, kept], b[:, kept]


def _cost(figures: dict[str, Any], _files: dict[str, str]) -> str:
    lines = [
        [row["frames"], row["dense"], row["selected"], row["dense"] / row["selected"]]
        for row in figures["rows"]
    ]
    header = ["key frames", "dense, ms", "selected, ms", "ratio"]
    return (
        "Processor time of one thread for one query frame of 64 tokens "
        f"({figures['machine']['device']}); selection keeps 16 frames by overlap of view cones and "
        "5 of these by affinity. Nothing is cached between frames.\n\n" + table(header, lines)
    )


_SECTIONS: dict[str, tuple[str, Callable[[dict[str, Any], dict[str, str]], str]]] = {
    "viewrope_encodings": ("Encodings", _encodings),
    "viewrope_cost": ("Cost of memory", _cost),
    "slots": ("Learned slots", viewrope_slots.section),
    "identity": ("Identity after looking away", viewrope_identity.section),
    "viewrope_rate": ("Rate", viewrope_rate.section),
}
_HEADER = [
    "encoding", "turned: revisited", "first visit", "ratio", "translated: revisited",
    "first visit", "ratio",
]  # fmt: skip
_LEAK = """\
If (ii) is refuted for an encoding with translations, either the test leaks the translation or that
encoding was not learned yet. It can't leak: ray rotations hold none, and other poses of the same
frames change nothing else (a test checks it).
"""
_INTRODUCTION = """\
# Evidence: ViewRope

Does attention that knows the world direction of each token's viewing ray, or the point that it
shows, remember a place better than attention that knows its place in the image?
"""
_TASK = """\
A room is seen in 18 frames of 64 x 64 pixels while the camera turns on the spot; it looks away by
at least 60 degrees for the last six, and comes back by turning alone or from another place (0.4 to
0.8 m aside). What the returning frame shows is to be foreseen from memory alone: mean colors
(-1..1) of the quarters of its 8 x 8 patches, squared error. Query tokens hold nothing but their ray
in their own camera; memory tokens hold the colors of their patch and its point in their own camera,
in all arms. Only the encoding tells where cameras are. Of a query token the depth is unknown: in
3-D RoPE each head assumes one of four depths, unless it says "depth given", which knows more than
the others and is what an encoder of a present RGB-D frame has. All rotary arms begin with attention
to tokens whose encoding is like their own; additive Pluecker coordinates have no such beginning.
The view arm turns half of a head's channels and leaves the rest plain.

Errors are those of patches that memory had seen (revisited, at least 75 % of their pixels) and had
not (first visit, at most 25 %); their ratio is the loop-closure error.
"""
