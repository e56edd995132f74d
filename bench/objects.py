"""Depth-only objects in simulated worlds, ten held-out seeds each of tabletops and rooms.

    python bench/objects.py [--first 30] [--seeds 10] [--frames 600] [--jobs 2]

Every scene has objects of random shapes that get hidden, pushed while hidden, carried out of view
and back, a camera that looks away, and depth with noise, holes and dropouts.
"""

from __future__ import annotations

import argparse
import itertools
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from common import write_result

from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.score.sink import ScoreSink
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_simulation.generator import generate
from perception_simulation.simulator import Simulator

PLACES = ("tabletop", "room")
TRACKING = ("recall", "precision", "idf1", "hota", "switches_per_1000_frames")


def run(job: tuple[str, int, int]) -> tuple[str, dict[str, Any]]:
    """Score one scene."""
    place, seed, frames = job
    pipeline, score = Pipeline(DepthFinder(), ObjectTracker()), ScoreSink()
    for sample in itertools.islice(Simulator(generate(seed, place)), frames):
        score.write(sample, pipeline.process(sample.frame), pipeline.timings)
    return place, score.figures()


def summarize(scenes: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and worst of the tracking figures; medians of errors weighted by their samples."""
    summary: dict[str, Any] = {"scenes": len(scenes), "frames": sum(s["frames"] for s in scenes)}
    for view, key in itertools.product(("all", "knowable", "visible"), TRACKING):
        values = [s[view][key] for s in scenes]
        worst = max(values) if key.startswith("switches") else min(values)
        summary[f"{view}_{key}"] = {
            "mean": round(float(np.mean(values)), 4),
            "worst": round(float(worst), 4),
        }
    for key in ("visible", "hidden_untouched", "hidden_pushed"):
        parts = [s["position"][key] for s in scenes if key in s["position"]]
        summary[f"error_{key}_mm"] = {
            "median_of_scenes": round(1000 * float(np.median([p["median_m"] for p in parts])), 1),
            "worst_scene": round(1000 * max(p["median_m"] for p in parts), 1),
            "samples": sum(p["count"] for p in parts),
        }
    for key in ("visible", "hidden"):
        parts = [s["calibration"][key] for s in scenes if key in s["calibration"]]
        weights = [p["count"] for p in parts]
        summary[f"calibration_{key}"] = {
            name: round(float(np.average([p[name] for p in parts], weights=weights)), 3)
            for name in ("nees_mean", "inside_95")
        }
    summary["hidden_episodes"] = sum(s["hidden"]["episodes"] for s in scenes)
    summary["hidden_episodes_kept"] = sum(s["hidden"]["kept"] for s in scenes)
    accuracy = [s["visibility"]["accuracy"] for s in scenes]
    summary["visibility_accuracy"] = round(float(np.mean(accuracy)), 4)
    summary["latency_ms"] = {
        q: round(float(np.median([s["latency_ms"][q] for s in scenes])), 1)
        for q in ("p50", "p95", "p99")
    }
    return summary


def main() -> None:
    """Measure all scenes and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=30, help="seed; those before were seen")
    parser.add_argument("--seeds", type=int, default=10, help="how many")
    parser.add_argument("--frames", type=int, default=600, help="of each scene at most")
    parser.add_argument("--jobs", type=int, default=2, help="scenes at the same time")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.seeds)
    jobs = [(place, seed, args.frames) for place in PLACES for seed in seeds]
    scenes: dict[str, list[dict[str, Any]]] = {place: [] for place in PLACES}
    with ProcessPoolExecutor(args.jobs) as pool:
        for (place, seed, _), (_, figures) in zip(jobs, pool.map(run, jobs), strict=True):
            scenes[place].append(figures)
            part, visible = figures["all"], figures["position"]["visible"]
            known = figures["knowable"]
            print(
                f"{place} {seed}: precision {part['precision']:.3f} recall {part['recall']:.3f} "
                f"(knowable {known['precision']:.3f} {known['recall']:.3f}) "
                f"switches {part['id_switches']} error {1000 * visible['median_m']:.0f} mm",
                flush=True,
            )
    result = {place: summarize(scenes[place]) for place in PLACES}
    for place, summary in result.items():
        for key, value in summary.items():
            print(f"{place:9s} {key:36s} {value}")
    write_result("objects", result)


if __name__ == "__main__":
    main()
