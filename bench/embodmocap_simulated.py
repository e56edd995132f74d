"""Two drifting cameras film people in simulation: what each way to use them is off by.

python bench/embodmocap_simulated.py [--tier full]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from common import SHARED_DATA, write_result
from embodmocap_arms import ARMS, follow, measure

from perception_nodes.embodmocap.observation import Noise
from perception_simulation.people.filming import PERFECT, Errors, Filming, Motion
from perception_simulation.people.recorded import RecordedMotion
from perception_simulation.people.walking import WalkingMotion

_TIERS = {"cpu": (9.0, 3), "full": (25.0, 5)}
"""Seconds of film and seeds."""
_EASY = ("one view + depth", "the other + depth", "uncalibrated + depth + bones")
_SURE = Noise(pixels=0.3, depth=0.0005, surface=0.002)
_MILLIMETERS = ("world", "w_mpjpe", "wa_mpjpe", "foot_skate", "shift")


def main() -> None:
    """Measure all arms, print a table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=tuple(_TIERS), default="cpu")
    parser.add_argument("--seconds", type=float, help="instead of the tier's")
    parser.add_argument("--arms", nargs="+", choices=tuple(ARMS), default=tuple(ARMS))
    options = parser.parse_args()
    seconds, seeds = _TIERS[options.tier]
    seconds = options.seconds or seconds
    motions: dict[str, Motion] = {"walking": WalkingMotion()}
    recording = SHARED_DATA / "human" / "cmu-13_26.bvh"
    if recording.exists():
        motions["recorded"] = RecordedMotion(recording)
    figures: dict[str, Any] = {
        "seconds": seconds, "seeds": seeds, "motions": sorted(motions),
        "errors": {name: getattr(Errors(), name) for name in ("pixels", "depth", "delay")},
        "arms": {}, "perfect": {},
    }  # fmt: skip
    for name in options.arms:
        arm = ARMS[name]
        films = [
            Filming([motion], seconds, Errors(), seed)
            for motion in motions.values()
            for seed in range(1, seeds + 1)
        ]
        figures["arms"][name] = _all([measure(follow(film, arm)[0]) for film in films])
        _say(name, figures["arms"][name])
        write_result("embodmocap_simulated", figures)
    for name in _EASY:
        films = [Filming([m], seconds, PERFECT) for m in motions.values()]
        measured = [measure(follow(film, ARMS[name], _SURE)[0]) for film in films]
        figures["perfect"][name] = _all(measured)
        _say(f"perfect: {name}", figures["perfect"][name])
    write_result("embodmocap_simulated", figures)


def _all(measured: list[dict[str, float]]) -> dict[str, list[float]]:
    return {key: [m[key] for m in measured] for key in measured[0]}


def _say(name: str, measured: dict[str, list[float]]) -> None:
    parts = []
    for key, values in measured.items():
        scale, unit = (1e3, " mm") if key in _MILLIMETERS else (1.0, "")
        parts.append(f"{key} {scale * float(np.nanmean(values)):.3g}{unit}")
    print(f"{name:34}", ", ".join(parts), flush=True)


if __name__ == "__main__":
    main()
