"""The page of what the nodes use on a computer, and of an hour without a pause."""

from __future__ import annotations

from textwrap import fill
from typing import Any

from evidence.tables import table

MEASURE = ("resources.py", "soak.py")
BY_HAND = True
"""One takes an hour, the other needs ROS."""
_RESOURCES = "python scripts/with_ros.py python bench/resources.py"
_SOAK = "python bench/soak.py"
_INTRODUCTION = """\
# On a robot: what the nodes use

Measured on the `rclpy` wheels (Kilted), not yet on a robot, nor on Jazzy: [ros.md](../ros.md).
"""
_CASES = ("inactive", "active, no images", "15 Hz", "30 Hz")
_SOAKED = {
    "resident_mb": "resident memory, MB",
    "handles": "open handles",
    "threads": "threads",
    "python_objects": "Python objects",
    "cpu_ms_per_frame": "processor time a frame, ms",
    "latency_p50_ms": "latency p50, ms",
    "latency_p95_ms": "latency p95, ms",
    "latency_p50_cpu_ms": "latency p50, ms of the processor",
    "latency_p95_cpu_ms": "latency p95, ms of the processor",
    "memory_file_mb": "memory file, MB",
}


def page(results: dict[str, Any]) -> dict[str, str]:
    """docs/evidence/robot.md."""
    parts = [_INTRODUCTION]
    for name, title, command, write in (
        ("resources", "Each node", _RESOURCES, _resources),
        ("soak", "An hour without a pause", _SOAK, _soak),
    ):
        result = results[name]
        parts.append(f"## {title}\n")
        if result is None:
            parts.append(f"Not measured yet: `{command}`.\n")
            continue
        machine = result["machine"]
        parts.append(
            f"{result['date']}, {machine['cpu']}, {machine['cores']} shared cores: `{command}`.\n"
        )
        parts += write(result["figures"])
    return {"robot.md": "\n".join(parts)}


def _text(paragraph: str) -> str:
    return fill(paragraph, 99) + "\n"


def _resources(figures: dict[str, Any]) -> list[str]:
    rows = [
        [
            name,
            node,
            row["cpu_percent"],
            row["resident_mb"],
            row["latency_ms"],
            row["processing_ms"],
            row["output"].rpartition(", ")[2],
        ]
        for name in _CASES
        for node, row in figures["cases"][name]["nodes"].items()
    ]
    load = figures["load_before_and_meanwhile"]
    return [
        _text(
            "Each node in a process of its own, images of 640x480 of a simulated table. CPU in "
            "percent of one core, with the finder's own process; resident memory, of which the "
            "processes share a part; latency is the age of the image when the result left, "
            "processing the time that was worked on it, both p50/p95/p99. The planner has no goal; "
            "`embodmocap` is measured apart from the others, with one camera and one person. "
            f"The load average of the machine was {load:g}: where it is above the number of "
            "cores, other work took part of them, so that rates and latencies are worse than the "
            "nodes'."
        ),
        table(
            ["", "node", "CPU, %", "memory, MB", "latency, ms", "processing, ms", "output"], rows
        ),
    ]


def _soak(figures: dict[str, Any]) -> list[str]:
    rows = []
    for key, name in _SOAKED.items():
        found = figures[key]
        slopes = [_slope(found[part]) for part in ("settled", "second_half")]
        rows.append([name, *found["each_ten_minutes"], *slopes])
    ends = [10 * (number + 1) for number in range(len(figures["resident_mb"]["each_ten_minutes"]))]
    return [
        _text(
            f"Finder, tracker and memory on disk on the example recording in a loop, "
            f"{figures['rate']:g} frames a second for {figures['minutes']:g} minutes, in one "
            "process, as on a robot. Medians of the ten minutes that end with the minute named; "
            "slopes an hour after the first tenth and in the second half, with 95 % intervals "
            "that take the minutes for independent."
        ),
        table(["", *map(str, ends), "slope", "slope of the second half"], rows),
        _text(
            "Other work shared the machine and came and went: latency on the clock follows it, and "
            "caches feel it in processor time too. That latency does not drift is shown only as "
            "far as processor time at the end is that of the beginning."
        ),
        _text(
            "The memory file grows until it has 100,000 events (docs/memory.md): boxes that touch "
            "flicker, and each contact is an event. The report of a replay, which a robot does not "
            "write, keeps paths, spans, events and times of the whole run, each up to a bound: an "
            "earlier hour with it, before spans and times had one, grew from 167 to 185 MB."
        ),
    ]


def _slope(found: dict[str, float]) -> str:
    return f"{found['per_hour']:+.1f} \u00b1 {1.96 * found['error']:.1f}"
