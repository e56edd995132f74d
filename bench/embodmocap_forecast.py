"""How far joints are from where they were forecast, against going straight on and standing still.

Two cameras with noise and without drift film a walker and a recorded motion.

python bench/embodmocap_forecast.py
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from common import SHARED_DATA, write_result
from embodmocap_arms import NOISE

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.forecast import HORIZONS, forecast
from perception_nodes.embodmocap.tracker import BodyTracker
from perception_simulation.people.filming import Errors, Filming, Motion
from perception_simulation.people.recorded import RecordedMotion
from perception_simulation.people.walking import WalkingMotion
from perception_simulation.specification import Odometry

_SECONDS, _SETTLED, _EVERY = 9.0, 2.0, 6
_SEEDS = (1, 2, 3)
_WAYS = ("forecast", "straight on", "standing still")


def main() -> None:
    """Measure each motion, print a table and write the result."""
    argparse.ArgumentParser(description=__doc__).parse_known_args()  # any tier is the same
    motions: dict[str, Motion] = {"walking": WalkingMotion()}
    recording = SHARED_DATA / "human" / "cmu-13_26.bvh"
    if recording.exists():
        motions["recorded"] = RecordedMotion(recording)
    figures: dict[str, Any] = {"horizons": list(HORIZONS), "seeds": len(_SEEDS), "motions": {}}
    for name, motion in motions.items():
        measured = [measure(motion, seed) for seed in _SEEDS]
        figures["motions"][name] = {
            key: np.array([m[key] for m in measured]).tolist() for key in measured[0]
        }
        for way in (*_WAYS, "nees"):
            print(name, way, np.mean(figures["motions"][name][way], axis=0).round(3))
    write_result("embodmocap_forecast", figures)


def measure(motion: Motion, seed: int) -> dict[str, Floats]:
    """Mean distances (T,) in m of each way at the horizons, and the mean NEES of a joint (T,)."""
    film = Filming([motion], _SECONDS, Errors(odometry=Odometry(), delay=0.0), seed)
    tracker = BodyTracker(NOISE)
    off: dict[str, list[Floats]] = {way: [] for way in (*_WAYS, "nees")}
    for number, take in enumerate(film):
        tracker.update([take.view])
        if take.time < _SETTLED or number % _EVERY or take.time + HORIZONS[-1] > _SECONDS:
            continue
        for name, body in tracker.bodies()[:1]:
            told = forecast(name, body)
            truth = np.array([film.truth(take.time + t)[0] for t in HORIZONS])
            straight = np.array([body.joints + t * body.velocities for t in HORIZONS])
            places = (told.joints, straight, np.array([body.joints] * len(HORIZONS)))
            for way, joints in zip(_WAYS, places, strict=True):
                off[way].append(np.linalg.norm(joints - truth, axis=-1).mean(axis=1))
            miss = told.joints - truth
            solved = np.linalg.solve(told.covariances, miss[..., None])[..., 0]
            off["nees"].append(np.sum(miss * solved, axis=-1).mean(axis=1))
    return {key: np.mean(values, axis=0) for key, values in off.items()}


if __name__ == "__main__":
    main()
