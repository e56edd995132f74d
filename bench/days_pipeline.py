"""What do gate and governor save of the whole pipeline, and what does that cost in accuracy?

Simulated tables on which nothing, two or eight things are pushed in 25 seconds, seen by a camera
that stands or turns, through finder, tracker, futures and memory on disk; and the example
recording. Seconds of the processor in the pipeline, simulation and reading left out. Accuracy is
that of `permanence score`; the recording has no truth: there it is the distance to the objects that
searching every image finds.

    python bench/days_pipeline.py [--sequences 4]    (about 8 minutes of one core)
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result
from days_gate import scene

from perception_nodes.bags.reader import open_bag
from perception_nodes.frames.source import FrameSource
from perception_nodes.gate.governor import NOMINAL, Governor
from perception_nodes.gate.promise import Promise
from perception_nodes.gate.source import GatedSource
from perception_nodes.memory.writer import Memory
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.resources import resource
from perception_nodes.scene import ObjectState, Sample, Visibility
from perception_nodes.score.sink import ScoreSink
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.source import SlotSource
from perception_simulation.simulator import Simulator
from perception_simulation.specification import Push, Scene

KINDS = {"quiet": 0, "busy": 2, "hectic": 8}
SECONDS, SPAN = 25.0, 22.4
FAR = 0.1
"""Meters from which an object counts as not found."""


def table(seed: int, pushes: int) -> Scene:
    """The table of days_gate.py with so many pushes, evenly spread over its time."""
    base = scene(seed)
    rng = np.random.default_rng((seed, pushes, 29))
    found = []
    for number in range(pushes):
        x, y = base.objects[int(rng.integers(len(base.objects)))].position[:2]
        angle = math.atan2(-y, -x) + float(rng.uniform(-0.8, 0.8))
        dx, dy = math.cos(angle), math.sin(angle)
        start = 1.5 + SPAN * number / pushes
        found.append(
            Push(f"push{number}", (x - 0.15 * dx, y - 0.15 * dy), (x + 0.12 * dx, y + 0.12 * dy),
                 start, 0.7)
        )  # fmt: skip
    return replace(base, pushes=tuple(found), duration=SECONDS)


def arms() -> dict[str, tuple[SlotSource, Governor | None]]:
    """Sources and governors, new ones."""
    governors = {budget: Governor(budget, nominal=NOMINAL) for budget in (0.7, 0.4)}
    return {
        "every frame": (DepthFinder(), None),
        "gate": (GatedSource(DepthFinder()), None),
        "gate, promise of 3 cm": (GatedSource(DepthFinder(), promise=Promise(0.03)), None),
        **{
            f"governor, budget {100 * budget:g} %": (
                GatedSource(DepthFinder(), governor=governor), governor
            )
            for budget, governor in governors.items()
        },
    }  # fmt: skip


def through(
    samples: Sequence[Sample], source: SlotSource, governor: Governor | None
) -> tuple[float, list[tuple[ObjectState, ...]], dict[str, Any] | None, float]:
    """Seconds in the pipeline, states after each frame, score, and the share searched."""
    score, states, seconds, searched = ScoreSink(), [], 0.0, 0
    with tempfile.TemporaryDirectory() as folder, Memory(Path(folder) / "memory.db") as memory:
        pipeline = Pipeline(source, ObjectTracker(), memory, governor=governor)
        for sample in samples:
            began = time.process_time()
            state = pipeline.process(sample.frame)
            seconds += time.process_time() - began
            score.write(sample, state, pipeline.timings)
            states.append(state.objects)
            searched += not state.slots.rested
    figures = score.figures() if score.frames else None
    return seconds, states, figures, searched / len(samples)


def apart(
    states: Sequence[Sequence[ObjectState]], reference: Sequence[Sequence[ObjectState]]
) -> list[float]:
    """Distance of each visible object of the reference from the nearest, cut off, m."""
    distances = []
    for now, expected in zip(states, reference, strict=True):
        places = np.array([s.position for s in now]).reshape(-1, 3)
        for state in expected:
            if state.visibility is Visibility.VISIBLE:
                away = np.linalg.norm(places - state.position, axis=1).min(initial=FAR)
                distances.append(min(FAR, float(away)))
    return distances


def measured(recordings: Sequence[Callable[[], list[Sample]]]) -> dict[str, Any]:
    """All ways on some recordings."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for read in recordings:
        samples = read()
        reference: list[tuple[ObjectState, ...]] = []
        for name, (source, governor) in arms().items():
            seconds, states, figures, share = through(samples, source, governor)
            reference = reference or states
            away = apart(states, reference)
            row = {"cpu_s": seconds, "searched": share, "from_every_frame_mm":
                   1e3 * float(np.mean(away)), "frames": len(samples)}  # fmt: skip
            if figures is not None:
                place = figures["position"]["visible"]
                row |= {"p50_mm": 1e3 * place["median_m"], "p95_mm": 1e3 * place["p95_m"]}
                row |= {key: figures["all"][key] for key in ("mota", "idf1", "id_switches")}
            rows.setdefault(name, []).append(row)
            print(name, row, flush=True)
    return {
        name: {key: float(np.mean([r[key] for r in each if r.get(key) is not None]))
               for key in each[0]}
        for name, each in rows.items()
    }  # fmt: skip


def main() -> None:
    """Measure each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=4)
    parser.add_argument("--tier", default="cpu")
    args = parser.parse_args()
    figures: dict[str, Any] = {"sequences": args.sequences, "kinds": {}}
    for kind, pushes in KINDS.items():
        print(kind)
        seeds = range(800, 800 + args.sequences)
        figures["kinds"][kind] = measured(
            [lambda seed=seed: list(Simulator(table(seed, pushes))) for seed in seeds]  # noqa: B023
        )
    with open_bag(resource("examples/data") / "box.mcap") as bag:
        images = list(FrameSource(bag))
    figures["kinds"]["example recording"] = measured([lambda: images])
    write_result("days_pipeline", figures)


if __name__ == "__main__":
    main()
