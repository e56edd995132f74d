"""Objects pushed while hidden, seen by a simulated camera: the tracker with and without the model.

    python bench/cjepa_tracking.py [--seeds 4] [--frames 600]

The whole pipeline on rendered tabletops, as `bench/objects.py`. The robot is told of its own tool,
as a robot is: by its joints, not by its camera.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import numpy as np
from common import write_result

from perception_nodes.cjepa.loading import load_world_model
from perception_nodes.cjepa.motion import CjepaMotion
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.scene import Truth
from perception_nodes.score.sink import ScoreSink
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_simulation.generator import generate
from perception_simulation.model import PUSHER
from perception_simulation.simulator import Simulator

ARMS = ("Kalman filter", "world model", "world model, robot told")
PARTS = ("visible", "hidden_untouched", "hidden_pushed")


def run(seed: int, frames: int, arm: str) -> dict[str, Any]:
    """Score one scene."""
    motion = None if arm == ARMS[0] else CjepaMotion(load_world_model())
    pipeline, score = Pipeline(DepthFinder(), ObjectTracker(motion=motion)), ScoreSink()
    for sample in itertools.islice(Simulator(generate(seed, "tabletop")), frames):
        if motion is not None and arm == ARMS[2] and sample.truth is not None:
            tell(motion, sample.truth)
        score.write(sample, pipeline.process(sample.frame), pipeline.timings)
    return score.figures()


def tell(motion: CjepaMotion, truth: Truth) -> None:
    """Tell where the pusher is."""
    for item in truth.objects:
        if item.label == PUSHER:
            motion.tell_robot(item.position, item.velocity)


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--frames", type=int, default=600, help="of each scene at most")
    args = parser.parse_args()
    figures: dict[str, Any] = {arm: [] for arm in ARMS}
    for seed, arm in itertools.product(range(args.seeds), ARMS):
        row = run(seed, args.frames, arm)
        figures[arm].append(
            {
                **{part: row["position"].get(part) for part in PARTS},
                "kept": row["hidden"]["kept"],
                "episodes": row["hidden"]["episodes"],
                "switches": row["all"]["switches_per_1000_frames"],
                "objects_ms": row["latency_ms"]["p50"],
            }
        )
        print(seed, arm, figures[arm][-1], flush=True)
    summary = {}
    for arm, rows in figures.items():
        for part in PARTS:
            medians = [1000 * r[part]["median_m"] for r in rows if r[part]]
            summary[f"{arm}, {part}"] = round(float(np.median(medians)), 1) if medians else None
    print(summary)
    write_result("cjepa_tracking", {"seeds": args.seeds, "scenes": figures, "median_mm": summary})


if __name__ == "__main__":
    main()
