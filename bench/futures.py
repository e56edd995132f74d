"""Errors and calibration of the futures that the Kalman filter foresees, in simulated worlds.

    python bench/futures.py [--frames 500]

Tracked objects (depth only) are matched to true ones by place; each prediction is compared with
the truth at its time. "stay" and "constant velocity" are what it must beat where objects move.
The parameters were chosen on seeds 21 to 23; the figures are those of seeds 31 to 34.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections import defaultdict
from typing import Any

import numpy as np
from common import write_result

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.kalman_futures import KalmanFutures
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.scene import ObjectState, Prediction, Truth
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_simulation.generator import generate
from perception_simulation.simulator import Simulator

SEEDS = (31, 32, 33, 34)
NEAR = 0.06
INSIDE_95 = 7.815  # quantile of chi-square with three degrees of freedom
MOVING = 0.05

History = list[tuple[tuple[ObjectState, ...], Truth]]


def track(seed: int, frames: int) -> History:
    """Object states and truth of each frame."""
    pipeline = Pipeline(DepthFinder(), ObjectTracker())
    history = []
    for sample in itertools.islice(Simulator(generate(seed)), frames):
        assert sample.truth is not None
        history.append((pipeline.process(sample.frame).objects, sample.truth))
    return history


def compare(history: History, source: KalmanFutures, found: dict[str, list[Any]]) -> None:
    """Collect, by group and horizon, errors of three predictors (m) and the squared distance."""
    truths = [{o.id: o for o in truth.objects} for _, truth in history]
    stamps = np.array([truth.stamp for _, truth in history])
    for objects, truth in history:
        predictions = source.foresee(truth.stamp, objects).predictions
        for state, prediction in zip(objects, predictions, strict=True):
            true = min(truth.objects, key=lambda o: math.dist(o.position, state.position))
            if math.dist(true.position, state.position) > NEAR:
                continue
            moving = float(np.linalg.norm(true.velocity)) > MOVING and state.velocity.any()
            group = "moving" if moving else "other"
            for k, at in enumerate(prediction.stamps):
                index = int(np.searchsorted(stamps, at))
                if index == len(stamps) or true.id not in truths[index]:
                    continue
                ahead = (at - truth.stamp) * 1e-9
                goal = truths[index][true.id].position
                errors = _errors(state, prediction, k, ahead, goal)
                found[f"{group} {ahead:g} s"].append(errors)


def _errors(
    state: ObjectState, prediction: Prediction, k: int, ahead: float, goal: Floats
) -> tuple[float, ...]:
    """Of staying, of constant velocity and of prediction k, m; and its Mahalanobis distance."""
    offset = goal - prediction.poses[k].translation
    squared = offset @ np.linalg.solve(prediction.covariances[k, :3, :3], offset)
    constant = state.position + ahead * state.velocity
    stays, goes_on = math.dist(goal, state.position), math.dist(goal, constant)
    return stays, goes_on, float(np.linalg.norm(offset)), float(squared)


def summarize(found: dict[str, list[Any]]) -> dict[str, dict[str, float]]:
    """Root mean square errors in mm and the share inside the 95 % ellipsoid."""
    rows = {}
    for name, samples in sorted(found.items()):
        values: Floats = np.array(samples)
        stay, constant, ours = 1000.0 * np.sqrt(np.mean(values[:, :3] ** 2, axis=0))
        rows[name] = {
            "samples": len(values),
            "stay_mm": round(float(stay), 1),
            "constant_velocity_mm": round(float(constant), 1),
            "ours_mm": round(float(ours), 1),
            "inside_95": round(float(np.mean(values[:, 3] < INSIDE_95)), 3),
        }
    return rows


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=500, help="of each scene at most")
    arguments = parser.parse_args()
    found: dict[str, list[Any]] = defaultdict(list)
    for seed in SEEDS:
        compare(track(seed, arguments.frames), KalmanFutures(), found)
    rows = summarize(found)
    head = f"{'objects':14} {'samples':>8} {'stay':>7} {'const v':>8} {'ours':>7} mm"
    print(f"{head} {'inside 95 %':>12}")
    for name, r in rows.items():
        print(
            f"{name:14} {r['samples']:8} {r['stay_mm']:7.1f} {r['constant_velocity_mm']:8.1f} "
            f"{r['ours_mm']:7.1f}    {r['inside_95']:12.3f}"
        )
    write_result("futures", {"seeds": list(SEEDS), "frames": arguments.frames, "futures": rows})


if __name__ == "__main__":
    main()
