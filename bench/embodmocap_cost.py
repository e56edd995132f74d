"""What it costs to follow people, keypoints given: processor time of one core a moment and person.

A moment is one image of each camera; what a calibration needs is kept. Walkers are filmed with
noise; one thread. The fastest of five passes counts, as for timeit: slower ones measure the other
work of a shared machine besides; the slowest is told too.

python bench/embodmocap_cost.py
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402  (the libraries read the number of threads when they load)
from common import write_result  # noqa: E402

from perception_nodes.embodmocap.fusion import PeopleFusion, Upkeep  # noqa: E402
from perception_nodes.embodmocap.observation import Noise  # noqa: E402
from perception_nodes.embodmocap.tracker import BodyTracker  # noqa: E402
from perception_simulation.people.filming import Errors, Filming  # noqa: E402
from perception_simulation.people.walking import WalkingMotion  # noqa: E402

_SECONDS, _SETTLED = 6.0, 60
_PEOPLE = (1, 4)
_PASSES = 5


def main() -> None:
    """Measure one and two cameras, with and without depth, one and four people; calibration."""
    argparse.ArgumentParser(description=__doc__).parse_known_args()  # any tier is the same
    figures: dict[str, Any] = {"cases": []}
    for people in _PEOPLE:
        places = [(1.6 * (k % 2), 1.6 * (k // 2)) for k in range(people)]
        walkers = [WalkingMotion(center=c, phase=k) for k, c in enumerate(places)]
        film = Filming(walkers, _SECONDS, Errors(delay=0.0))
        views = [take.view for take in film]
        for cameras in ("a", "ab"):
            chosen = [v for v in views if v.keypoints.camera_name[-1] in cameras]
            moments = [chosen[k : k + len(cameras)] for k in range(0, len(chosen), len(cameras))]
            for depth in (False, True):
                case = {"people": people, "cameras": len(cameras), "depth": depth}
                passes = [measure(moments, depth) for _ in range(_PASSES)]
                case |= min(passes, key=lambda told: told["median"])
                case["slowest"] = max(told["median"] for told in passes)
                figures["cases"].append(case)
                print(case)
    figures["calibration"] = calibration()
    print(figures["calibration"])
    write_result("embodmocap_cost", figures)


def calibration() -> dict[str, float]:
    """Milliseconds of the processor of a calibration, every half a second, of one walker."""
    film = Filming([WalkingMotion()], _SECONDS, Errors())
    noise = Noise(depth=0.01)
    fusion = PeopleFusion(BodyTracker(noise), noise, Upkeep(), film.room)
    spent = []
    for number, take in enumerate(film):
        name = take.view.keypoints.camera_name
        fusion.update([take.view], {name: take.background} if number % 20 < 2 else {})
        if number % 30 == 29:
            began = time.process_time()
            fusion.calibrate()
            spent.append(1e3 * (time.process_time() - began))
    return {"median": float(np.median(spent)), "most": float(np.max(spent))}


def measure(moments: list[list[Any]], depth: bool) -> dict[str, float]:
    """Milliseconds of the processor a moment and person, median and 99th percentile."""
    noise = Noise(depth=0.01)
    fusion = PeopleFusion(BodyTracker(noise, depth=depth), noise)
    spent = []
    for number, views in enumerate(moments):
        began = time.process_time()
        known = fusion.update(views)
        if number >= _SETTLED and known:
            spent.append(1e3 * (time.process_time() - began) / len(known))
    return {"median": float(np.median(spent)), "p99": float(np.percentile(spent, 99)),
            "moments": float(len(spent))}  # fmt: skip


if __name__ == "__main__":
    main()
