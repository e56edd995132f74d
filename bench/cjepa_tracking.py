"""Objects pushed while hidden, seen by a simulated camera: the tracker with and without the model.

    python bench/cjepa_tracking.py [--first 0] [--seeds 8] [--frames 600]

The whole pipeline on rendered tabletops, as `bench/objects.py`; all arms see the same slots. A
robot knows of its own tool by its joints, not by its camera: that arm is told where it is. What
the score calls hidden and pushed is mostly carried by a hand that nobody knows of; so pushes by the
tool are measured by themselves.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from common import write_result

from perception_nodes.arrays import Floats
from perception_nodes.cjepa.foresight import Foresight
from perception_nodes.cjepa.loading import load_world_model, network_hash
from perception_nodes.cjepa.model import WorldModel
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Look, Pipeline
from perception_nodes.scene import (
    UNSCORED_LABELS,
    EventKind,
    ObjectState,
    Sample,
    Truth,
    Visibility,
)
from perception_nodes.score.sink import ScoreSink
from perception_nodes.score.unasked import gate
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_simulation.generator import generate
from perception_simulation.model import PUSHER
from perception_simulation.simulator import Simulator
from perception_simulation.tool import tool

ARMS = ("Kalman filter", "world model", "world model, robot told")
PARTS = ("visible", "hidden_untouched", "hidden_pushed")
MOVED = 0.02
"""Meters that the tool moves an unseen object at least."""


class ByRobot:
    """Errors of objects since the tool touched them while no camera saw them."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Floats]] = {}
        self._pushed: set[str] = set()
        self.errors: list[float] = []
        self.stays: list[float] = []
        self.lost = 0

    def write(self, truth: Truth, states: Sequence[ObjectState]) -> None:
        """Take a frame."""
        for event in truth.events:
            if event.kind is EventKind.CONTACT_ON and PUSHER in event.subjects:
                self._pushed |= set(event.subjects)
        for true in truth.objects:
            if true.label in UNSCORED_LABELS:
                continue
            if true.visibility is Visibility.VISIBLE:
                self._pushed.discard(true.id)
                self._see(true, states)
            elif true.id in self._pushed and true.id in self._known:
                self._compare(true, {state.id: state for state in states})

    def _see(self, true: ObjectState, states: Sequence[ObjectState]) -> None:
        """Note which state is of this object, as long as it is seen."""
        apart = {s.id: float(np.linalg.norm(s.position - true.position)) for s in states}
        name = min(apart, key=apart.__getitem__, default="")
        if name and apart[name] < gate(true):
            self._known[true.id] = (name, true.position)

    def _compare(self, true: ObjectState, states: dict[str, ObjectState]) -> None:
        name, before = self._known[true.id]
        moved = float(np.linalg.norm(true.position - before))
        if moved < MOVED:
            return
        if name not in states:
            self.lost += 1
            return
        self.errors.append(float(np.linalg.norm(states[name].position - true.position)))
        self.stays.append(moved)

    def figures(self) -> dict[str, Any] | None:
        """Median and mean error, and those of believing that nothing moved; None without pushes."""
        if not self.errors:
            return None
        return {
            "frames": len(self.errors),
            "lost": self.lost,
            "median_m": round(float(np.median(self.errors)), 4),
            "mean_m": round(float(np.mean(self.errors)), 4),
            "stay_mean_m": round(float(np.mean(self.stays)), 4),
        }


def run(seed: int, frames: int, model: WorldModel) -> dict[str, dict[str, Any]]:
    """Score one scene with each arm."""
    finder = DepthFinder()
    foresights = {arm: Foresight() if arm == ARMS[0] else Foresight(model) for arm in ARMS}
    pipelines = {
        arm: Pipeline(finder, ObjectTracker(motion=f.motion), futures=f.futures, events=f.events)
        for arm, f in foresights.items()
    }
    scores = {arm: ScoreSink() for arm in ARMS}
    pushed = {arm: ByRobot() for arm in ARMS}
    seconds = dict.fromkeys(ARMS, 0.0)
    count = 0
    for sample in itertools.islice(Simulator(generate(seed, "tabletop")), frames):
        look = pipelines[ARMS[0]].look(sample.frame)
        count += 1
        for arm in ARMS:
            if arm == ARMS[2] and sample.truth is not None:
                foresights[arm].tell(tool(sample.truth))
            seconds[arm] += believe(pipelines[arm], look, sample, (scores[arm], pushed[arm]))
    return {
        arm: {
            **row(scores[arm].figures()),
            "pushed_by_robot": pushed[arm].figures(),
            "cpu_ms": round(1000 * seconds[arm] / count, 2),
        }
        for arm in ARMS
    }


def believe(
    pipeline: Pipeline, look: Look, sample: Sample, scores: tuple[ScoreSink, ByRobot]
) -> float:
    """Take one frame and score it; CPU seconds of all but the finder."""
    began = time.process_time()
    state = pipeline.believe(look)
    spent = time.process_time() - began
    scores[0].write(sample, state, pipeline.timings)
    if sample.truth is not None:
        scores[1].write(sample.truth, state.objects)
    return spent


def row(figures: dict[str, Any]) -> dict[str, Any]:
    """What is compared."""
    return {
        **{part: figures["position"].get(part) for part in PARTS},
        "kept": figures["hidden"]["kept"],
        "episodes": figures["hidden"]["episodes"],
        "switches": figures["all"]["switches_per_1000_frames"],
        "recall": figures["all"]["recall"],
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--frames", type=int, default=600, help="of each scene at most")
    args = parser.parse_args()
    model = load_world_model()
    scenes: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for seed in range(args.first, args.first + args.seeds):
        for arm, found in run(seed, args.frames, model).items():
            scenes[arm].append(found)
            print(seed, arm, found, flush=True)
        # after each scene, so that minutes are not lost
        write_result(
            "cjepa_tracking", {"network": network_hash(), "first": args.first, "scenes": scenes}
        )


if __name__ == "__main__":
    main()
