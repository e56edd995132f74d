"""A simulated week of a robot: does the file stay bounded, and do answers stay as they were?

Run `python bench/memory_week.py`; some minutes. Every day the memory is opened again; in the day's
ten hours things are pushed and hide, in the night nothing happens. The same stream goes to a memory
with a bound on events and to one without; at the end both are asked why every object is where it is
and why what was pinned happened.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import write_result
from memory_stream import SECOND, busy_scenes

from perception_nodes.memory.explanation import Explanation
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.memory.writer import Memory
from perception_nodes.scene import SceneState

DAYS, OBJECTS, BOUND = 7, 12, 8_000
_HOUR = 3600 * SECOND
_PINS = 3  # a day


def day(number: int) -> Iterator[SceneState]:
    """Ten hours with a story every fifteen seconds on average, fourteen without any."""
    start = number * 24 * _HOUR + SECOND
    yield from busy_scenes(number, 1800, OBJECTS, gap=20.0, events=1.4, start=start)
    quiet = start + 10 * _HOUR
    yield from busy_scenes(number, 14 * 60, OBJECTS, gap=60.0, events=0.0, start=quiet)


def live(path: Path, number: int, bound: int) -> dict[str, float]:
    """One day; what the file is like at its end."""
    with Memory(path, most_events=bound) as memory:
        before = memory.next_sequence
        for scene in day(number):
            memory.write(scene)
            if scene.stamp < number * 24 * _HOUR + 10 * _HOUR:
                busy = memory.next_sequence
        for event in memory.events(kind="moved")[-_PINS:]:
            memory.pin(event=event.seq)
        status = memory.status()
        ticks = (busy - before, memory.next_sequence - busy)
    return {
        "events": status.events,
        "observations": status.observations,
        "megabytes": round(path.stat().st_size / 1e6, 2),
        "ticks by day": ticks[0],
        "ticks by night": ticks[1],
    }


def told(found: Explanation) -> list[str]:
    """What an explanation says, without the numbers of events, which differ."""
    return [link.event.text for link in found.chain]


def compare(bounded: Path, unbounded: Path) -> dict[str, Any]:
    """The same questions to both."""
    with MemoryReader(bounded) as one, MemoryReader(unbounded) as other:
        names = sorted(one.names())
        same = [told(one.explain(n)) == told(other.explain(n)) for n in names]
        known = [one.explain(n).known for n in names]
        pins = [
            [told(m.explain_event(row["event"])) for row in m._rows("SELECT event FROM pin")]
            for m in (one, other)
        ]
        chances = [
            abs(one.what_if("push", n).probability - other.what_if("push", n).probability)
            for n in names
        ]
        places = [
            float(abs(one.record(n).state.position - other.record(n).state.position).max())  # type: ignore[union-attr]
            for n in names
        ]
        return {
            "objects": len(names),
            "causes known": sum(known),
            "same causes": sum(same),
            "pinned": len(pins[0]),
            "pinned with the same causes": sum(a == b for a, b in zip(*pins, strict=True)),
            "largest difference of a place, m": max(places),
            "largest difference of a what-if": round(max(chances), 3),
            "episodes": len(one.events(kind="episode")),
        }


def main() -> None:
    """Live, compare, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="one for both")
    days = parser.parse_args().days
    shared = Path("/dev/shm")
    figures: dict[str, Any] = {"bound": BOUND, "bounded": [], "unbounded": []}
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        paths = {"bounded": Path(folder) / "one.db", "unbounded": Path(folder) / "other.db"}
        for number in range(days):
            for name, path in paths.items():
                row = live(path, number, BOUND if name == "bounded" else 10**9)
                figures[name].append(row)
                print(f"day {number + 1} {name:10} {row}")
        figures["answers"] = compare(paths["bounded"], paths["unbounded"])
    print(figures["answers"])
    if days == DAYS:
        write_result("memory_week", figures)


if __name__ == "__main__":
    main()
