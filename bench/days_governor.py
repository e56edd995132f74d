"""The governor keeps a budget: is that better than a fixed rate, and are deadlines kept?

The sequences of days_gate.py one after the other through the pipeline. First with nominal costs:
the governor against a fixed rate that searches as many frames. Then by the clock, with searches
that truly compute: as many frames a second as one core can just search, and another process takes
half of that core. A deadline is kept if a frame is done before the next one comes.

    python bench/days_governor.py [--sequences 10]    (about 4 minutes of one core)
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from common import write_result
from days_gate import WARM_UP, Film, at_share, record, row, used

from perception_nodes.gate.calibration import Known
from perception_nodes.gate.governor import NOMINAL, Governor
from perception_nodes.gate.source import GatedSource
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.source import SlotSource

BUDGETS = (0.3, 0.5, 0.7)
HEADROOM = 1.15
"""Time between frames, of what a frame takes that is searched, when nothing else runs."""


def governed(films: Sequence[Film], budget: float) -> tuple[list[list[bool]], Governor]:
    """Which frames are searched; the governor goes on through all of them."""
    governor, result = Governor(budget, nominal=NOMINAL), []
    for film in films:
        pipeline = Pipeline(
            GatedSource(Known(list(zip(film.frames, film.slots, strict=True))), governor=governor),
            ObjectTracker(),
            governor=governor,
        )
        result.append([not pipeline.process(frame).slots.rested for frame in film.frames])
    return result, governor


def burn() -> None:
    """Take all the time there is."""
    while True:
        sum(range(10_000))


@contextmanager
def others(count: int) -> Iterator[None]:
    """Other processes on this core."""
    busy = [multiprocessing.Process(target=burn, daemon=True) for _ in range(count)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.terminate()
            process.join()


def by_the_clock(
    films: Sequence[Film], period: float, governor: Governor | None
) -> tuple[dict[str, Any], list[list[bool]]]:
    """Frames as they come, the newest first: those that come while one is worked on are lost."""
    late, missed, frames, looks = [], 0, 0, []
    for film in films:
        source: SlotSource = DepthFinder()
        if governor is not None:
            source = GatedSource(source, governor=governor)
        pipeline = Pipeline(source, ObjectTracker(), governor=governor)
        began, chosen, free = time.monotonic(), [], 0.0
        for number, frame in enumerate(film.frames):
            due = number * period
            if free > due + period:  # the next one is here already
                chosen.append(False)
                missed += 1
                continue
            time.sleep(max(0.0, began + due - time.monotonic()))
            stamp = film.frames[0].stamp + round(due * 1e9)
            state = pipeline.process(replace(frame, stamp=stamp))
            free = time.monotonic() - began
            late.append(free - due)
            chosen.append(not state.slots.rested)
        frames += len(film.frames)
        looks.append(chosen)
    within = sum(t <= period for t in late)
    return {
        "kept": within / frames, "lost": missed / frames, "searched": used(looks),
        "p50_ms": 1e3 * float(np.median(late)), "p95_ms": 1e3 * float(np.percentile(late, 95)),
        "slowed": "" if governor is None else governor.says(),
    }, looks  # fmt: skip


def alone(film: Film) -> float:
    """Seconds that a searched frame takes in the pipeline, p95, with nothing else on the core."""
    pipeline, times = Pipeline(DepthFinder(), ObjectTracker()), []
    for frame in film.frames:
        began = time.process_time()
        pipeline.process(frame)
        times.append(time.process_time() - began)
    return float(np.percentile(times[WARM_UP:], 95))


def main() -> None:
    """Record, govern, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=10)
    parser.add_argument("--tier", default="cpu")
    args = parser.parse_args()
    films = [record(seed) for seed in range(500, 500 + args.sequences)]
    figures: dict[str, Any] = {"sequences": args.sequences, "budgets": {}}
    for budget in BUDGETS:
        looks, governor = governed(films, budget)
        fixed = at_share(films, "fixed rate", used(looks))
        figures["budgets"][f"{budget:g}"] = {
            "governor": row(films, looks), "fixed rate": row(films, fixed),
            "ticks": governor.ticks, "load": governor.load,
            "of_all": sum(map(sum, looks)) / sum(map(len, looks)),
        }  # fmt: skip
        print(budget, figures["budgets"][f"{budget:g}"], flush=True)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    period = HEADROOM * alone(films[0])
    figures["period_ms"] = 1e3 * period
    figures["clock"] = {}
    for count in (0, 1):
        with others(count):
            for name, governor in (("all", None), ("governor", Governor(0.8))):
                told, looks = by_the_clock(films[:4], period, governor)
                told |= {k: v for k, v in row(films[:4], looks).items() if k.endswith("_mm")}
                figures["clock"][f"{name}, {count}"] = told
                print(name, count, told, flush=True)
    write_result("days_governor", figures)


if __name__ == "__main__":
    main()
