"""The page of endless days: gate, fewer tokens, streams."""

from __future__ import annotations

from typing import Any

import numpy as np

from evidence.pages import NOT_MEASURED
from evidence.statistics import paired_difference, wilson
from evidence.tables import table

MEASURE = (
    "days_gate.py", "days_promise.py", "days_governor.py", "days_pipeline.py", "days_tokens.py",
    "days_keyframes.py", "days_stream.py", "days_long_stream.py", "days_world_model.py",
    "soak_gate.py",
)  # fmt: skip
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
    for budget, arms in figures["budgets"].items():
        for name in ("governor", "fixed rate"):
            better = _better(arms[name], arms["fixed rate"]) if name == "governor" else ""
            rows.append([f"{name}, {100 * float(budget):g} %", *_numbers(arms[name]), better])
    header = [*_HEADER, "sequences better"]
    clock = []
    for name, row in figures["clock"].items():
        way, others = name.split(", ")
        clock.append([
            "every frame searched" if way == "all" else "governor, 80 %", others,
            100 * row["kept"], 100 * row["lost"], 100 * row["searched"], row["p50_ms"],
            row["p95_ms"], row["mean_mm"], row["p95_mm"],
        ])  # fmt: skip
    told = ["way", "other processes", "deadlines kept, %", "frames lost, %", "searched, %",
            "p50, ms", "p95, ms", "error, mm", "p95, mm"]  # fmt: skip
    return [
        (
            "## Governor\n\nThe same sequences one after the other through the pipeline; the "
            "governor goes on through all of them, with nominal costs. The fixed rate searches as "
            "many frames. With time to spare the governor spends less than its budget.\n"
        ),
        table(header, rows),
        (
            f"By the clock, on one core: a frame each {figures['period_ms']:.0f} ms, 1.15 times "
            "what a searched one takes when nothing else runs; and the same while another process "
            "takes half of that core. A deadline is kept if a frame is done before the next one "
            "comes; frames that come while one is worked on are lost.\n"
        ),
        table(told, clock),
    ]


def _pipeline(figures: dict[str, Any]) -> list[str]:
    rows = []
    for kind, arms in figures["kinds"].items():
        full = arms["every frame"]
        for name, row in arms.items():
            scored = [row[k] for k in ("mota", "idf1", "p50_mm", "p95_mm")] if "mota" in row else [
                "", "", "", ""]  # fmt: skip
            saved = 100 * (1 - row["cpu_s"] / full["cpu_s"])
            rows.append([kind, name, 100 * row["searched"], saved, *scored,
                         row["from_every_frame_mm"]])  # fmt: skip
    header = ["recording", "searched are", "share, %", "computing saved, %", "MOTA", "IDF1",
              "p50, mm", "p95, mm", "from every frame, mm"]  # fmt: skip
    return [
        (
            "## The whole pipeline\n\n"
            f"{figures['sequences']} simulated tables of 25 s each on which nothing, two or eight "
            "things are pushed (the camera moves in every other one), and the example recording, "
            "which has no truth; through finder, tracker, futures and memory. Computing is "
            "processor time in the pipeline. The last column is the distance of each visible "
            "object from the nearest one that searching every frame finds, cut off at 10 cm.\n"
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
    dense = [
        [int(row["length"]), row["p50_us"], row["window_p50_us"], int(row["bytes"])]
        for row in figures["dense"]
    ]
    return [
        (
            "## Streams\n\n"
            f"The ring cache alone ({figures['sinks']} sinks, {figures['window']} recent entries), "
            f"{ring['steps']:,} steps. After the last one it differs from "
            "a fresh cache that got only "
            f"the sinks and the newest entries by {ring['difference_from_fresh']:.1g}.\n"
        ),
        table(["part", "p50, µs", "p95, µs", "process, MB", "cache, bytes"], rows),
        "Attention to everything that was, and to a window that is copied anew, for comparison:\n",
        table(["entries", "all, p50, µs", "newest 64, p50, µs", "bytes of all"], dense),
    ]


def _keyframes(figures: dict[str, Any]) -> list[str]:
    rows = []
    base = figures["rows"]["all 300 tokens"]["f1_by_scene"]
    for name, row in figures["rows"].items():
        told = "" if name == "all 300 tokens" else paired_difference(
            np.array([row["f1_by_scene"]]), np.array([base]))  # fmt: skip
        rows.append([
            name, row["bytes_a_key_frame"] / 1e3, row["key_frames"], row["ms"], row["f1"],
            told,
            f"{row['small_found']} of {row['small']}",
        ])  # fmt: skip
    header = ["kept of each", "kB of tokens each", "key frames", "ms a frame", "F1",
              "F1 against 300 [95 %]", "small found"]  # fmt: skip
    return [
        (
            "### Key frames of fewer tokens\n\n"
            f"{figures['scenes']} simulated tables that a camera goes half around; anchors by the "
            "paper's formula, with which small things keep their tokens. The inputs of the network "
            "are the same size: where fewer tokens of each are kept, it attends to more key "
            "frames. Times are of the processor.\n"
        ),
        table(header, rows),
        (
            "Keeping less saves memory, hardly time, since the inputs are of a fixed size. All "
            "tokens are kept by default.\n"
        ),
    ]


def _long_stream(figures: dict[str, Any]) -> list[str]:
    header = ["attention to", *(f"{n}" for n in range(1, figures["times"] + 1)),
              "µs a step, first eighth", "last eighth"]  # fmt: skip
    rows = []
    for name, row in figures["rows"].items():
        loss = [sum(x) / len(x) for x in zip(*row["loss"], strict=True)]
        took = [sum(x) / len(x) for x in zip(*row["us"], strict=True)]
        rows.append([name, *(f"{value:.3f}" for value in loss), took[0], took[-1]])
    return [
        (
            "### Eight times the training length\n\n"
            "A small causal transformer that was trained on streams of "
            f"{figures['training_length']} steps gets streams of "
            f"{figures['times']} times that, step by step, with its keys and values in caches of "
            "three kinds: everything, the newest 64, the first 4 and the newest 60. "
            f"Cross-entropy in each eighth ({figures['seeds']} trainings, {figures['streams']} "
            "streams each):\n"
        ),
        table(header, rows),
    ]


def _world_model(figures: dict[str, Any]) -> list[str]:
    rows = [
        [number + 1, round(row["moving"]), row["error_mm"], row["straight_mm"],
         f"{row['error_mm'] / max(row['straight_mm'], 1e-9):.2f}", row["ms"]]
        for number, row in enumerate(figures["eighths"])
    ]  # fmt: skip
    memory = figures["memory_mb"]
    header = ["eighth", "moving", "error, mm", "constant velocity, mm", "ratio", "ms a moment"]
    return [
        (
            "### The world model\n\n"
            f"{figures['tables']} tables at ten moments a second, each at least {figures['times']} "
            f"times as long as the {figures['trained']} moments of a training window; objects that "
            "move by 1 cm within the half second that is foreseen, from true states. What happens "
            "differs from eighth to eighth, hence the ratio. The process had "
            f"{memory[0]:.0f} MB after the first table and {memory[-1]:.0f} MB after the last.\n"
        ),
        table(header, rows),
    ]


def _soak(figures: dict[str, Any]) -> list[str]:
    names = {
        "resident_mb": "memory, MB",
        "handles": "handles",
        "threads": "threads",
        "cpu_ms_per_frame": "processor time a frame, ms",
        "latency_p95_cpu_ms": "p95 of it, ms",
        "memory_file_mb": "memory file, MB",
    }
    ends = [10 * (k + 1) for k in range(len(figures["resident_mb"]["each_ten_minutes"]))]
    rows = []
    for key, name in names.items():
        slope = figures[key]["settled"]
        told = f"{slope['per_hour']:+.1f} \u00b1 {1.96 * slope['error']:.1f}"
        rows.append([name, *figures[key]["each_ten_minutes"], told])
    return [
        (
            "## An hour with gate and governor\n\n"
            "Finder, tracker and memory on the example recording in a loop, "
            f"{figures['rate']:g} frames a second for {figures['minutes']:g} minutes, a budget of "
            "80 %. Medians of the ten minutes that end with the minute named, slope an hour after "
            "the first tenth. The recording jumps back to its start every few seconds, which the "
            "gate has to search; other work shared the machine. The memory file grows until it has "
            "100,000 events (docs/memory.md).\n"
        ),
        table(["", *map(str, ends), "slope"], rows),
    ]


_PARTS = {
    "days_gate": _gate,
    "days_promise": _promise,
    "days_governor": _governor,
    "days_pipeline": _pipeline,
    "days_tokens": _tokens,
    "days_keyframes": _keyframes,
    "days_stream": _stream,
    "days_long_stream": _long_stream,
    "days_world_model": _world_model,
    "soak_gate": _soak,
}
_INTRODUCTION = """\
# Evidence: endless days

What it takes to run for ever on a small computer. See [days](../days.md) for how it works. Measured
on simulated sequences on the CPU tier; times are of a machine that others used too.
"""

_MISSING = f"""\
## What is not measured yet

The gate with the learned encoder; tokens merged across frames; planning under the governor. Full
tier: {NOT_MEASURED}.
"""
