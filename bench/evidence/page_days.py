"""The page of endless days: gate, fewer tokens, streams."""

from __future__ import annotations

from typing import Any

from evidence.pages import NOT_MEASURED
from evidence.statistics import wilson
from evidence.tables import table

MEASURE = (
    "days_gate.py",
    "days_promise.py",
    "days_governor.py",
    "days_tokens.py",
    "days_stream.py",
)
_HEADER = ("searched are", "share, %", "mean, mm", "p95, mm", "missed contacts", "of")
_BUDGETS = (64, 48, 32, 16)


def page(results: dict[str, Any]) -> dict[str, str]:
    """docs/evidence/days.md."""
    parts = [_INTRODUCTION]
    for name, write in _PARTS.items():
        result = results[name]
        parts += [f"{name}: not measured.\n"] if result is None else write(result["figures"])
    parts.append(_MISSING)
    return {"days.md": "\n".join(parts)}


def _gate(figures: dict[str, Any]) -> list[str]:
    every = figures["every frame"]
    rows: list[list[Any]] = [["every frame", *_numbers(every), ""]]
    for arms in figures["shares"].values():
        base = arms["fixed rate"]
        rows += [[name, *_numbers(row), _better(row, base)] for name, row in arms.items()]
    header = [*_HEADER, "sequences better than fixed rate"]
    text = (
        "## Gate\n\n"
        f"{figures['sequences']} simulated tables of 10 s, two pushes each; the camera moves in "
        "every other one. Error of what truly moves (faster than 3 cm/s): distance of the nearest "
        "state, cut off at 30 cm; contacts are missed if no frame within 0.2 s is searched. "
        "Thresholds of all ways give the same share of the frames, on these very sequences. "
        "The oracle knows how far things truly moved.\n"
    )
    light = figures["flicker"]
    flicker = (
        "Light that flickers by 30 %, with the thresholds that search a quarter of the frames "
        f"without: the gate searches {100 * light['gate']:.0f} %, frame differencing "
        f"{100 * light['frame differencing']:.0f} %. The gate looks at depth alone, so that this "
        "holds by construction; it also means that what changes its color alone is not noticed.\n"
    )
    return [text, table(header, rows), flicker]


def _numbers(row: dict[str, Any]) -> list[Any]:
    return [100 * row["share"], row["mean_mm"], row["p95_mm"], row["missed_contacts"],
            row["contacts"]]  # fmt: skip


def _better(row: dict[str, Any], base: dict[str, Any]) -> str:
    """In how many sequences the mean error is smaller."""
    pairs = zip(row["each_sequence_mm"], base["each_sequence_mm"], strict=True)
    told = [a < b for a, b in pairs if a is not None and b is not None]
    return f"{sum(told)} of {len(told)}"


def _governor(figures: dict[str, Any]) -> list[str]:
    rows = []
    for target, arms in figures["budgets"].items():
        for name in ("governor", "fixed rate"):
            better = _better(arms[name], arms["fixed rate"]) if name == "governor" else ""
            rows.append(
                [f"{name}, {100 * float(target):g} %", *_numbers(arms[name]),
                 100 * arms["of_all"], better]
            )  # fmt: skip
    header = [*_HEADER, "with the start, %", "sequences better"]
    return [
        (
            "## Governor\n\nThe same sequences one after the other; the governor moves the "
            "gate's threshold online to keep its target (a budget of all frames, those included "
            "at the start of each sequence that are always searched). The fixed rate searches as "
            "many frames.\n"
        ),
        table(header, rows),
    ]


def _promise(figures: dict[str, Any]) -> list[str]:
    stated = 100 * (1 - figures["risk"])
    rows = []
    kept: dict[str, list[bool]] = {}
    for row in figures["rows"]:
        off = 100 * row["covered"] - stated if row["skips"] else None
        kept.setdefault(row["way"], []).append(off is not None and abs(off) <= 2)
        audits = f"{row['broken']} of {row['audits']}" if "audits" in row else ""
        rows.append([
            row["way"], row["tolerance_mm"], row["threshold_mm"], 100 * row["searched"],
            row["skips"], "" if off is None else 100 * row["covered"],
            "nothing skipped" if off is None else f"{off:+.1f}", audits,
        ])  # fmt: skip
    header = ["threshold chosen", "tolerance, mm", "threshold, mm", "searched, %", "skips",
              "covered, %", "points off", "audits broken"]  # fmt: skip
    within = ", ".join(f"{way} {sum(all_)} of {len(all_)}" for way, all_ in kept.items())
    return [
        (
            "### The promise\n\n"
            f"{figures['calibration']} sequences to calibrate on and {figures['sequences']} "
            f"others, one after the other, to keep it on: {stated:.0f} % of the frames that are "
            "not searched shall be within a tolerance. "
            "The error of a skip is how far searching that frame would have "
            "moved a visible object from where it was believed to be. *One sample* takes the "
            "skips for exchangeable, which those of one push are not; *by sequence* takes only "
            "sequences to be, and is careful where they are few; *online* starts from the first "
            "and corrects itself by auditing one skip in seven "
            "(`--gate --promise`). The threshold shown for it is the last one. Calibrated "
            "thresholds come from a grid, and the largest that keeps the promise covers more "
            f"than it states. Within 2 points: {within}.\n"
        ),
        table(header, rows),
    ]


def _tokens(figures: dict[str, Any]) -> list[str]:
    found = figures["rows"]
    everything = found["all 300"]
    names = [name.removesuffix(", 64") for name in found if name.endswith(", 64")]
    lines = []
    for name in names:
        line: list[Any] = [name]
        for budget in _BUDGETS:
            row = found[f"{name}, {budget}"]
            share = wilson(int(row["found"]), row["objects"])
            line.append(
                f"{100 * share.value:.0f} [{100 * share.low:.0f}, {100 * share.high:.0f}], "
                f"{row['small_alive']:.0f}"
            )
        lines.append(line)
    whole = wilson(int(everything["found"]), everything["objects"])
    return [
        (
            "## Fewer tokens\n\n"
            f"{figures['scenes']} simulated tables seen twice; {everything['objects']} objects, "
            f"{everything['small']} of them small (four tokens or fewer of 300). With all tokens "
            f"{100 * whole.value:.0f} % are found again. In each cell: objects found again, % with "
            "95 % interval; small objects on which a token is left. "
            "Importance is how unlike the mean "
            "token a token is.\n"
        ),
        table(["kept", *(f"{budget} tokens" for budget in _BUDGETS)], lines),
        (
            "Which tokens are kept is what matters; intervals of the "
            "ways with anchors overlap, so no "
            "gain of transport over anchors alone is claimed. A first count, which asked of what "
            "object *most of the weight* of a merged token is, gave "
            "normalized rows no object at all: "
            "each anchor takes several others, of which most are background. The count shown asks "
            "where the anchor lies.\n"
        ),
    ]


def _stream(figures: dict[str, Any]) -> list[str]:
    ring = figures["ring"]
    first, last = ring["parts"][1], ring["parts"][-1]
    rows = [
        [name, part["p50_us"], part["p95_us"], part["resident_mb"], part["cache_bytes"]]
        for name, part in (("second twentieth", first), ("last twentieth", last))
    ]
    dense = [[int(row["length"]), row["p50_us"], int(row["bytes"])] for row in figures["dense"]]
    return [
        (
            "## Streams\n\n"
            f"The ring cache alone ({figures['sinks']} sinks, {figures['window']} recent entries), "
            f"{ring['steps']:,} steps. After the last one it differs from "
            "a fresh cache that got only "
            f"the sinks and the newest entries by {ring['difference_from_fresh']:.1g}.\n"
        ),
        table(["part", "p50, µs", "p95, µs", "process, MB", "cache, bytes"], rows),
        "Attention to everything that was, for comparison:\n",
        table(["entries", "p50, µs", "bytes"], dense),
    ]


_PARTS = {
    "days_gate": _gate,
    "days_promise": _promise,
    "days_governor": _governor,
    "days_tokens": _tokens,
    "days_stream": _stream,
}
_INTRODUCTION = """\
# Evidence: endless days

What it takes to run for ever on a small computer. See [days](../days.md) for how it works. Measured
on simulated sequences on the CPU tier; times are of a machine that others used too.
"""

_MISSING = f"""\
## What is not measured yet

The gate with the learned encoder and on recordings; tokens merged across frames; a trained network
on a stream of eight times its training length; deadlines while others take half of the CPU;
prediction, planning and memory under the governor; the whole pipeline on quiet, busy and
hectic recordings; an hour with the gate on. Full tier: {NOT_MEASURED}.
"""
